"""The compute process: reads a request, answers it, reads the next.  Run as `python -m gateway.compute.worker`.

It has no sockets, no store and no files, only the pipe it was started with.  Whatever a mapping or a rule does
here, hang, exhaust memory or exit, the gateway goes on taking messages in (decision 18).
"""

from __future__ import annotations

import gc
import importlib
import itertools
import mmap
import os
import resource
import struct
import sys

import msgspec

from gateway import garbage
from gateway.compute.acting import place_of
from gateway.compute.protocol import Act, Answer, Configure, Configured, Decide, NeedPart, Part, Read, Refused, Request
from gateway.compute.steps import Steps
from gateway.coordination.rules.registry import CATALOGUE
from gateway.site_rules import load_site_rules

COLLECT_EVERY = 64
"""Requests between two looks for garbage cycles: a batch leaves few."""

LENGTH = struct.Struct(">I")
MARK = struct.Struct(">q")


def serve(fd: int, mark_fd: int, memory_bytes: int) -> None:
    """Serve until the pipe closes."""
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    page = mmap.mmap(mark_fd, MARK.size)
    pipe = Pipe(fd)
    steps = Steps(lambda work_id: MARK.pack_into(page, 0, work_id), pipe.part)
    requests = itertools.count(1)
    while (request := pipe.receive()) is not None:
        try:
            answer = answer_to(steps, request)
        except Exception as error:  # the loop must survive a request; the gateway counts and parks
            answer = Refused(error=place_of(error))
        pipe.send(answer)
        if isinstance(answer, Configured):
            garbage.collect_by_hand()
        elif next(requests) % COLLECT_EVERY == 0:  # while the gateway has the answer to write
            gc.collect()


class Pipe:
    """Whole requests and answers over the one descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._source = os.fdopen(fd, "rb", buffering=1 << 20)
        self._decoder = msgspec.msgpack.Decoder(Request, strict=False)
        self._encoder = msgspec.msgpack.Encoder()

    def receive(self) -> Request | None:
        """The next request; None at the end."""
        head = self._source.read(LENGTH.size)
        if not head:
            return None
        request: Request = self._decoder.decode(self._source.read(LENGTH.unpack(head)[0]))
        return request

    def send(self, answer: Answer) -> None:
        reply = self._encoder.encode(answer)
        write_all(self._fd, LENGTH.pack(len(reply)) + reply)

    def part(self, journal_id: int, part: int) -> bytes:
        """A part of a stored body, asked for in the midst of a request."""
        self.send(NeedPart(journal_id=journal_id, part=part))
        found = self.receive()
        if not isinstance(found, Part) or not found.body:
            raise LookupError("no such part")
        return found.body


def answer_to(steps: Steps, request: Request) -> Answer:
    if isinstance(request, Read):
        return steps.read(request)
    if isinstance(request, Decide):
        return steps.decide(request)
    if isinstance(request, Configure):
        return Configured(version=request.version, faults=configure(steps, request))
    if isinstance(request, Act):
        return steps.act(request)
    return Refused(error="a part that nothing waits for")


def configure(steps: Steps, request: Configure) -> list[str]:
    """Make ready what reading and deciding need; the site rules that were left out, and why."""
    for package in request.packages:
        importlib.import_module(package)
    found = load_site_rules(request.site_rules)
    CATALOGUE.install(found.rules)
    steps.configure(request)
    return found.faults


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

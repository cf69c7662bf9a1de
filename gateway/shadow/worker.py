"""Explains in a process of its own: `python -m gateway.shadow.worker`, a request on standard input, the answer on
standard output.  What a mapping or a site's rule does here, hang or exhaust memory, the gateway goes on (decision 18).
"""

from __future__ import annotations

import asyncio
import resource
import sys
from datetime import datetime

import msgspec

from gateway.compute.protocol import Configure
from gateway.shadow.explain import Evidence, WhyNot, explain

SECONDS = 20.0
MEMORY = 2 << 30


class Request(msgspec.Struct, kw_only=True):
    configuration: Configure
    evidence: Evidence
    since: datetime
    until: datetime
    rule: str | None = None


class Unanswered(Exception):
    """It took too long, or broke."""


async def ask(request: Request) -> WhyNot:
    """Run `explain` apart.  Raises Unanswered."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.shadow.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            answer, _ = await process.communicate(msgspec.msgpack.encode(request))
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unanswered from None
    if process.returncode != 0:
        raise Unanswered
    return msgspec.msgpack.decode(answer, type=WhyNot)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request, strict=False)
    found = explain(request.configuration, request.evidence, request.since, request.until, request.rule)
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()

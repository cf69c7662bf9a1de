"""MLLP framing as a machine over bytes (HL7 Transport Specification: MLLP, release 1; decision 4).

A frame starts at 0B and ends at 1C 0D.  Any split of the same bytes gives the same frames.
"""

from __future__ import annotations

import msgspec

START = b"\x0b"
END = b"\x1c\r"
EVIDENCE = 65536  # bytes kept of an oversize frame, enough for its header
_SLICE = 65536
_HEADS = (b"MSH", b"FHS", b"BHS")


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One unit that came in: `body` without the block characters."""

    body: bytes
    broken: str | None = None  # truncated | oversize | noise

    @property
    def closing(self) -> bool:
        """The stream cannot be read on: the connection must close."""
        return self.broken == "oversize" or self.broken == "noise"


def frame(body: bytes) -> bytes:
    """`body` between the block characters."""
    return START + body + END


class FrameReader:
    """Cuts a byte stream into frames.

    0B directly followed by MSH, FHS or BHS inside an open frame ends it as truncated and starts the next; any other
    0B is content.  1C that is followed neither by 0D nor by 0B is content; with `end=b"\\x1c"` every 1C ends a frame
    and one 0D behind it is skipped.  `max_frame` is the longest body in bytes, `max_noise` the most bytes between two
    frames.  After an oversize or noise frame nothing is read any more.
    """

    __slots__ = ("_buffer", "_end", "_limit", "_max_noise", "_open", "_position", "_skip", "closed")

    def __init__(self, max_frame: int, end: bytes = END, max_noise: int = 65536) -> None:
        self._limit = max_frame
        self._end = end
        self._max_noise = max_noise
        self._buffer = bytearray()  # of the open frame, else of the noise
        self._position = 0  # content of the open frame is decided up to here
        self._open = False
        self._skip = False  # a 0D may follow a 1C that ended a frame by itself
        self.closed = False

    @property
    def open(self) -> bool:
        """True inside a frame."""
        return self._open

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        size = len(data)
        if (
            not self._buffer
            and not self._open
            and not self._skip
            and data[:1] == START
            and data.find(b"\x1c") == size - 2
            and data[-1:] == b"\r"
            and size - 3 <= self._limit
            and data.find(START, 1) < 0
            and self._end == END
            and not self.closed
        ):
            return [Frame(data[1:-2])]  # one read, one whole frame: by far the most frequent case
        frames: list[Frame] = []
        for offset in range(0, size, _SLICE):
            if self.closed:
                break
            self._buffer += data[offset : offset + _SLICE]
            while self._step(frames):
                pass
        return frames

    def end(self) -> list[Frame]:
        """The stream is over: the open frame, if there is one, was cut."""
        cut = [Frame(bytes(self._buffer), "truncated")] if self._open and not self.closed else []
        self._open = False
        self.closed = True
        self._buffer.clear()
        return cut

    def _step(self, frames: list[Frame]) -> bool:
        """Take one frame or one run of noise from the buffer; False when more bytes are needed."""
        if self._open:
            return self._read_content(frames)
        buffer = self._buffer
        if self._skip and buffer:
            self._skip = False
            if buffer[0] == 0x0D:
                del buffer[:1]
        start = buffer.find(START, self._position)
        noise = len(buffer) if start < 0 else start
        if noise > self._max_noise:
            self._close(frames, Frame(bytes(buffer[: self._max_noise]), "noise"))
            return False
        if start < 0:
            self._position = noise
            return False
        del buffer[: start + 1]
        self._open = True
        self._position = 0
        return True

    def _read_content(self, frames: list[Frame]) -> bool:
        buffer = self._buffer
        mark = buffer.find(b"\x1c", self._position)
        while True:
            stop = mark if mark >= 0 else len(buffer)
            start = buffer.find(START, self._position, stop)
            if start >= 0:
                following = bytes(buffer[start + 1 : start + 4])
                if following in _HEADS:
                    return self._finish(frames, start, start + 1, broken="truncated", reopen=True)
                if len(following) < 3 and any(head.startswith(following) for head in _HEADS):
                    return self._wait(frames, start)
                self._position = start + 1
                continue
            if mark < 0:
                return self._wait(frames, len(buffer))
            if self._end != END:
                self._skip = True
                return self._finish(frames, mark, mark + 1)
            if mark + 1 == len(buffer):
                return self._wait(frames, mark)
            if buffer[mark + 1] == 0x0D:
                return self._finish(frames, mark, mark + 2)
            if buffer[mark + 1] == 0x0B:
                return self._finish(frames, mark, mark + 2, reopen=True)
            self._position = mark + 1
            mark = buffer.find(b"\x1c", self._position)

    def _wait(self, frames: list[Frame], position: int) -> bool:
        """Everything before `position` is content; what follows cannot be decided yet."""
        if position > self._limit:
            self._close_oversize(frames)
        self._position = position
        return False

    def _finish(
        self, frames: list[Frame], stop: int, consumed: int, *, broken: str | None = None, reopen: bool = False
    ) -> bool:
        if stop > self._limit:
            self._close_oversize(frames)
            return False
        buffer = self._buffer
        frames.append(Frame(bytes(buffer[:stop]), broken))
        del buffer[:consumed]
        self._position = 0
        self._open = reopen
        return True

    def _close_oversize(self, frames: list[Frame]) -> None:
        self._close(frames, Frame(bytes(self._buffer[: min(EVIDENCE, self._limit)]), "oversize"))

    def _close(self, frames: list[Frame], last: Frame) -> None:
        frames.append(last)
        self._open = False
        self.closed = True
        self._buffer = bytearray()

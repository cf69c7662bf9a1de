"""An intake that keeps what it is given and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from channels.ports import Answer, BodyChanged, BodySource, Inbound


class FileIntake:
    def __init__(self) -> None:
        self.units: list[Inbound] = []
        self.answers: dict[bytes, Answer] = {}  # by body; default: accepted
        self.accepting = True
        self.full = False
        self.silent = False
        self.changed = 0
        self.largest_block = 0

    def submit(self, inbound: Inbound) -> None:
        if inbound.source is not None:
            self._reading = asyncio.get_running_loop().create_task(self._read(inbound, inbound.source))
            return
        self._take(inbound)

    async def _read(self, inbound: Inbound, source: BodySource) -> None:
        """All of a large body: the unit looks as if it had come whole."""
        blocks: list[bytes] = []
        try:
            async for block in source.chunks():
                blocks.append(block)
                self.largest_block = max(self.largest_block, len(block))
        except BodyChanged:
            self.changed += 1
            inbound.answered(Answer(close=True, accepted=False))
            return
        body = b"".join(blocks)
        assert body.startswith(inbound.body) and len(body) == source.size
        inbound.body = body
        self._take(inbound)

    def _take(self, inbound: Inbound) -> None:
        self.units.append(inbound)
        if not self.silent:
            answer = self.answers.get(inbound.body, Answer())
            asyncio.get_running_loop().call_soon(inbound.answered, answer)

    def when_accepting(self, resume: Callable[[], None]) -> None:
        raise NotImplementedError

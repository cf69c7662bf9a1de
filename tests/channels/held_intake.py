"""An intake at our own port that records what is submitted and answers when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from channels.ports import Answer, Inbound


class HeldIntake:
    """`automatic`: each unit is answered in the next turn with `ACK <body>`; else by `answer`."""

    def __init__(self, automatic: bool = True) -> None:
        self.automatic = automatic
        self.inbounds: list[Inbound] = []
        self._accepting = True
        self.full = False
        self._resume: list[Callable[[], None]] = []

    def submit(self, inbound: Inbound) -> None:
        self.inbounds.append(inbound)
        if self.automatic:
            asyncio.get_running_loop().call_soon(inbound.answered, Answer(b"ACK " + inbound.body[:20]))

    def answer(self, index: int, answer: Answer | None = None) -> None:
        inbound = self.inbounds[index]
        inbound.answered(answer or Answer(b"ACK " + inbound.body[:20]))

    @property
    def accepting(self) -> bool:
        return self._accepting

    def when_accepting(self, resume: Callable[[], None]) -> None:
        if self._accepting:
            resume()
        else:
            self._resume.append(resume)

    def accept(self, accepting: bool) -> None:
        self._accepting = accepting
        if accepting:
            waiting, self._resume = self._resume, []
            for resume in waiting:
                resume()

    @property
    def bodies(self) -> list[bytes]:
        return [inbound.body for inbound in self.inbounds]

    async def until(self, count: int) -> None:
        """Return when `count` units were submitted."""
        async with asyncio.timeout(5):
            while len(self.inbounds) < count:  # noqa: ASYNC110 - the condition is the listener's doing
                await asyncio.sleep(0.002)

"""An intake that keeps what it is given and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from channels.ports import Answer, Inbound


class FileIntake:
    def __init__(self) -> None:
        self.units: list[Inbound] = []
        self.answers: dict[bytes, Answer] = {}  # by body; default: accepted
        self.accepting = True
        self.full = False
        self.silent = False

    def submit(self, inbound: Inbound) -> None:
        self.units.append(inbound)
        if not self.silent:
            answer = self.answers.get(inbound.body, Answer())
            asyncio.get_running_loop().call_soon(inbound.answered, answer)

    def when_accepting(self, resume: Callable[[], None]) -> None:
        raise NotImplementedError

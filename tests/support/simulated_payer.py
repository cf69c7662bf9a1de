"""The simulated payer at the other end of a played gateway's payer folder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.payer.scenario import Scenario
from gateway.payer.simulator import Answer, SimulatedPayer
from tests.support.played_gateway import PlayedGateway

PARTNER = """
[[partner]]
name = "acme"
channel = "payers"
id = "PAYER5"
own_id = "CCGW"
usage = "P"
[[partner.payer]]
id = "PAYER5"
name = "ACME HEALTH"
[[partner.provider]]
facility = "general-hospital"
npi = "1234567893"
name = "GENERAL HOSPITAL"
"""


class PayerAtFolder:
    """Takes what the gateway wrote out and drops its answers, one exchange at a time."""

    def __init__(self, played: PlayedGateway, **scenario: Any) -> None:
        self._played = played
        self._payer = SimulatedPayer(Scenario.model_validate(scenario))
        section = played.gateway.settings.find_channel("payers")
        assert section is not None and section.kind == "file-drop"
        self._out = Path(section.out)
        self._seen: set[str] = set()

    def sent(self) -> list[bytes]:
        """What the gateway wrote since it was last asked, acknowledgements left out."""
        paths = sorted(path for path in self._out.glob("*.x12") if path.name not in self._seen)
        self._seen |= {path.name for path in paths}
        bodies = [path.read_bytes() for path in paths]
        return [body for body in bodies if b"ST*27" in body]

    async def exchange(self, *, only: str = "") -> list[Answer]:
        """Answer everything that waits; returns the answers that are to come later.  `only`: of this kind."""
        later = []
        for body in self.sent():
            for answer in self._payer.answer(body, self._played.clock() + timedelta(seconds=1)):
                if only and answer.kind != only:
                    continue
                if answer.delay:
                    later.append(answer)
                else:
                    await self._played.drop("payers", answer.body)
        return later

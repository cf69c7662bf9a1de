"""Shadow replay against live: the same messages, on the same store, in the same run.

Live speed is the end-to-end rate at which the gateway took and decided them; replay then reads them from its store and
makes their tasks anew, while that gateway idles.  A replay whose tasks are not those of the store is no figure.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.clock import system_clock
from gateway.configuration import compute_configuration
from gateway.settings.check import load
from gateway.shadow.replay import Period, Result, replay
from gateway.store.opening import open_store
from parsers.x12.acknowledgement import number_interchange
from tests.benchmarks.setups import Servers, gateway, own_load
from tests.benchmarks.stages import SETUPS, Plan, Tell

WANTED = 5.0
"""Replay against live."""


@dataclass(frozen=True)
class Pace:
    """Messages per second."""

    live: float
    replayed: float

    @property
    def ratio(self) -> float:
        return self.replayed / self.live


def measure(plan: Plan, servers: Servers, tell: Tell) -> dict[str, Pace]:
    found: dict[str, Pace] = {}
    for setup in SETUPS:
        tell(f"shadow replay of {plan.replayed:,} messages: {setup}")
        found[setup] = _pace(setup, servers, plan)
    return found


def _pace(setup: str, servers: Servers, plan: Plan) -> Pace:
    with gateway(setup, servers) as subject:
        began = datetime.now(UTC) - timedelta(seconds=1)
        load_ = own_load(subject.port, plan.connections[-1], count=plan.replayed)
        settled = subject.child.ask(f"settle {load_['messages']}")
        live = load_["messages"] / (settled["at"] - load_["started"])
        started = time.perf_counter()
        result = asyncio.run(_replay(subject.config, Period(since=began, until=_soon(), now=_soon())))
        seconds = time.perf_counter() - started
    differing = result.difference.by_rule()
    if result.figures.messages != load_["messages"] or differing:
        raise RuntimeError(f"the replay of {result.figures.messages} messages differs: {differing}")
    return Pace(live, result.figures.messages / seconds)


async def _replay(config: Path, period: Period) -> Result:
    settings = load(config)
    store = open_store(settings, system_clock, numbering=number_interchange)
    await store.open()
    try:
        return await replay(store, None, compute_configuration(settings, await store.salt()), period)
    finally:
        await store.close()


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def rows(found: dict[str, Pace], titles: dict[str, str]) -> list[tuple[str, str, str, bool]]:
    """(target, wanted, found, met)."""
    return [
        (
            f"shadow replay against the live rate of the same messages, {titles[setup]}",
            f"≥ {WANTED:.1f}x",
            f"{pace.ratio:.1f}x ({pace.replayed:,.0f}/s against {pace.live:,.0f}/s)",
            pace.ratio >= WANTED,
        )
        for setup, pace in found.items()
    ]

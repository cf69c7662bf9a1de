"""When a silence is told to the coordination, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import silence
from gateway.coordination.changes import Silence
from gateway.coordination.rules.feed import cycle_key
from gateway.settings import Settings
from gateway.silence import TELL_AGAIN, Silences

LAST = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class FakeGateway:
    """What `Silences` asks of a gateway; `said` is what it told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rules: str) -> None:
        self.settings = Settings.model_validate(
            {
                "channel": [{"name": "adt", "kind": "mllp-listener", "quiet_after": 60}],
                "coordination": {"enabled_rules": list(rules)},
            }
        )
        self.store: Any = None
        self.intake = SimpleNamespace(accepting=True)
        self.pipeline = SimpleNamespace(ask=self._ask)
        self.time, self.state = LAST, "running"
        self.last = {"adt": LAST}
        self.keys: list[str] = []
        self.said: list[Silence] = []
        monkeypatch.setattr(silence.silence, "last_received", self._last_received)
        monkeypatch.setattr(silence.silence, "open_keys", self._open_keys)

    def clock(self) -> datetime:
        return self.time

    def channel_state(self, name: str) -> str:
        return self.state

    async def _ask(self, heard: Silence) -> None:
        self.said.append(heard)

    async def _last_received(self, store: object) -> dict[str, datetime]:
        return self.last

    async def _open_keys(self, store: object, rule_id: str) -> list[str]:
        return self.keys


async def test_silence_is_told_once_and_again_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway(monkeypatch, "feed-silent")
    ears = Silences(gateway)  # type: ignore[arg-type]
    counts = []
    for passed in (timedelta(), MINUTE, MINUTE * 1.5, MINUTE * 2, MINUTE * 1.5 + TELL_AGAIN):
        gateway.time = LAST + passed
        await ears.look()
        counts.append(len(gateway.said))
    assert counts == [0, 0, 1, 1, 2]
    assert {(one.channel, one.last, one.silent, one.limit) for one in gateway.said} == {("adt", LAST, True, 60)}


async def test_silence_counts_anew_after_the_store_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway(monkeypatch, "feed-silent")
    ears = Silences(gateway)  # type: ignore[arg-type]
    await ears.look()
    ears.interrupted()
    for passed, told in ((60, 0), (61, 0), (61.5, 1)):
        gateway.time = LAST + MINUTE * passed
        await ears.look()
        assert len(gateway.said) == told


@pytest.mark.parametrize("broken", ["paused", "not accepting", "off"])
async def test_silence_is_not_told_where_nobody_could_hear_or_nobody_asked(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FakeGateway(monkeypatch, *([] if broken == "off" else ["feed-silent"]))
    ears = Silences(gateway)  # type: ignore[arg-type]
    await ears.look()
    gateway.state = "paused" if broken == "paused" else "running"
    gateway.intake.accepting = broken != "not accepting"
    gateway.time = LAST + 5 * MINUTE
    await ears.look()
    assert gateway.said == []


@pytest.mark.parametrize("rules", [["feed-silent"], []], ids=["on", "off"])
async def test_next_message_is_told_while_a_task_waits_for_it(
    rules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FakeGateway(monkeypatch, *rules)
    gateway.keys = [cycle_key("adt", LAST)]
    ears = Silences(gateway)  # type: ignore[arg-type]
    await ears.look()
    assert gateway.said == []
    gateway.last = {"adt": LAST + MINUTE}
    gateway.time = LAST + MINUTE
    await ears.look()
    assert [(one.last, one.silent) for one in gateway.said] == [(LAST + MINUTE, False)]

"""Notices: one at the start, one when it clears (decision 27)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from channels.tls import TlsFiles
from gateway.api.ports import Facts
from gateway.certificates import Certificates
from gateway.settings import Settings
from gateway.telemetry import Metrics
from gateway.traffic import ChannelTraffic
from gateway.watch import RECENT, Watch
from tests.support.certificates import Authority


class FakeGateway:
    """What the watch asks of a gateway."""

    def __init__(self) -> None:
        self.now = Facts(ready=True)
        self.alarms: list[str] = []
        channel = {"name": "adt", "kind": "mllp-listener", "quiet_after": 60}
        self.settings = Settings(channel=(channel,))  # type: ignore[arg-type]
        self.metrics = Metrics()
        self.store: Any = SimpleNamespace(maintain=self._maintain, fetch=self._nothing)
        self.certificates = Certificates()
        self.webhooks = SimpleNamespace(notices={})
        self.intake = SimpleNamespace(traffic={"adt": ChannelTraffic()})
        self.time = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.relays: dict[str, Any] = {}
        self.paused: list[tuple[str, str]] = []

    def clock(self) -> datetime:
        return self.time

    async def pause_channel(self, name: str, actor: str) -> None:
        self.paused.append((name, actor))
        self.relays[name].paused = True

    async def _nothing(self, query: Any) -> list[Any]:
        return []

    async def _maintain(self) -> list[str]:
        return self.alarms

    async def facts(self) -> Facts:
        return self.now


CASES = {
    "a quiet feed": (Facts(ready=True, feed_quiet_seconds={"adt": 61.0}), "channel adt: nothing for 60 s"),
    "a backlog": (Facts(ready=True, oldest_pending_seconds=301.0), "oldest pending message waits"),
    "a short disk": (Facts(ready=False, reasons=("disk-short",)), "disk reserve is reached"),
    "an absent store": (Facts(ready=False, reasons=("store-away",)), "store is away"),
}


@pytest.mark.parametrize("name", CASES)
async def test_watch_says_once_that_it_begins_and_once_that_it_ends(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    facts, words = CASES[name]
    gateway = FakeGateway()
    watch = Watch(gateway)  # type: ignore[arg-type]
    caplog.set_level(logging.WARNING)
    for now in (Facts(ready=True), facts, facts, facts, Facts(ready=True), Facts(ready=True)):
        gateway.now = now
        await watch.look()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and all(words in line for line in said)
    assert said[0].startswith("notice:") and said[1].startswith("cleared:")
    assert b"baton_notices_total{" in gateway.metrics.render()


async def test_watch_passes_on_what_the_store_says(caplog: pytest.LogCaptureFixture) -> None:
    gateway = FakeGateway()
    watch = Watch(gateway)  # type: ignore[arg-type]
    gateway.alarms = ["a writing transaction is open"]
    await watch.look()
    assert list(watch.notices.values()) == ["a writing transaction is open"]
    gateway.alarms = []
    await watch.look()
    assert watch.notices == {}


async def test_watch_notices_a_certificate_that_ends_soon_until_a_new_one_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = FakeGateway()
    gateway.time = datetime.now(UTC)
    authority = Authority(tmp_path)
    papers = authority.issue("gateway", days=10, file="gateway")
    files = TlsFiles(str(papers.certificate), str(papers.key))
    gateway.certificates.open("adt", files, server=True, warn_days=30)
    watch = Watch(gateway)  # type: ignore[arg-type]
    await watch.look()
    [text] = watch.notices.values()
    assert text == f"TLS of adt: the certificate ends on {gateway.time + timedelta(days=10):%Y-%m-%d}"

    kept = papers.key.read_bytes()
    papers.key.write_text("no key")
    await watch.look()
    assert "the new files are not used" in " ".join(watch.notices.values())
    papers.key.write_bytes(kept)
    authority.issue("gateway", file="gateway")
    await watch.look()
    assert watch.notices == {} and "new certificates are in use" in caplog.text


async def test_watch_notices_peers_that_speak_for_others_for_a_while() -> None:
    gateway = FakeGateway()
    watch = Watch(gateway)  # type: ignore[arg-type]
    gateway.intake.traffic["adt"].last_foreign = gateway.time
    await watch.look()
    assert list(watch.notices.values()) == ["channel adt: peers send for senders that are not theirs"]
    gateway.time += RECENT
    await watch.look()
    assert watch.notices == {}


async def test_watch_notices_deliveries_that_wait_and_pauses_a_channel_that_stopped_itself() -> None:
    gateway = FakeGateway()
    relay = SimpleNamespace(trouble="no connection", stopped="", paused=False)
    gateway.relays = {"down": relay, "bus": SimpleNamespace(trouble="away", stopped="", paused=False)}
    watch = Watch(gateway)  # type: ignore[arg-type]
    await watch.look()
    assert list(watch.notices.values()) == ["channel down: deliveries wait: no connection"]
    relay.stopped = relay.trouble = "an answer of the peer stops this channel"
    await watch.look()
    await watch.look()
    assert gateway.paused == [("down", "gateway")]
    relay.trouble, relay.stopped = None, ""
    await watch.look()
    assert watch.notices == {}

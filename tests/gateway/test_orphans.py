"""Deliveries whose channel, webhook or bus is gone: named by `baton check`, ended by a command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.event_sinks import EventSink
from gateway.orphans import orphans
from gateway.settings import Settings
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from gateway.store.webhooks import Webhook, add_webhook
from tests.gateway.store.samples import NOON, event, write


async def left_behind(path: Path) -> list[tuple[str, int]]:
    """Two deliveries each for a bus, a webhook and a receiver; what nobody takes when only the webhook is there."""
    sinks = tuple(EventSink(name) for name in ("bus", "care-app", "old-receiver"))
    store = SqliteStore(path, clock=lambda: NOON, sinks=sinks)
    await store.open()
    await write(store, events=[event("e1"), event("e2")])
    webhook = Webhook(name="care-app", url="https://x.example", secret_id="s", created_at=NOON, changed_at=NOON)
    await add_webhook(store, webhook)
    given: dict[str, Any] = {"gateway": {"data_dir": str(path.parent)}}
    found = await orphans(store, Settings(**given))
    named = await orphans(store, Settings(**given, bus={"url": "amqp://localhost"}))
    assert [one.sink for one in named] == ["old-receiver"]
    await store.close()
    return [(one.sink, one.deliveries) for one in found]


def test_check_names_what_waits_for_nobody_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "baton.db"
    migrate(f"sqlite:///{path}")
    assert asyncio.run(left_behind(path)) == [("bus", 2), ("old-receiver", 2)]

    config = tmp_path / "baton.toml"
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n')
    said = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert said.exit_code == 0
    assert "2 deliveries wait for old-receiver" in said.stdout and "care-app" not in said.stdout
    assert "baton channels set-aside old-receiver" in said.stdout

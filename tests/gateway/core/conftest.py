"""A gateway with a CORE endpoint for a hospital and a CORE client for a payer, and that payer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.core_partners import hash_password
from gateway.bootstrap import Gateway
from gateway.settings_check import load
from gateway.store.exchanges import between
from gateway.store.migrate import migrate
from tests.gateway.core.fake_payer import FakePayer
from tests.parsers.core.core_messages import ANSWER

HASH = hash_password("secret", b"0123456789abcdef")

CONFIG = """
[gateway]
data_dir = "{folder}/var"
[api]
port = 0
[disk]
reserve_bytes = 0
[[facility]]
id = "main"
[[channel]]
name = "core"
kind = "core-endpoint"
port = 0
answer_seconds = {answer_seconds}
{endpoint}
[[channel.partner]]
name = "hospital"
user = "Baton"
password_hash = "{hash}"
sender_ids = ["HOSPITAL"]
relay = {{ "PAYER" = "bigpayer" }}
{partner}
[[channel]]
name = "bigpayer"
kind = "core-client"
url = "{scheme}://127.0.0.1:{port}/core"
user = "baton-at-payer"
password_env = "TEST_PAYER_PASSWORD"
sender_id = "BATON"
receiver_id = "PAYER"
resend_seconds = 0.05
poll_seconds = 0.1
{client}
"""


@dataclass
class Ground:
    gateway: Gateway
    payer: FakePayer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port_of('core')}/core"

    async def exchanges(self, partner: str) -> list[tuple[str, str]]:
        """(kind, outcome) of all that was exchanged with a partner."""
        far = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        return [(row["kind"], row["outcome"]) for row in await between(self.gateway.store, partner, *far)]


Opened = Callable[..., "asyncio.Future[Ground]"]


def answered(fields: dict[str, str]) -> bytes | None:
    return ANSWER if fields["ProcessingMode"] == "RealTime" else None


@pytest.fixture
async def payer() -> AsyncIterator[FakePayer]:
    made = FakePayer(answered)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def open_ground(tmp_path: Path, payer: FakePayer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    """open_ground(client=..., partner=..., endpoint=..., answer_seconds=...) -> a running gateway."""
    monkeypatch.setenv("TEST_PAYER_PASSWORD", "payer-secret")
    opened: list[Gateway] = []

    async def open_(**given: str) -> Ground:
        words = {"endpoint": "", "partner": "", "client": "", "answer_seconds": "20", "scheme": "http", **given}
        config = tmp_path / "baton.toml"
        port = words.pop("port", str(payer.port))
        config.write_text(CONFIG.format(folder=tmp_path, hash=HASH, port=port, **words))
        settings = load(config)
        await asyncio.to_thread(migrate, settings.store.url)
        gateway = Gateway(settings)
        opened.append(gateway)
        await gateway.start()
        return Ground(gateway, payer)

    yield open_  # type: ignore[misc]
    for gateway in opened:
        await gateway.stop()

"""A gateway with a CORE endpoint for a hospital and a CORE client for a payer, and that payer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, select

from channels.core_partners import hash_password
from gateway.bootstrap import Gateway
from gateway.settings.check import load
from gateway.store.exchanges import between
from gateway.store.migrate import migrate
from gateway.store.schema import journal
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
url = "{client_scheme}://127.0.0.1:{port}/core"
user = "baton-at-payer"
password_env = "TEST_PAYER_PASSWORD"
sender_id = "BATON"
receiver_id = "PAYER"
resend_seconds = 0.05
poll_seconds = 0.1
{client}
"""


class Ground:
    """A running gateway and its payer; `fresh` forgets what earlier tests did with them."""

    def __init__(self, gateway: Gateway, payer: FakePayer) -> None:
        self.gateway = gateway
        self.payer = payer
        self._since = datetime(2000, 1, 1, tzinfo=UTC)

    def fresh(self) -> Ground:
        self._since = self.gateway.clock()
        self.payer.reset(answered)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port_of('core')}/core"

    async def rows(self, partner: str) -> list[dict[str, Any]]:
        """What was exchanged with a partner, and what waits for him."""
        return await between(self.gateway.store, partner, self._since, datetime(2100, 1, 1, tzinfo=UTC))

    async def exchanges(self, partner: str) -> list[tuple[str, str]]:
        return [(row["kind"], row["outcome"]) for row in await self.rows(partner)]

    async def bodies(self) -> list[tuple[str, bytes]]:
        """(channel, body) of what was received."""

        def read(connection: Connection) -> list[tuple[str, bytes]]:
            query = select(journal.c.channel, journal.c.body).where(journal.c.received_at >= self._since)
            return [
                (channel, bytes(body or b""))
                for channel, body in connection.execute(query.order_by(journal.c.journal_id))
            ]

        return await self.gateway.store.read(read)


def answered(fields: dict[str, str]) -> bytes | None:
    return ANSWER if fields["ProcessingMode"] == "RealTime" else None


class Grounds:
    """Opens gateways in one folder, and stops them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[Ground] = []

    async def open(self, **given: str) -> Ground:
        """`endpoint`, `partner`, `client`: further lines of those sections; `answer_seconds`; `payer_port` and
        `client_scheme`: of another payer."""
        payer = FakePayer(answered)
        await payer.start()
        words = {"endpoint": "", "partner": "", "client": "", "answer_seconds": "20", "client_scheme": "http", **given}
        config = self._folder / "baton.toml"
        port = words.pop("payer_port", payer.port)
        text = CONFIG.format(folder=self._folder, hash=HASH, port=port, **words)
        await asyncio.to_thread(config.write_text, text)
        settings = load(config)
        await asyncio.to_thread(migrate, settings.store.url)
        ground = Ground(Gateway(settings), payer)
        self._opened.append(ground)
        await ground.gateway.start()
        return ground

    async def close(self) -> None:
        for ground in self._opened:
            await ground.gateway.stop()
            await ground.payer.stop()


@pytest.fixture(autouse=True)
def payer_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PAYER_PASSWORD", "payer-secret")


@pytest_asyncio.fixture(loop_scope="module")
async def grounds(tmp_path: Path) -> AsyncIterator[Grounds]:
    made = Grounds(tmp_path)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """One gateway for the tests of a module that need nothing special."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TEST_PAYER_PASSWORD", "payer-secret")
        grounds = Grounds(tmp_path_factory.mktemp("core"))
        yield await grounds.open()
        await grounds.close()


@pytest.fixture
def ground(shared: Ground) -> Ground:
    return shared.fresh()

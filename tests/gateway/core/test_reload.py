"""A reload that changes an endpoint or a client of CORE opens that one anew; the other half of a relay goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.settings.check import load
from tests.gateway.core.conftest import Grounds
from tests.gateway.core.test_real_time import ask_by_requests, fresh
from tests.parsers.core.core_messages import ANSWER, REQUEST

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_endpoint_and_client_change_one_after_the_other_and_still_relay(grounds: Grounds, tmp_path: Path) -> None:
    ground = await grounds.open()
    gateway, port, config = ground.gateway, ground.gateway.port_of("core"), tmp_path / "baton.toml"

    async def relayed() -> bool:
        return ANSWER in (await asyncio.to_thread(ask_by_requests, ground.url, fresh(), REQUEST)).content

    assert await relayed()
    client, text = gateway.sources["bigpayer"], config.read_text()
    text = text.replace("answer_seconds = 20", "answer_seconds = 20\nmax_body = 65536")
    config.write_text(text)
    assert await gateway.reload(load(config)) == []
    assert gateway.port_of("core") == port and gateway.sources["bigpayer"] is client
    assert await relayed()
    assert (await asyncio.to_thread(ask_by_requests, ground.url, fresh(), b"x" * 100_000)).status_code == 413

    endpoint = gateway.sources["core"]
    config.write_text(text.replace('sender_id = "BATON"', 'sender_id = "BATON2"'))
    assert await gateway.reload(load(config)) == []
    assert gateway.sources["core"] is endpoint and gateway.sources["bigpayer"] is not client
    assert await relayed()
    assert ground.payer.asked[-1]["SenderID"] == "BATON2"

"""Events by page and by stream, over a real socket where they stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.api.server import ApiServer
from gateway.settings import Settings
from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import FakeGateway, event_row, write


@pytest.fixture
async def server(gateway: FakeGateway) -> AsyncIterator[ApiServer]:
    gateway.settings = Settings(api={"port": 0}, channel=gateway.settings.channel)  # type: ignore[arg-type]
    server = ApiServer(gateway)
    await server.start()
    yield server
    await server.stop()


async def frames(answer: httpx.Response, count: int) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    position = ""
    async for line in answer.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            position = value
        if field == "data":
            found.append((position, json.loads(value)))
        if len(found) == count:
            break
    return found


async def test_events_are_read_on_from_next(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    headers = await key("events:read")
    first = (await client.get("/api/v1/events", params={"limit": 1}, headers=headers)).json()
    assert [event["id"] for event in first["items"]] == ["evt_main_1"]
    rest = (await client.get("/api/v1/events", params={"cursor": first["next"]}, headers=headers)).json()
    assert [event["id"] for event in rest["items"]] == ["evt_north_1"]
    await write(store, WriteSet(events=[event_row(2, "main")]))
    news = (await client.get("/api/v1/events", params={"cursor": rest["next"]}, headers=headers)).json()
    assert [event["id"] for event in news["items"]] == ["evt_main_2"]


async def test_events_are_filtered_by_type_and_facility(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("events:read", facilities=("north",))
    page = (await client.get("/api/v1/events", headers=headers)).json()
    assert [event["id"] for event in page["items"]] == ["evt_north_1"]
    page = (await client.get("/api/v1/events", params={"type": "patient.merged"}, headers=headers)).json()
    assert page["items"] == []


async def test_stream_brings_what_is_there_and_what_comes(
    server: ApiServer, key: Any, store: Any, gateway: FakeGateway
) -> None:
    headers = await key("events:read", facilities=("main",)) | {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        client.stream("GET", "/api/v1/events", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(frames(answer, 2))
        await asyncio.sleep(0.05)
        await write(store, WriteSet(events=[event_row(2, "north"), event_row(3, "main")]))
        gateway.committed.set()
        found = await asyncio.wait_for(reading, 10)
    assert [event["id"] for _, event in found] == ["evt_main_1", "evt_main_3"]
    headers["Last-Event-ID"] = found[0][0]
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        client.stream("GET", "/api/v1/events", headers=headers) as answer,
    ):
        assert [event["id"] for _, event in await frames(answer, 1)] == ["evt_main_3"]


async def test_stream_is_alive_between_events_and_ends_with_its_key(
    server: ApiServer, key: Any, store: Any, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.api import events
    from gateway.store import access

    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.0)
    headers = await key("events:read") | {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        client.stream("GET", "/api/v1/events", headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        async for line in lines:
            if line == ": still here":
                break
        (found,) = await access.keys(store)
        await access.revoke_key(store, found.key_id, gateway.clock())
        gateway.committed.set()
        async for _ in lines:
            pass


async def test_server_stops_with_a_stream_open(gateway: FakeGateway, key: Any) -> None:
    gateway.settings = Settings(api={"port": 0}, channel=gateway.settings.channel)  # type: ignore[arg-type]
    server = ApiServer(gateway)
    port = await server.start()
    headers = await key("events:read") | {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        client.stream("GET", "/api/v1/events", headers=headers) as answer,
    ):
        await frames(answer, 1)
        await asyncio.wait_for(server.stop(), 10)

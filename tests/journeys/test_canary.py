"""A token in every field about a person, then it is looked for where it must not be (decision 24)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest

from channels.mllp_client import MllpClient, PeerLost
from gateway.api.auth import SCOPES
from gateway.api.fhir_render import SCOPE_OF_KIND
from gateway.store.migrate import migrate
from tests.support import canaries
from tests.support.bus_witness import BusWitness, Seen
from tests.support.configuration import Ground, write_configuration
from tests.support.evidence import Evidence
from tests.support.free_ports import free_ports
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

pytestmark = pytest.mark.journey

MORE = 'stage = "live"\n[pipeline]\nbudget_seconds = 0.5\nmax_attempts = 2\n[webhooks]\nallow = ["127.0.0.1"]\n'
WAYS = (
    "/api/v1/tasks?limit=500",
    "/api/v1/events?limit=500",
    "/api/v1/messages?limit=500",
    "/api/v1/parked",
    "/api/v1/audit",
    "/api/v1/webhooks",
    "/api/v1/people",
    "/api/v1/inquiries",
)
FILE_NAME = f"{canaries.TOKEN}FILE"


@dataclass
class Traces:
    """Everything that left the gateway or that it wrote for people to read."""

    log: str = ""
    acknowledgements: list[bytes] = field(default_factory=list)
    metrics: str = ""
    problems: list[str] = field(default_factory=list)  # API answers that are no data
    replies: dict[str, bytes] = field(default_factory=dict)  # files written for partners
    seen: list[Seen] = field(default_factory=list)
    events: int = 0
    ungranted: dict[str, str] = field(default_factory=dict)  # what takers without restricted:read got, by way
    granted: str = ""  # the same events to a key with the grant
    stored: str = ""  # the events themselves: there the tokens belong


def found_in(text: str) -> list[str]:
    """Tokens with what stands around them."""
    return [
        text[max(0, at - 60) : at + 40]
        for token in (canaries.TOKEN, canaries.SHUT, *canaries.NUMBERS)
        for at in _places(text, token)
    ]


def _around(text: str, token: str) -> list[str]:
    return [text[max(0, at - 60) : at + 40] for at in _places(text, token)][:5]


def _places(text: str, token: str) -> Iterable[int]:
    at = text.find(token)
    while at >= 0:
        yield at
        at = text.find(token, at + 1)


@pytest.fixture
async def traces(ground: Ground) -> AsyncIterator[Traces]:
    """What a run with tokens everywhere left behind."""
    ports = free_ports(3)
    config = write_configuration(ground, ports=(ports[0], ports[1], ports[2]), log_level="DEBUG", more=MORE)
    await asyncio.to_thread(migrate, ground.url)
    gateway = ServedGateway(config, "poisoned-mappings")
    traces = Traces()
    witness = BusWitness(ground.bus_url, ground.exchange, ground.queue) if ground.bus_url else None
    if witness is not None:
        await witness.start()
    await gateway.start()
    receiver = Receiver()
    receiver.start()
    try:
        now = datetime.now(UTC)
        await _subscribe(ports[2], (ground.folder / "var" / "admin.key").read_text().strip(), receiver.url)
        for body in canaries.restricted(now):
            traces.acknowledgements.append(await _send(ports[0], body))
        for body in canaries.admissions(now):
            traces.acknowledgements.append(await _send(ports[0], body))
        for body in canaries.slipped(now):
            assert await _send(ports[0], body)
        for body in canaries.bookings(now):
            traces.acknowledgements.append(await _send(ports[1], body))
        await _drop(ground.folder / "var" / "payers" / "in", canaries.answers(now))
        await _finish(ground, sum(len(make(now)) for make in canaries.EVERYTHING))
        await _look_without_the_grant(ports[2], config, traces, receiver)
        await _ask(ports[2], (ground.folder / "var" / "admin.key").read_text().strip(), traces)
        assert await gateway.stop() == 0, gateway.tail()
    finally:
        gateway.end()
        receiver.stop()
        if witness is not None:
            await witness.quiet()
            await witness.stop()
            traces.seen = witness.seen
    bodies = [bytes(body).decode() for (body,) in await Evidence(ground.url).rows("SELECT body FROM events")]
    traces.events, traces.stored = len(bodies), "".join(bodies)
    traces.log = gateway.log.read_text(errors="replace")
    out = ground.folder / "var" / "payers" / "out"
    traces.replies = {path.name: path.read_bytes() for path in out.iterdir()}
    yield traces


async def _send(port: int, body: bytes) -> bytes:
    client = MllpClient("127.0.0.1", port, timeout=10)
    try:
        return (await client.send(body)).body
    except PeerLost:
        return b""
    finally:
        await client.close()


async def _drop(folder: Path, bodies: list[bytes]) -> None:
    for number, body in enumerate(bodies):
        hidden = folder / f".{number}"
        hidden.write_bytes(body)
        hidden.rename(folder / f"{FILE_NAME}{number}.x12")


async def _finish(ground: Ground, units: int) -> None:
    evidence = Evidence(ground.url)

    async def finished() -> bool:
        return await evidence.count("journal") >= units and not await evidence.unfinished()

    await until(finished, 60, pause=0.05)


async def _ask(port: int, key: str, traces: Traces) -> None:
    """Questions with tokens in them, with and without a key; what is answered to a wrong one repeats nothing."""
    token, patient = canaries.TOKEN, {"family": canaries.c("FAMILY"), "birth_date": "1931-07-13"}
    secret = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as api:
        found = await api.post("/patients/_search", json=patient, headers=secret)
        assert found.status_code == 200, found.text
        for headers in ({}, {"Authorization": f"Bearer {token}"}, secret):
            for path in (f"/patients/{token}", f"/tasks?patient={token}", f"/{token}", f"/messages/{token}?q={token}"):
                answer = await api.get(path, headers=headers)
                if answer.status_code >= 400:
                    traces.problems.append(answer.text)
            for body in (f'{{"family": "{token}"', f'{{"{token}": 1}}', f'{{"birth_date": "{token}"}}'):
                answer = await api.post("/patients/_search", content=body, headers=headers)
                traces.problems.append(answer.text if answer.status_code >= 400 else "")
        traces.metrics = (await api.get(f"http://127.0.0.1:{port}/metrics", headers=secret)).raise_for_status().text


async def _subscribe(port: int, admin: str, url: str) -> None:
    """A webhook for everything in full, without the grant."""
    body = {"actor": "jdoe", "name": "care-app", "url": url, "payload": "full"}
    async with httpx.AsyncClient(timeout=30) as api:
        answer = await api.post(
            f"http://127.0.0.1:{port}/api/v1/webhooks", json=body, headers={"Authorization": f"Bearer {admin}"}
        )
        assert answer.status_code == 201, answer.text


async def _key(config: Path, *scopes: str) -> dict[str, str]:
    command = [sys.executable, "-m", "gateway.cli", "key", "create", "app", "-f", "*", "--json", "-c", str(config)]
    made = await asyncio.to_thread(
        subprocess.run, command + [word for scope in scopes for word in ("-s", scope)], capture_output=True, check=True
    )
    return {"Authorization": f"Bearer {json.loads(made.stdout)['secret']}"}


async def _look_without_the_grant(port: int, config: Path, traces: Traces, receiver: Receiver) -> None:
    """Everything that a key may read but restricted patients; and what the webhook got."""
    plain = await _key(config, *(scope for scope in SCOPES if scope != "restricted:read"))
    full = await _key(config, "events:read", "restricted:read")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
        for path in (*WAYS, *(f"/fhir/{kind}?_count=200" for kind in SCOPE_OF_KIND)):
            answer = await api.get(path, headers=plain)
            assert answer.status_code == 200, answer.text
            traces.ungranted[path] = answer.text
        for task in (await api.get("/api/v1/tasks?limit=500", headers=plain)).json()["items"]:
            for path in (f"/api/v1/tasks/{task['task_id']}", f"/fhir/Task/{task['task_id'].replace('_', '-')}"):
                traces.ungranted[path] = (await api.get(path, headers=plain)).text
        for message in (await api.get("/api/v1/messages?limit=500", headers=plain)).json()["items"]:
            path = f"/api/v1/messages/{message['message_id']}"
            traces.ungranted[path] = (await api.get(path, headers=plain)).text
            traces.ungranted[f"{path}/body"] = (await api.get(f"{path}/body", headers=plain)).text
        traces.granted = (await api.get("/api/v1/events?limit=500", headers=full)).text
    traces.ungranted["webhook"] = b"".join(body for _, _, body in receiver.requests).decode()


def check_takers_without_the_grant(ground: Ground, traces: Traces) -> None:
    """They get nothing of a restricted patient or stay but the minimal form."""
    assert canaries.SHUT in traces.stored and canaries.SHUT in traces.granted
    assert len(traces.ungranted) > 20 and '"restricted"' in traces.ungranted["webhook"]
    leaks = {way: _around(text, canaries.SHUT) for way, text in traces.ungranted.items() if canaries.SHUT in text}
    assert leaks == {}
    assert canaries.TOKEN in traces.ungranted["webhook"]  # others in full
    if ground.bus_url:
        restricted = [
            each for each in traces.seen if msgspec.json.decode(each.body)["data"].get("privacy") == "restricted"
        ]
        assert restricted and not any(canaries.SHUT.encode() in each.body for each in traces.seen)
        assert all("pat_" not in f"{dict(each.headers)}{each.body!r}" for each in restricted)


async def test_no_token_is_found_where_it_must_not_be(ground: Ground, traces: Traces) -> None:
    check_takers_without_the_grant(ground, traces)
    assert traces.events > 5 and "worker-killed" in traces.log and len(traces.replies) > 3 and traces.problems
    assert found_in(traces.stored)

    assert found_in(traces.log) == []
    assert found_in(traces.metrics) == []
    assert [found for body in traces.acknowledgements for found in found_in(body.decode("latin-1"))] == []
    assert [found for text in traces.problems for found in found_in(text)] == []
    assert [found for name in traces.replies for found in found_in(name)] == []
    if ground.bus_url:
        assert len({each.event_id for each in traces.seen}) == traces.events
    for each in traces.seen:
        envelope = {name: value for name, value in msgspec.json.decode(each.body).items() if name != "data"}
        outside = f"{each.event_id} {each.routing_key} {dict(each.headers)} {each.properties} {envelope}"
        assert found_in(outside) == []
        assert not any(control_id in each.headers.values() for control_id in ("N1", "N2", "N3", "S1"))

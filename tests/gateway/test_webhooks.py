"""The webhooks of a gateway: what is sent where, rotated, disabled, removed, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fhirclient.models.bundle import Bundle
from sqlalchemy import select
from standardwebhooks import Webhook as Verifier

from channels.egress import EgressRefused
from gateway.envelope import to_minimal
from gateway.event_sinks import BUS
from gateway.settings import Settings
from gateway.store import schema
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from gateway.store.webhooks import NameTaken, Webhook, list_webhooks
from gateway.webhook_secrets import KeyUnreadable, derive, ensure_key
from gateway.webhooks import Webhooks
from tests.gateway.store.samples import encounter, event, patient, rows, write
from tests.support.webhook_receiver import Receiver, receiving

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Ground:
    """What the webhooks need of a gateway."""

    def __init__(self, store: SqliteStore, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.relays: dict[str, Any] = {}
        self.now = NOON

    def clock(self) -> datetime:
        return self.now

    def channel_state(self, name: str) -> str:
        return "running"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("migrated") / "baton.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
async def ground(tmp_path: Path, migrated: bytes) -> AsyncIterator[Ground]:
    (tmp_path / "baton.db").write_bytes(migrated)
    store = SqliteStore(tmp_path / "baton.db", clock=lambda: NOON, sinks=())
    await store.open()
    yield Ground(store, settings_of(tmp_path))
    await store.close()


def settings_of(folder: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {"gateway": {"data_dir": str(folder)}, "webhooks": {"allow": ["127.0.0.1"]}}
    return Settings(**given | more)


@pytest.fixture
async def webhooks(ground: Ground) -> AsyncIterator[Webhooks]:
    found = Webhooks(ground)  # type: ignore[arg-type]
    await found.start()
    yield found
    await found.stop()


def row(url: str, **given: Any) -> Webhook:
    return Webhook(
        **{"name": "care-app", "url": url, "secret_id": "one", "created_at": NOON, "changed_at": NOON} | given
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def full(number: int, type_: str = "task.created", **more: Any) -> Any:
    data: dict[str, Any] = {"event_id": f"evt_{number}", "type": type_, "schema_version": "1", "facility": "GH"}
    data |= {"emitted_at": NOON, "patient": {"id": "pat_1", "identifiers": [{"value": "ZZCANARY"}]}}
    data |= {"source": {"control_id": "ZZCANARY", "message_id": "m-1"}, "correlation_id": "m-1"}
    data |= {"aggregate": {"kind": "task", "id": "tsk_1", "revision": 1}, "privacy": "restricted"}
    data |= {"data": {"title": "ZZCANARY", "due_at": "2026-03-04T22:00:00Z"}, "changes": [{"new": "ZZCANARY"}]}
    body = {"id": f"evt_{number}", "type": type_, "subject": "pat_1", "partitionkey": "pat_1", "time": NOON}
    body |= {"correlationid": "m-1", "data": data}
    return event(f"evt_{number}", type=type_, body=msgspec.json.encode(body), **more)


async def test_schedule_of_a_refused_delivery_goes_on_after_a_restart(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.answers = [500]
    await webhooks.add(row(receiver.url))
    await write(ground.store, events=[full(1)])
    ground.relays["care-app"].wake()

    async def refused(count: int) -> datetime:
        async with asyncio.timeout(20):
            while (item := (await ground.store.outbox_claim("care-app", 1))[0]).refusals < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert item.due_at is not None
        return item.due_at

    due = await refused(1)
    await webhooks.stop()
    again = Webhooks(ground)  # type: ignore[arg-type]
    await again.start()
    try:
        for _ in range(3):
            await ground.relays["care-app"].deliver_once()
        assert len(receiver.requests) == 1, "it is not due yet"
        (pending,) = await ground.store.outbox_claim("care-app", 1)
        assert (pending.refusals, pending.due_at) == (1, due)
        await ground.store.outbox_postpone("care-app", [(pending.sequence, 7, NOON)])  # long past
        await ground.relays["care-app"].deliver_once()
        assert (await refused(8)) > due + timedelta(hours=9), "the eighth refusal is followed by ten hours"
    finally:
        await again.stop()


async def test_events_that_are_asked_for_arrive_signed_and_the_ledger_holds(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    secret = await webhooks.add(row(receiver.url, types=("task.*",)))
    await write(ground.store, events=[full(1), full(2, "encounter.admitted"), full(3)])
    ground.relays["care-app"].wake()
    await until(lambda: ground.relays["care-app"].settled["confirmed"] == 2)
    for _, headers, body in receiver.requests:
        assert Verifier(secret).verify(body, headers)["type"] == "task.created"
        assert b"ZZCANARY" not in body  # the reference form
    book = await ground.store.ledger()
    assert book.balanced and book.sinks["care-app"].words["confirmed"] == 2


async def test_full_payload_is_the_event_and_restricted_needs_the_grant(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.add(row(receiver.url, payload="full"))
    await webhooks.add(row(receiver.url, payload="full", name="granted", restricted=True))
    await write(ground.store, events=[full(1), full(2, restricted=True)])
    for relay in ground.relays.values():
        relay.wake()
    await until(lambda: len(receiver.requests) == 4)
    bodies = [json.loads(body) for _, _, body in receiver.requests]
    found = sorted((body["id"], "patient" in body["data"]) for body in bodies)
    assert found == [("evt_1", True), ("evt_1", True), ("evt_2", False), ("evt_2", True)]
    (minimal,) = [body for body in bodies if "patient" not in body["data"]]
    assert "ZZCANARY" not in json.dumps(minimal) and "pat_1" not in json.dumps(minimal)
    assert minimal["data"]["due_at"] == "2026-03-04T22:00:00Z" and minimal["data"]["aggregate"]["id"] == "tsk_1"


def test_minimal_form_has_id_type_and_due_and_nothing_else_that_is_said() -> None:
    found = json.loads(to_minimal(full(7).body))
    kept = {"event_id", "type", "schema_version", "emitted_at", "aggregate", "facility", "privacy", "due_at"}
    assert set(found["data"]) == kept and found["data"]["privacy"] == "restricted"
    assert (found["subject"], found["partitionkey"], found["correlationid"]) == ("tsk_1", "tsk_1", "evt_7")


async def test_notification_of_an_admission_is_a_fhir_message_and_a_restricted_one_needs_the_grant(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.add(row(receiver.url, payload="full", format="fhir-notification"))
    await write(
        ground.store,
        rows=rows(
            patient("pat_1", family="TESTER"), encounter("enc_1", "pat_1"), encounter("enc_2", "pat_1", restricted=True)
        ),
        events=[
            stay_event(1, "encounter.admitted", "enc_1"),
            stay_event(2, "encounter.updated", "enc_1"),
            stay_event(3, "encounter.discharged", "enc_2", restricted=True),
        ],
    )
    ground.relays["care-app"].wake()
    await until(lambda: sum(ground.relays["care-app"].settled.values()) == 2)
    ((_, headers, body),) = receiver.requests
    assert headers["content-type"] == "application/fhir+json"
    found = json.loads(body)
    Bundle(found, strict=True)
    kinds = [entry["resource"]["resourceType"] for entry in found["entry"]]
    assert kinds == ["MessageHeader", "Encounter", "Patient"] and found["type"] == "message"
    sink = (await ground.store.ledger()).sinks["care-app"]
    assert sink.balanced and sink.words == {"confirmed": 1, "unrouted": 1, "parked": 0}


def stay_event(number: int, type_: str, encounter_id: str, **more: Any) -> Any:
    data = {"patient": {"id": "pat_1"}, "aggregate": {"kind": "encounter", "id": encounter_id, "revision": 1}}
    data |= {"emitted_at": "2026-03-02T12:00:00Z", "event_id": f"evt_{number}", "type": type_, "schema_version": "1"}
    body = {"id": f"evt_{number}", "type": type_, "data": data | {"facility": "GH"}}
    return event(f"evt_{number}", type=type_, body=msgspec.json.encode(body), **more)


async def test_rotation_signs_with_both_secrets_until_the_grace_is_over(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    old = await webhooks.add(row(receiver.url))
    new = await webhooks.rotate((await list_webhooks(ground.store))[0], NOON, timedelta(hours=1))
    assert new != old
    (found,) = await list_webhooks(ground.store)
    assert await webhooks.test(found, NOON) == (204, None)
    ground.now = NOON + timedelta(hours=2)
    assert await webhooks.test(found, NOON) == (204, None)
    (_, within, body), (_, after, late) = receiver.requests
    for secret in (old, new):
        Verifier(secret).verify(body, within)
    Verifier(new).verify(late, after)
    assert len(within["webhook-signature"].split()) == 2 and len(after["webhook-signature"].split()) == 1


async def test_gone_disables_the_webhook_and_sets_aside_what_was_pending(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.answers = [410]
    await webhooks.add(row(receiver.url))
    await write(ground.store, events=[full(1), full(2)])
    ground.relays["care-app"].wake()
    await until(lambda: "care-app" not in ground.relays)
    (found,) = await list_webhooks(ground.store)
    assert (found.state, found.reason) == ("disabled", "gone") and len(receiver.requests) == 1
    assert webhooks.notices == {"care-app": "webhook care-app is disabled: gone"}
    await write(ground.store, events=[full(3)])
    sink = (await ground.store.ledger()).sinks["care-app"]
    assert sink.balanced and (sink.came, sink.words["parked"], sink.open) == (2, 2, 0)
    receiver.answers = [204]
    await webhooks.enable(found, NOON)
    assert await ground.store.publish_again("care-app") == 2
    ground.relays["care-app"].wake()
    await until(lambda: ground.relays["care-app"].settled["confirmed"] == 2)
    assert webhooks.notices == {} and (await ground.store.ledger()).balanced


async def test_removed_webhook_leaves_a_ledger_that_holds(ground: Ground, webhooks: Webhooks) -> None:
    await webhooks.add(row("http://127.0.0.1:9/"))
    await write(ground.store, events=[full(1)])
    await webhooks.remove("care-app", NOON)
    sink = (await ground.store.ledger()).sinks["care-app"]
    assert sink.balanced and sink.words["parked"] == 1
    assert await ground.store.publish_again("care-app") == 0 and await list_webhooks(ground.store) == []
    assert "care-app" not in ground.relays and ground.store.sinks == ()


async def test_what_another_process_queued_after_the_removal_is_set_aside(ground: Ground, webhooks: Webhooks) -> None:
    await webhooks.add(row("http://127.0.0.1:9/"))
    late = ground.store.sinks
    await webhooks.remove("care-app", NOON)
    ground.store.sinks = late
    await write(ground.store, events=[full(1)])
    assert (await ground.store.ledger()).sinks["care-app"].open == 1
    webhooks._gone["care-app"] = 0.0  # the time is over
    await webhooks._clear_gone()
    sink = (await ground.store.ledger()).sinks["care-app"]
    assert sink.balanced and sink.open == 0 and webhooks._gone == {}


async def test_failing_endpoint_is_one_notice_that_clears(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.answers = [500]
    await webhooks.add(row(receiver.url))
    await write(ground.store, events=[full(1)])
    ground.relays["care-app"].wake()
    await until(lambda: bool(webhooks.notices))
    assert webhooks.notices == {"care-app": "webhook care-app: deliveries are refused (status-500)"}
    assert receiver.url not in str(webhooks.notices)


async def test_name_is_taken_once_and_a_second_process_follows_the_table(
    ground: Ground, webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.add(row(receiver.url))
    with pytest.raises(NameTaken):
        await webhooks.add(row(receiver.url))
    other = Ground(ground.store, ground.settings)
    second = Webhooks(other)  # type: ignore[arg-type]
    second._base = ()
    await second.start()
    assert list(other.relays) == ["care-app"]
    await webhooks.remove("care-app", NOON)
    await second.refresh()
    assert not other.relays
    await second.stop()


async def test_webhook_of_the_settings_keeps_its_secret_and_goes_with_them(ground: Ground, tmp_path: Path) -> None:
    channel = {"name": "his", "kind": "webhook", "url": "https://192.0.43.8/in", "types": ["encounter.*"]}
    ground.settings = settings_of(tmp_path, channel=[channel])
    ground.store.sinks = (BUS,)
    for expected in ("https://192.0.43.8/in", "https://192.0.43.8/other"):
        channel["url"] = expected
        ground.settings = settings_of(tmp_path, channel=[channel])
        webhooks = Webhooks(ground)  # type: ignore[arg-type]
        webhooks._base = (BUS,)
        await webhooks.start()
        (found,) = await list_webhooks(ground.store)
        assert (found.origin, found.url, found.types) == ("settings", expected, ("encounter.*",))
        assert [sink.name for sink in ground.store.sinks] == ["bus", "his"]
        secret = getattr(ground, "secret", found.secret_id)
        assert found.secret_id == secret
        ground.secret = secret  # type: ignore[attr-defined]
        await webhooks.stop()
    ground.settings = settings_of(tmp_path)
    webhooks = Webhooks(ground)  # type: ignore[arg-type]
    await webhooks.start()
    assert await list_webhooks(ground.store) == []
    await webhooks.stop()


async def test_address_is_judged_when_it_is_asked_for(webhooks: Webhooks) -> None:
    await webhooks.check_url("http://127.0.0.1:8080/hook")
    for url in ("https://169.254.169.254/latest", "http://192.0.43.8/", "https://10.0.0.1/"):
        with pytest.raises(EgressRefused):
            await webhooks.check_url(url)


def test_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "webhook.key"
    key = ensure_key(path)
    assert ensure_key(path) == key and path.stat().st_mode & 0o777 == 0o600
    assert derive(key, "a", "1") != derive(key, "b", "1") != derive(key, "b", "2")
    path.write_text("short")
    with pytest.raises(KeyUnreadable):
        ensure_key(path)


async def test_key_that_was_lost_is_noticed_until_secrets_are_rotated(
    ground: Ground, webhooks: Webhooks, receiver: Receiver, tmp_path: Path
) -> None:
    await webhooks.add(row(receiver.url))
    (tmp_path / "webhook.key").unlink()
    second = Webhooks(ground)  # type: ignore[arg-type]
    second._base = ()
    await second.start()
    assert "is not that of before" in second.notices["key"]
    await second.rotate((await list_webhooks(ground.store))[0], NOON, timedelta(0))
    assert second.notices == {}
    await second.stop()


async def test_no_secret_is_in_the_store(ground: Ground, webhooks: Webhooks, receiver: Receiver) -> None:
    secret = (await webhooks.add(row(receiver.url))).removeprefix("whsec_")
    kept = repr(await ground.store.fetch(select(schema.webhooks)))
    assert secret not in kept and base64.b64decode(secret).hex() not in kept and "care-app" in kept

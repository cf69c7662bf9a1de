"""What a key without the grant gets of a restricted patient, on every way of the API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api.restricted import minimal_task
from gateway.coordination.records import Encounter, Patient
from gateway.store import access
from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import NOON, FakeGateway, event_row, make_task, values, write

SECRET = "ZZSECRET"
SCOPES = ("tasks:read", "tasks:write", "patients:read", "events:read", "messages:read", "bodies:read")
STAMPS: dict[str, Any] = {"facility_id": "main", "revision": 1, "created_at": NOON, "updated_at": NOON}


def full_event(number: int, *, restricted: bool, queue: str = "um", facility_id: str = "main") -> Any:
    row = event_row(number, facility_id, 1)
    data = {
        "event_id": row.event_id,
        "type": row.type,
        "schema_version": "1",
        "emitted_at": NOON,
        "facility": facility_id,
    }
    data |= {"aggregate": {"kind": "task", "id": f"tsk_{number}", "revision": 1}, "patient": {"id": SECRET}}
    data |= {"data": {"queue": queue, "title": SECRET, "due_at": "2026-03-04T12:00:00Z"}}
    body = msgspec.json.encode({"id": row.event_id, "type": row.type, "subject": SECRET, "data": data})
    return msgspec.structs.replace(row, restricted=restricted, body=body)


@pytest.fixture
async def restricted(gateway: FakeGateway) -> FakeGateway:
    """A restricted patient with a task, a stay and an event of message 1; a restricted stay of another patient."""
    who = Patient(
        patient_id="pat_vip",
        authority="HOSP",
        mrn=SECRET,
        family=SECRET,
        birth_date="1950-01-31",
        restricted=True,
        **STAMPS,
    )
    stay = Encounter(
        encounter_id="enc_psy", patient_id="pat_main", status="inpatient", restricted=True, recorded_at=NOON, **STAMPS
    )
    tasks = [
        make_task(
            "tsk_vip",
            "main",
            patient_id="pat_vip",
            title=SECRET,
            reason=SECRET,
            owner=SECRET,
            evidence_json=json.dumps([SECRET]),
        ),
        make_task("tsk_psy", "main", encounter_id="enc_psy", title=SECRET, reason=SECRET),
    ]
    rows = {"patients": [values(who)], "encounters": [values(stay)], "tasks": [values(task) for task in tasks]}
    await write(gateway.store, WriteSet(rows=rows, events=[full_event(7, restricted=True)]))
    return gateway


async def test_worklist_shows_which_work_is_due_and_nothing_of_whom(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any
) -> None:
    plain, granted = await key(*SCOPES), await key(*SCOPES, "restricted:read")
    listed = await client.get("/api/v1/tasks", headers=plain)
    found = {task["task_id"]: task for task in listed.json()["items"]}
    assert SECRET not in listed.text and {"tsk_vip", "tsk_psy", "tsk_main"} <= set(found)
    assert found["tsk_vip"]["type"] == "contact" and found["tsk_vip"]["due_at"] and found["tsk_vip"]["patient_id"] == ""
    assert found["tsk_main"]["patient_id"] == "pat_main"
    assert SECRET in (await client.get("/api/v1/tasks", headers=granted)).text


async def test_what_is_restricted_is_not_found_by_whom_it_is_about(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any
) -> None:
    plain = await key(*SCOPES)
    assert (await client.get("/api/v1/tasks?patient=pat_vip", headers=plain)).json()["items"] == []
    asked = {"family": SECRET, "birth_date": "1950-01-31"}
    assert (await client.post("/api/v1/patients/_search", json=asked, headers=plain)).json()["items"] == []
    granted = await key(*SCOPES, "restricted:read")
    assert len((await client.post("/api/v1/patients/_search", json=asked, headers=granted)).json()["items"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/patients/pat_vip/transitions",
        "/api/v1/patients/pat_vip",
        "/api/v1/patients/pat_main",
        "/api/v1/messages/m-1",
        "/api/v1/messages/m-1/body",
    ],
)
async def test_everything_else_of_a_restricted_patient_or_stay_is_refused(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any, path: str
) -> None:
    refused = await client.get(path, headers=await key(*SCOPES))
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/restricted") and SECRET not in refused.text
    assert (await client.get(path, headers=await key(*SCOPES, "restricted:read"))).status_code == 200


async def test_task_is_shown_minimal_and_not_worked_without_the_grant(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any
) -> None:
    plain = await key(*SCOPES)
    shown = await client.get("/api/v1/tasks/tsk_vip", headers=plain)
    assert shown.status_code == 200 and SECRET not in shown.text and shown.json()["history"] == []
    act = {"actor": "jdoe", "revision": 1}
    assert (await client.post("/api/v1/tasks/tsk_vip/claim", json=act, headers=plain)).status_code == 403
    bulk = {"actor": "jdoe", "tasks": [{"task_id": "tsk_vip"}]}
    (answer,) = (await client.post("/api/v1/tasks/_claim", json=bulk, headers=plain)).json()["items"]
    assert answer["problem"] == "this is restricted" and restricted.commands == []


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_events_come_in_their_minimal_form(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any, accept: str, gateway: FakeGateway
) -> None:
    async def read(headers: dict[str, str]) -> str:
        if accept == "application/json":
            return (await client.get("/api/v1/events?type=task.*", headers=headers)).text
        client._transport.app.state.stopping = False  # type: ignore[attr-defined]
        gateway.committed.set()

        async def stop(seconds: float) -> None:
            client._transport.app.state.stopping = True  # type: ignore[attr-defined]

        gateway.wait_for_events = stop  # type: ignore[method-assign]
        return (await client.get("/api/v1/events?type=task.*", headers=headers | {"Accept": accept})).text

    without = await read(await key(*SCOPES))
    assert "evt_main_7" in without and SECRET not in without and "2026-03-04T12:00:00Z" in without
    assert SECRET in await read(await key(*SCOPES, "restricted:read"))


async def test_event_from_before_the_patient_was_restricted_is_minimal_too(
    client: httpx.AsyncClient, restricted: FakeGateway, key: Any
) -> None:
    before = msgspec.structs.replace(full_event(9, restricted=False), patient_id="pat_vip")
    await write(restricted.store, WriteSet(events=[before]))
    read = await client.get("/api/v1/events", headers=await key("events:read"))
    assert "evt_main_9" in read.text and SECRET not in read.text


def test_minimal_task_keeps_every_column_and_no_text_of_the_row() -> None:
    row = msgspec.structs.asdict(
        make_task("tsk_1", "main", title=SECRET, reason=SECRET, owner=SECRET, status_reason=SECRET)
    )
    found = minimal_task(row)
    assert (
        set(found) == set(row)
        and SECRET not in str(found)
        and found["patient_id"] == ""
        and found["evidence_json"] == "[]"
    )


# -- events: what is asked for, and what is written down -----------------------------------------------------------------


async def test_events_are_chosen_by_family_facility_and_queue(
    client: httpx.AsyncClient, gateway: FakeGateway, key: Any
) -> None:
    events = [
        full_event(5, restricted=False, queue="um"),
        full_event(6, restricted=False, queue="appeals"),
        full_event(8, restricted=False, facility_id="north"),
    ]
    await write(gateway.store, WriteSet(events=events))
    headers, main = await key("events:read"), await key("events:read", facilities=("main",))

    async def found(query: str, headers: dict[str, str]) -> list[str]:
        answer = await client.get(f"/api/v1/events?{query}", headers=headers)
        return [event["id"] for event in answer.json()["items"]]

    everything = ["evt_main_1", "evt_north_1", "evt_main_5", "evt_main_6", "evt_north_8"]
    assert await found("type=task.*", headers) == await found("type=*", headers) == everything
    assert await found("type=tas.*&type=encounter.admitted", headers) == []
    assert await found("facility=north", headers) == ["evt_north_1", "evt_north_8"]
    assert await found("facility=north", main) == []
    assert await found("facility=main&queue=appeals&cursor=0.2", headers) == ["evt_main_6"]
    assert (await client.get("/api/v1/events?type=tas*", headers=headers)).status_code == 422


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/api/v1/tasks", "task.list"),
        ("/api/v1/tasks/tsk_main", "task.read"),
        ("/api/v1/events?type=task.created", "event.read"),
    ],
)
async def test_reading_lists_writes_one_audit_row_per_request(
    client: httpx.AsyncClient, store: Any, key: Any, path: str, action: str
) -> None:
    before, _ = await access.audit_rows(store, None, access.AuditFilter(), None, 100)
    assert (await client.get(path, headers=await key(*SCOPES))).status_code == 200
    after, _ = await access.audit_rows(store, None, access.AuditFilter(), None, 100)
    assert [row["action"] for row in after[: len(after) - len(before)]] == [action]

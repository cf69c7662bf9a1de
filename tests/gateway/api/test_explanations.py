"""Why there is no task, over HTTP: the messages of a patient's day, through a process of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.coordination.records import PatientIdentifier
from gateway.shadow import worker
from gateway.store.ports import ItemEnd, JournalEntry, WriteSet
from tests.gateway.api.fake_gateway import NOON, values, write
from tests.support import hospital_messages as sent


@pytest.fixture(autouse=True)
def _an_hour_later(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "clock", lambda: NOON + timedelta(hours=1))


PATH = "/api/v1/patients/pat_main/why-not"


async def receive(store: Any, body: bytes, facility_id: str = "main") -> int:
    (stored,) = await store.ingest(
        [
            JournalEntry(
                channel="adt", kind="hl7v2", facility_id=facility_id, peer="p", received_at=NOON + timedelta(minutes=10),
                body=body, lanes=(1,), acknowledgement="AA", message_type="ADT^A03", control_id="C1",
            )
        ]
    )  # fmt: skip
    work = [item.work_id for item in (await claimed(store))]
    end = ItemEnd(journal_id=stored.journal_id, item=0, end="processed", channel="adt")
    known = PatientIdentifier(authority="GENHOSP", value="900", patient_id="pat_main", facility_id="main", since=NOON)
    await write(store, WriteSet(rows={"patient_identifiers": [values(known)]}, done=work, ends=[end]))
    return int(stored.journal_id)


async def claimed(store: Any) -> list[Any]:
    session = await store.claim(10)
    assert session is not None
    async with session:
        return list(session.items)


@pytest.mark.parametrize("rule", [None, "discharge-contact-2bd"])
async def test_why_not_tells_every_message_of_the_day_and_what_stopped_the_rule(
    client: httpx.AsyncClient, key: Any, store: Any, rule: str | None
) -> None:
    admitted = NOON - timedelta(days=3)
    journal_id = await receive(store, sent.discharge("900", "V9", admitted, NOON - timedelta(hours=2), "C1"))
    query = {"day": "2026-03-02"} | ({"rule": rule} if rule else {})
    found = (await client.get(PATH, params=query, headers=await key("patients:read"))).raise_for_status().json()
    told = [one for one in found["told"] if one["message_id"] == f"m-{journal_id}" and not one["timer"]]
    assert [end["end"] for end in told[0]["ends"]] == ["processed"]
    assert told[0]["matched"], "by his number: the store never saw him made"
    assert found["says"]
    if rule:
        assert {one["rule_id"] for one in told[0]["rules"]} <= {rule}


async def test_why_not_shows_no_message_of_another_facility(client: httpx.AsyncClient, key: Any, store: Any) -> None:
    await receive(store, sent.admit("900", "V9", NOON, "C1"), "north")
    headers = await key("patients:read", facilities=("main",))
    found = (await client.get(PATH, params={"day": "2026-03-02"}, headers=headers)).json()
    assert {told["facility_id"] for told in found["told"]} <= {"main"}


@pytest.mark.parametrize("query", [{"rule": "no-such-rule"}, {"day": "yesterday"}, {"day": "9999-12-31"}])
async def test_why_not_of_what_does_not_exist_answers_422(
    client: httpx.AsyncClient, key: Any, query: dict[str, str]
) -> None:
    assert (await client.get(PATH, params=query, headers=await key("patients:read"))).status_code == 422


async def test_why_not_that_takes_too_long_answers_504(
    client: httpx.AsyncClient, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SECONDS", 0.0)
    answer = await client.get(PATH, headers=await key("patients:read"))
    assert (answer.status_code, answer.json()["type"]) == (504, "/problems/too-slow")


async def test_transitions_are_paged_newest_first(client: httpx.AsyncClient, key: Any) -> None:
    answer = await client.get("/api/v1/patients/pat_main/transitions", headers=await key("patients:read"))
    assert [row["transition_id"] for row in answer.json()["items"]] == ["trn_main"]

"""The journal of merges over the API, and a merge taken back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.coordination.changes import Undo
from gateway.coordination.records import Merge
from gateway.pipeline import Conflict
from gateway.store import access
from gateway.store.ports import EventRow, WriteSet
from tests.gateway.api.fake_gateway import NOON, FakeGateway, values, write

TOLD = {"survivor": "pat_main", "restored": "pat_gone", "moved": {"encounters": ["enc_1"]}, "left": ["death"]}
ACT = {"actor": "jdoe", "reason": "two people"}


@pytest.fixture
async def journal(store: Any) -> None:
    entry = Merge(
        merge_id="mrg_1", facility_id="main", survivor_id="pat_main", prior_id="pat_gone", trigger="ADT^A40",
        message_id="m-1", moved_json='{"encounters":["enc_1"]}', at=NOON,
    )  # fmt: skip
    await write(store, WriteSet(appended={"merges": [values(entry)]}))


class Undoing:
    """The part of the gateway that takes a merge back: says what it did, or refuses."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.asked: list[tuple[Undo, bool]] = []

    async def ask(self, undo: Undo, *, dry_run: bool = False) -> WriteSet:
        self.asked.append((undo, dry_run))
        if self.refusal:
            raise Conflict(self.refusal)
        body = json.dumps({"data": {"data": TOLD}}).encode()
        return WriteSet(
            events=[
                EventRow(
                    event_id="evt_1", type="patient.unmerged", facility_id="main", patient_id="pat_main",
                    aggregate="patient", aggregate_id="pat_main", revision=2, journal_id=0, item=0, lane=0,
                    routing_key="patient.unmerged.main", occurred_at=NOON, recorded_at=NOON, emitted_at=NOON,
                    restricted=False, body=body,
                )
            ]
        )  # fmt: skip


async def test_merges_of_a_patient_are_listed_from_either_side(
    client: httpx.AsyncClient, key: Any, journal: None
) -> None:
    headers = await key("patients:read")
    found = (await client.get("/api/v1/patients/pat_main/merges", headers=headers)).json()["items"]
    assert [(row["merge_id"], row["prior_id"], row["moved"]) for row in found] == [
        ("mrg_1", "pat_gone", {"encounters": ["enc_1"]})
    ]
    assert (await client.get("/api/v1/patients/pat_none/merges", headers=headers)).status_code == 404


async def test_undo_says_what_went_back_and_is_audited_unless_it_is_a_dry_run(
    client: httpx.AsyncClient,
    key: Any,
    gateway: FakeGateway,
    store: Any,
    journal: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undoing = Undoing()
    monkeypatch.setattr(gateway, "ask", undoing.ask)
    headers = await key("patients:write")
    for dry_run in (True, False):
        answer = await client.post("/api/v1/merges/mrg_1/undo", json={**ACT, "dry_run": dry_run}, headers=headers)
        assert (answer.status_code, answer.json()) == (200, TOLD)
    assert [(undo.prior_id, undo.reason, dry) for undo, dry in undoing.asked] == [
        ("pat_gone", "two people", True),
        ("pat_gone", "two people", False),
    ]
    rows, _ = await access.audit_rows(store, None, access.AuditFilter(), None, 100)
    assert [(row["object"], row["actor"]) for row in rows if row["action"] == "merge.undo"] == [("mrg_1", "jdoe")]


async def test_undo_that_is_refused_says_why(
    client: httpx.AsyncClient, key: Any, gateway: FakeGateway, journal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "ask", Undoing("conflict: there is nothing to undo").ask)
    answer = await client.post("/api/v1/merges/mrg_1/undo", json=ACT, headers=await key("patients:write"))
    assert answer.status_code == 409 and "nothing to undo" in answer.json()["detail"]


async def test_undo_needs_its_scope_its_facility_and_an_entry(
    client: httpx.AsyncClient, key: Any, journal: None
) -> None:
    reader, elsewhere = await key("patients:read"), await key("patients:write", facilities=("other",))
    assert (await client.post("/api/v1/merges/mrg_1/undo", json=ACT, headers=reader)).status_code == 403
    assert (await client.post("/api/v1/merges/mrg_1/undo", json=ACT, headers=elsewhere)).status_code == 404
    writer = await key("patients:write")
    assert (await client.post("/api/v1/merges/mrg_9/undo", json=ACT, headers=writer)).status_code == 404

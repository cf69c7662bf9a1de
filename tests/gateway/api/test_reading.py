"""Messages, patients, parked items, channels, ledger, health: what is shown, and what is written down about it."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import httpx
import pytest

from gateway.store import access, queries
from gateway.store.ports import StoreUnavailable
from tests.gateway.api.fake_gateway import CANARY


def cursor_of(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


async def audit(store: Any) -> list[tuple[str, str, str | None]]:
    rows, _ = await access.audit_rows(store, None, access.AuditFilter(), None, 100)
    return [(row["action"], row["object"], row["actor"]) for row in reversed(rows) if row["action"] != "seed"]


async def test_message_trace_tells_all_that_came_of_it(client: httpx.AsyncClient, key: Any) -> None:
    trace = (await client.get("/api/v1/messages/m-1", headers=await key("messages:read"))).json()
    assert trace["message"]["acknowledgement"] == "AA" and trace["message"]["message_type"] == "ADT^A01"
    assert (trace["message"]["flags"], trace["message"]["same_id_as"]) == ([], None)
    assert [(end["item"], end["end"]) for end in trace["ends"]] == [(0, "processed")]
    assert [event["event_id"] for event in trace["events"]] == ["evt_main_1"]
    assert [change["transition_id"] for change in trace["transitions"]] == ["trn_main"]
    assert [task["task_id"] for task in trace["tasks"]] == ["tsk_main"]
    parked = (await client.get("/api/v1/messages/m-2", headers=await key("messages:read"))).json()
    assert parked["parked"][0]["reason"] == "no-patient-id" and parked["tasks"] == []


async def test_messages_are_filtered_and_newest_first(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("messages:read")
    page = (await client.get("/api/v1/messages", params={"end": "parked"}, headers=headers)).json()
    assert [message["message_id"] for message in page["items"]] == ["m-4", "m-2"]
    page = (await client.get("/api/v1/messages", params={"channel": "adt"}, headers=headers)).json()
    assert [message["message_id"] for message in page["items"]] == ["m-2", "m-1"]


async def test_messages_are_found_by_what_is_known_of_them(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("messages:read")

    async def found(**search: Any) -> list[str]:
        answer = await client.post("/api/v1/messages/_search", json=search, headers=headers)
        assert answer.status_code == 200
        return [message["message_id"] for message in answer.json()["items"]]

    assert await found(patient="pat_main") == ["m-1"]
    assert await found(control_id="adt-0") == ["m-1"]
    assert await found(sender="EPIC|adt", type="ADT^A01", channel="adt") == ["m-2", "m-1"]
    assert await found(sender="EPIC|adt", end="parked") == ["m-2"]
    assert await found(patient="pat_main", received_before="2026-03-02T12:00:00Z") == []
    assert await found(control_id="never-sent") == await found(sender="never-sent") == []
    page = await client.post("/api/v1/messages/_search", json={"limit": 1}, headers=headers)
    follow = {"limit": 1, "cursor": page.json()["next"]}
    assert await found(**follow) != [message["message_id"] for message in page.json()["items"]]


async def test_messages_of_a_patient_whom_the_key_may_not_see_are_not_found(
    client: httpx.AsyncClient, key: Any
) -> None:
    other = await key("messages:read", facilities=("other",))
    asked = await client.post("/api/v1/messages/_search", json={"patient": "pat_main"}, headers=other)
    assert asked.status_code == 404


@pytest.mark.parametrize(("path", "name"), [("tasks", "status"), ("messages", "end")])
async def test_word_that_nothing_can_have_is_refused_instead_of_finding_nothing(
    client: httpx.AsyncClient, key: Any, path: str, name: str
) -> None:
    headers = await key("messages:read", "tasks:read")
    assert (await client.get(f"/api/v1/{path}", params={name: "lost"}, headers=headers)).status_code == 422


async def test_body_is_given_as_received(client: httpx.AsyncClient, key: Any) -> None:
    answer = await client.get("/api/v1/messages/m-1/body", headers=await key("bodies:read"))
    assert answer.content == b"MSH|^~\\&|" + CANARY.encode()


@pytest.mark.parametrize("message_id", ["m-99", "99", "m-", "m-1x", "m-1%00", "m-" + "9" * 40])
async def test_message_that_is_not_there_answers_404(client: httpx.AsyncClient, key: Any, message_id: str) -> None:
    headers = await key("messages:read", "bodies:read")
    for path in ("", "/body"):
        assert (await client.get(f"/api/v1/messages/{message_id}{path}", headers=headers)).status_code == 404


async def test_patient_shows_state_and_timeline(client: httpx.AsyncClient, key: Any) -> None:
    patient = (await client.get("/api/v1/patients/pat_main", headers=await key("patients:read"))).json()
    assert patient["patient"]["family"] == CANARY and patient["patient"]["lanes"] == []
    assert [task["task_id"] for task in patient["tasks"]] == ["tsk_main"]
    assert [change["kind"] for change in patient["timeline"]] == ["encounter-status"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"identifier": f"{CANARY}-main"}, ["pat_main"]),
        ({"identifier": f"{CANARY}-main", "authority": "OTHER"}, []),
        ({"family": CANARY.lower(), "birth_date": "1950-01-31"}, ["pat_main", "pat_north"]),
    ],
)
async def test_patients_are_searched_by_what_is_known(
    client: httpx.AsyncClient, key: Any, search: dict[str, str], found: list[str]
) -> None:
    answer = await client.post("/api/v1/patients/_search", json=search, headers=await key("patients:read"))
    assert [patient["patient_id"] for patient in answer.json()["items"]] == found


async def test_patient_search_without_enough_answers_422(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("patients:read")
    for search in ({}, {"family": "X"}, {"birth_date": "1950-01-31"}, {"authority": "HOSP"}):
        assert (await client.post("/api/v1/patients/_search", json=search, headers=headers)).status_code == 422


ACT = {"actor": "jdoe", "reason": "checked"}
AUDITED = [
    ("GET", "/api/v1/messages/m-1", None, ("message.read", "m-1", None)),
    ("GET", "/api/v1/messages/m-1/body", None, ("body.read", "m-1", None)),
    ("POST", "/api/v1/messages/_search", {"control_id": CANARY}, ("message.search", "messages", None)),
    ("POST", "/api/v1/messages/_search", {"patient": "pat_main"}, ("message.search", "pat_main", None)),
    ("GET", "/api/v1/patients/pat_main", None, ("patient.read", "pat_main", None)),
    ("POST", "/api/v1/patients/_search", {"identifier": CANARY}, ("patient.search", "patients", None)),
    ("POST", "/api/v1/parked/1/retry", ACT, ("parked.retry", "m-2/0", "jdoe")),
    ("POST", "/api/v1/parked/1/edit", {**ACT, "body": "MSH|"}, ("parked.edit", "m-2/0", "jdoe")),
    ("POST", "/api/v1/parked/1/discard", ACT, ("parked.discard", "m-2/0", "jdoe")),
    ("POST", "/api/v1/tasks/tsk_main/claim", {"actor": "jdoe", "revision": 1}, ("task.claim", "tsk_main", "jdoe")),
    ("POST", "/api/v1/channels/adt/pause", {"actor": "jdoe"}, ("channel.pause", "adt", "jdoe")),
]
SCOPES = ("messages:read", "bodies:read", "patients:read", "parked:write", "tasks:write", "channels:write")


@pytest.mark.parametrize(("method", "path", "body", "row"), AUDITED, ids=[row[0] for *_, row in AUDITED])
async def test_act_or_read_writes_exactly_one_audit_row(
    client: httpx.AsyncClient, key: Any, store: Any, method: str, path: str, body: Any, row: tuple[str, str, str | None]
) -> None:
    answer = await client.request(method, path, json=body, headers=await key(*SCOPES))
    assert answer.status_code == 200
    assert await audit(store) == [row]


@pytest.mark.parametrize(("method", "path", "body", "row"), AUDITED, ids=[row[0] for *_, row in AUDITED])
async def test_act_or_read_that_cannot_be_audited_does_not_happen(
    client: httpx.AsyncClient,
    key: Any,
    store: Any,
    gateway: Any,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: Any,
    row: tuple[str, str, str | None],
) -> None:
    async def refuse(store: Any, entry: Any) -> None:
        raise StoreUnavailable

    headers = await key(*SCOPES)
    monkeypatch.setattr(access, "add_audit", refuse)
    answer = await client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 503 and CANARY not in answer.text
    assert not gateway.commands and set(gateway.states.values()) == {"running"}
    assert await queries.parked_item(store, None, 1) is not None


async def test_audit_holds_nothing_of_what_was_searched(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("patients:read", "audit:read")
    await client.post("/api/v1/patients/_search", json={"identifier": f"{CANARY}-main"}, headers=headers)
    page = (await client.get("/api/v1/audit", params={"action": "patient.search"}, headers=headers)).json()
    assert page["items"][0]["detail"] == "found 1: pat_main" and CANARY not in json.dumps(page)


async def test_parked_item_is_retried_edited_or_discarded_once(
    client: httpx.AsyncClient, key: Any, gateway: Any
) -> None:
    headers = await key("parked:write", "parked:read", "bodies:read")
    page = (await client.get("/api/v1/parked", headers=headers)).json()
    assert [item["parked_id"] for item in page["items"]] == [1, 2]
    edit = {**ACT, "body": "TVNIfDE=", "encoding": "base64"}
    done = (await client.post("/api/v1/parked/1/edit", json=edit, headers=headers)).json()
    assert done["done"] == "edited" and gateway.woken == 1
    assert (await client.get(f"/api/v1/messages/{done['message_id']}/body", headers=headers)).content == b"MSH|1"
    assert (await client.post("/api/v1/parked/1/retry", json=ACT, headers=headers)).status_code == 404
    assert (await client.post("/api/v1/parked/2/retry", json=ACT, headers=headers)).json()["message_id"] == "m-4"
    bad = {**ACT, "body": "?", "encoding": "base64"}
    assert (await client.post("/api/v1/parked/2/edit", json=bad, headers=headers)).status_code == 422


async def test_channel_is_steered(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("channels:read", "channels:write")
    for verb, state in (("pause", "paused"), ("resume", "running"), ("drain", "draining")):
        answer = await client.post(f"/api/v1/channels/adt/{verb}", json={"actor": "jdoe"}, headers=headers)
        assert answer.json()["state"] == state
    listed = (await client.get("/api/v1/channels", headers=headers)).json()
    assert [channel["name"] for channel in listed["items"]] == ["adt", "adt-north"]


async def test_ledger_balances_and_hides_other_facilities(client: httpx.AsyncClient, key: Any) -> None:
    book = (await client.get("/api/v1/ledger", headers=await key("ledger:read"))).json()
    assert book["balanced"] and book["channels"]["adt"]["came"] == 2
    assert book["channels"]["adt"]["words"]["parked"] == 1 and "bus" in book["sinks"]
    north = (await client.get("/api/v1/ledger", headers=await key("ledger:read", facilities=("north",)))).json()
    assert set(north["channels"]) == {"adt-north"} and north["sinks"] == {}


async def test_health_needs_no_key_and_tells_one_word(client: httpx.AsyncClient, gateway: Any) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    gateway.ready = False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not-ready"})


async def test_metrics_show_the_facts(client: httpx.AsyncClient, key: Any) -> None:
    text = (await client.get("/metrics", headers=await key("metrics:read"))).text
    assert "baton_in_flight 5.0" in text and 'baton_feed_quiet_seconds{channel="adt"} 3.0' in text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/tasks", {"limit": 0}),
        ("/api/v1/tasks", {"limit": "many"}),
        ("/api/v1/tasks", {"cursor": CANARY}),
        ("/api/v1/tasks", {"cursor": "WzFd"}),
        ("/api/v1/messages", {"cursor": "bm90"}),
        ("/api/v1/tasks", {"due_before": CANARY}),
        ("/api/v1/tasks", {"due_before": "2026-03-02T13:00:00"}),
        ("/api/v1/events", {"cursor": CANARY}),
        ("/api/v1/parked/seven", {}),
        ("/api/v1/parked/99999999999999999999999999", {}),
        ("/api/v1/tasks/%00", {}),
        ("/api/v1/tasks", {"queue": "\0"}),
        ("/api/v1/tasks", {"due_before": "0001-01-01T00:00:00+23:00"}),
        ("/api/v1/messages", {"received_after": "9999-12-31T23:59:59-23:00"}),
        ("/api/v1/events", {"cursor": "9999999999999999999.1"}),
        ("/api/v1/messages", {"cursor": cursor_of(10**30)}),
        ("/api/v1/audit", {"cursor": cursor_of(True)}),
        ("/api/v1/tasks", {"cursor": cursor_of("0001-01-01T00:00:00+23:00", "x")}),
        ("/api/v1/tasks", {"cursor": cursor_of("2026-01-01T00:00:00", "x")}),
        ("/api/v1/tasks", {"cursor": cursor_of("2026-01-01T00:00:00Z", "\ud800")}),
        ("/api/v1/tasks", {"cursor": cursor_of("2026-01-01T00:00:00Z", "a\0")}),
    ],
)
async def test_wrong_request_answers_422_without_repeating_it(
    client: httpx.AsyncClient, key: Any, path: str, query: dict[str, Any]
) -> None:
    headers = await key("tasks:read", "messages:read", "events:read", "parked:read", "audit:read")
    answer = await client.get(path, params=query, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (422, 422, "/problems/invalid-request")
    assert CANARY not in answer.text and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        '{"actor": "\\ud800", "reason": "x", "body": "y"}',
        '{"actor": "a\\u0000", "reason": "x", "body": "y"}',
        '{"actor": "a", "reason": "x", "body": "\\ud800"}',
        '{"actor": "a", "reason": "x", "body": "\\u00e9", "encoding": "base64"}',
        '{"actor": "a", "reason": "x", "body": ""}',
        '{"actor": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"actor": ' + "9" * 5000 + "}",
        "NaN",
        "[]",
        "",
    ],
)
async def test_odd_body_answers_4xx_and_changes_nothing(
    client: httpx.AsyncClient, key: Any, store: Any, body: str
) -> None:
    headers = await key("parked:write") | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/parked/1/edit", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert await audit(store) == []


async def test_answer_is_not_to_be_cached(client: httpx.AsyncClient, key: Any) -> None:
    answer = await client.get("/api/v1/tasks", headers=await key("tasks:read"))
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_body_that_is_no_json_answers_422_without_repeating_it(client: httpx.AsyncClient, key: Any) -> None:
    headers = await key("patients:read") | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/patients/_search", content=f'{{"{CANARY}', headers=headers)
    assert answer.status_code == 422 and CANARY not in answer.text


async def test_wrong_method_answers_405(client: httpx.AsyncClient, key: Any) -> None:
    answer = await client.delete("/api/v1/tasks", headers=await key("tasks:read"))
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")


async def test_defect_answers_500_and_its_log_has_no_value(
    client: httpx.AsyncClient, key: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError(CANARY)

    headers = await key("tasks:read")
    monkeypatch.setattr(queries, "list_tasks", broken)
    answer = await client.get("/api/v1/tasks", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/unexpected")
    assert CANARY not in answer.text


async def test_store_away_answers_503_everywhere(
    client: httpx.AsyncClient, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise StoreUnavailable(CANARY)

    headers = await key("tasks:read")
    monkeypatch.setattr(queries, "list_tasks", away)
    answer = await client.get("/api/v1/tasks", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    monkeypatch.setattr(access, "find_key", away)
    assert (await client.get("/api/v1/tasks", headers=headers)).status_code == 503
    assert (await client.get("/healthz")).status_code == 200


async def test_access_log_has_the_template_and_no_query(
    client: httpx.AsyncClient, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.api.access")
    await client.get("/api/v1/tasks/tsk_main", params={"x": CANARY}, headers=await key("tasks:read"))
    await client.get(f"/api/v1/{CANARY}")
    one, other = [record.__dict__ for record in caplog.records if record.name == "gateway.api.access"]
    assert (one["route"], one["status"], one["method"]) == ("/api/v1/tasks/{task_id}", 200, "GET")
    assert (other["route"], other["status"], other["key_id"]) == ("-", 401, "-")
    assert CANARY not in str([one, other])

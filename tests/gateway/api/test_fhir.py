"""FHIR over the API: search, paging, includes, errors as OperationOutcome, and the update of tasks."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import fhirclient.models.bundle
import fhirclient.models.operationoutcome
import httpx
import pytest

from gateway.api.fhir_search import PARAMETERS, read_search
from gateway.api.problems import Problem
from gateway.coordination.records import Coverage, Encounter, TaskChange
from gateway.store import access
from gateway.store.ports import WriteSet
from tests.gateway.api.fake_gateway import NOON, FakeGateway, make_task, values, write

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATCH = {"Content-Type": "application/json-patch+json"}
EVERYTHING = ("tasks:read", "tasks:write", "patients:read", "restricted:read")
STAMPS = {"facility_id": "main", "revision": 1, "recorded_at": NOON, "created_at": NOON, "updated_at": NOON}


@pytest.fixture
async def headers(key: Any) -> dict[str, str]:
    found: dict[str, str] = await key(*EVERYTHING)
    return found


def ids(answer: httpx.Response) -> list[str]:
    """Of the resources found; the page is read by fhirclient on the way."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    fhirclient.models.bundle.Bundle(answer.json(), strict=True)
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


def outcome(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/fhir+json"
    fhirclient.models.operationoutcome.OperationOutcome(answer.json(), strict=True)
    text: str = answer.json()["issue"][0]["diagnostics"]
    return text


async def add_tasks(gateway: FakeGateway, *tasks: Any) -> None:
    await write(gateway.store, WriteSet(rows={"tasks": [values(task) for task in tasks]}))


async def restrict(gateway: FakeGateway) -> None:
    """A restricted stay of the patient of `main`, with a task and a coverage."""
    stay = Encounter(encounter_id="enc_main", patient_id="pat_main", status="inpatient", restricted=True, **STAMPS)
    task = make_task("tsk_main", "main", encounter_id="enc_main", reason="ZZSECRET", title="ZZSECRET")
    await write(gateway.store, WriteSet(rows={"encounters": [values(stay)], "tasks": [values(task)]}))


async def test_tasks_are_found_by_what_apps_ask_for(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    await add_tasks(
        gateway,
        make_task("tsk_a", "main", owner="jdoe", status="accepted", priority="stat"),
        make_task("tsk_b", "main", queue="um", business_status="returned", updated_at=NOON + timedelta(hours=1)),
    )

    async def found(query: str) -> list[str]:
        return ids(await client.get(f"/fhir/Task?{query}", headers=headers))

    assert await found("") == ["tsk-a", "tsk-b", "tsk-main", "tsk-north"]
    assert await found("status=accepted,completed") == ["tsk-a"]
    assert await found("owner=Practitioner/jdoe") == await found("owner=jdoe") == ["tsk-a"]
    assert await found("owner=um") == ["tsk-b"] and await found("priority=stat") == ["tsk-a"]
    assert await found("business-status=urn:baton:business-status|returned") == ["tsk-b"]
    assert await found("patient=Patient/pat-north") == ["tsk-north"] and await found("code=contact&_id=tsk-a") == [
        "tsk-a"
    ]
    assert await found("_lastUpdated=gt2026-03-02T12:30:00Z") == await found("_since=2026-03-02T13:00:00Z") == ["tsk-b"]
    assert await found("_lastUpdated=2026-03-02") == ["tsk-a", "tsk-b", "tsk-main", "tsk-north"]
    assert await found("_lastUpdated=lt2026-03-02") == []


async def test_pages_follow_their_next_link_to_the_end(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    await add_tasks(gateway, *(make_task(f"tsk_{n}", "main") for n in range(5)))
    url, seen = "/fhir/Task?_count=2&status=requested", []
    while url:
        page = await client.get(url, headers=headers)
        seen += ids(page)
        url = next((link["url"] for link in page.json()["link"] if link["relation"] == "next"), "")
    assert seen == ["tsk-0", "tsk-1", "tsk-2", "tsk-3", "tsk-4", "tsk-main", "tsk-north"]


async def test_task_brings_patient_stay_and_focus_when_asked(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str], key: Any
) -> None:
    await restrict(gateway)
    answer = await client.get("/fhir/Task?_id=tsk-main&_include=Task:patient&_include=Task:focus", headers=headers)
    kinds = {entry["resource"]["resourceType"]: entry["search"]["mode"] for entry in answer.json()["entry"]}
    assert kinds == {"Task": "match", "Patient": "include", "Encounter": "include"}
    refused = await client.get("/fhir/Task?_include=Task:patient", headers=await key("tasks:read"))
    assert refused.status_code == 403 and "patients:read" in outcome(refused)


async def test_patient_is_found_by_identifier_in_the_body_alone_and_audited(
    client: httpx.AsyncClient, store: Any, headers: dict[str, str]
) -> None:
    for query in ("identifier=ZZCANARY-main", "family=ZZCANARY&birthdate=1950-01-31"):
        in_url = await client.get(f"/fhir/Patient?{query}", headers=headers)
        assert in_url.status_code == 400 and "_search" in outcome(in_url)
        in_body = await client.post("/fhir/Patient/_search", content=query, headers=headers | FORM)
        assert "pat-main" in ids(in_body)
        assert "ZZCANARY" not in json.dumps(in_body.json()["link"])
    scoped = await client.post(
        "/fhir/Patient/_search", content="identifier=urn:baton:authority:HOSP|ZZCANARY-main", headers=headers | FORM
    )
    assert ids(scoped) == ["pat-main"]
    rows, _ = await access.audit_rows(store, None, access.AuditFilter(action="fhir.search"), None, 10)
    assert rows[0]["detail"] == "found 1: pat_main" and "ZZCANARY" not in str(rows)


@pytest.mark.parametrize(
    "query",
    [
        "name=x",
        "status=",
        "_lastUpdated=yesterday",
        "_lastUpdated=ge2026-02-30",
        "_include=Task:owner",
        "_count=0",
        "_format=xml",
        "_cursor=%3F",
    ],
)
async def test_search_that_is_not_understood_is_refused_with_an_outcome(
    client: httpx.AsyncClient, headers: dict[str, str], query: str
) -> None:
    answer = await client.get(f"/fhir/Task?{query}", headers=headers)
    assert answer.status_code in (400, 422) and outcome(answer)


async def test_errors_under_fhir_are_outcomes_wherever_they_are_made(
    client: httpx.AsyncClient, headers: dict[str, str], key: Any
) -> None:
    cases = [
        (await client.get("/fhir/Task"), 401),
        (await client.get("/fhir/Patient", headers=await key("tasks:read")), 403),
        (await client.get("/fhir/Task/tsk-none", headers=headers), 404),
        (await client.get("/fhir/Task/%00", headers=headers), 404),
        (await client.get("/fhir/Nothing", headers=headers), 404),
        (await client.delete("/fhir/Task/tsk-main", headers=headers), 405),
        (await client.post("/fhir/Patient/_search", json={}, headers=headers), 415),
    ]
    for answer, status in cases:
        assert answer.status_code == status and outcome(answer)


async def test_other_resources_are_read_and_searched(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    coverage = Coverage(
        coverage_id="cov_01",
        patient_id="pat_main",
        eligibility="active",
        eligibility_as_of=NOON,
        member_id="M1",
        **STAMPS,
    )
    tried = TaskChange(
        task_id="tsk_main",
        revision=1,
        facility_id="main",
        at=NOON,
        actor="jdoe",
        change="attempted",
        detail_json='{"channel":"phone","outcome":"reached"}',
    )
    await write(
        gateway.store, WriteSet(rows={"coverages": [values(coverage)]}, appended={"task_changes": [values(tried)]})
    )
    for path, found in {
        "Coverage?patient=pat-main&status=active": "cov-01",
        "CoverageEligibilityResponse?patient=pat-main": "elg-01",
        "CoverageEligibilityResponse?_id=elg-01": "elg-01",
        "Communication?based-on=Task/tsk-main": "tsk-main.1",
    }.items():
        assert ids(await client.get(f"/fhir/{path}", headers=headers)) == [found]
        kind = path.partition("?")[0]
        assert (await client.get(f"/fhir/{kind}/{found}", headers=headers)).json()["resourceType"] == kind
    for path in (
        "Coverage?status=cancelled",
        "Encounter?status=finished",
        "Appointment?date=2026-03-02",
        "ClaimResponse?outcome=queued",
    ):
        assert ids(await client.get(f"/fhir/{path}", headers=headers)) == []


async def test_key_without_the_grant_sees_the_minimal_form_alone(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str], key: Any
) -> None:
    await restrict(gateway)
    plain = await key("tasks:read", "patients:read", "tasks:write")
    shown = await client.get("/fhir/Task/tsk-main", headers=plain)
    assert set(shown.json()) == {"resourceType", "id", "meta", "status", "intent", "code", "restriction"}
    listed = await client.get("/fhir/Task?_include=Task:patient&_include=Task:focus", headers=plain)
    assert "ZZSECRET" not in listed.text and "tsk-main" in ids(listed) and "Patient/pat-main" not in listed.text
    assert (await client.get("/fhir/Encounter/enc-main", headers=plain)).status_code == 403
    for path in ("Encounter", "Task?patient=pat-main", "Encounter?patient=pat-main"):
        assert ids(await client.get(f"/fhir/{path}", headers=plain)) == []
    patch = [{"op": "replace", "path": "/status", "value": "in-progress"}]
    refused = await client.patch(
        "/fhir/Task/tsk-main", content=json.dumps(patch), headers=plain | PATCH | {"If-Match": '"1"'}
    )
    assert refused.status_code == 403
    full = await client.get("/fhir/Task/tsk-main", headers=headers)
    assert "ZZSECRET" in full.text and full.json()["meta"]["security"][0]["code"] == "R"


async def test_capability_statement_is_what_the_server_does(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    statement = (await client.get("/fhir/metadata", headers=headers)).json()
    assert statement["fhirVersion"] == "4.0.1"
    for resource in statement["rest"][0]["resource"]:
        kind = resource["type"]
        assert {param["name"] for param in resource["searchParam"]} == {*PARAMETERS[kind], "_count", "_since"}
        assert ids(await client.get(f"/fhir/{kind}?_count=1", headers=headers)) is not None


# -- update ------------------------------------------------------------------------------------------------------------


async def read(client: httpx.AsyncClient, headers: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    answer = await client.get("/fhir/Task/tsk-main", headers=headers)
    return answer.json(), headers | {"If-Match": answer.headers["etag"]}


def person(name: str) -> dict[str, Any]:
    return {"type": "Practitioner", "identifier": {"system": "urn:baton:person", "value": name}}


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({"status": "accepted", "owner": person("jdoe")}, {"name": "claim", "actor": "jdoe"}),
        ({"status": "in-progress", "owner": person("jdoe")}, {"name": "start", "actor": "jdoe"}),
        ({"status": "completed"}, {"name": "complete", "outcome": None, "actor": "asmith"}),
        (
            {"status": "completed", "businessStatus": {"coding": [{"code": "unable-to-reach"}]}},
            {"name": "complete", "outcome": "unable-to-reach"},
        ),
        ({"status": "failed"}, {"name": "complete", "outcome": "cannot-be-done"}),
        ({"status": "cancelled", "statusReason": {"text": "moved away"}}, {"name": "cancel", "reason": "moved away"}),
        ({"status": "entered-in-error"}, {"name": "cancel", "outcome": "entered-in-error"}),
        ({"status": "rejected"}, {"name": "decline"}),
        (
            {"status": "on-hold", "businessStatus": {"coding": [{"code": "awaiting-payer"}]}},
            {"name": "wait", "waiting_on": "payer"},
        ),
        ({"performerType": [{"coding": [{"code": "um"}]}]}, {"name": "reassign", "queue": "um"}),
        (
            {"owner": {"type": "CareTeam", "identifier": {"value": "um"}}},
            {"name": "reassign", "queue": "um", "owner": None},
        ),
    ],
    ids=lambda value: value.get("name") if isinstance(value, dict) else None,
)
async def test_put_of_a_changed_task_is_the_act_that_it_means(
    client: httpx.AsyncClient,
    gateway: FakeGateway,
    headers: dict[str, str],
    change: dict[str, Any],
    command: dict[str, Any],
) -> None:
    task, seen = await read(client, headers)
    who = {} if "owner" in change and change["owner"]["type"] == "Practitioner" else {"X-Actor": "asmith"}
    answer = await client.put("/fhir/Task/tsk-main", json=task | change, headers=seen | who)
    assert answer.status_code == 200, answer.text
    (done,) = gateway.commands
    assert {name: getattr(done, name) for name in command} == command and done.revision == 1
    assert answer.headers["etag"] == 'W/"2"' and answer.json()["meta"]["versionId"] == "2"


async def test_release_and_handing_over_need_no_other_element(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    await add_tasks(gateway, make_task("tsk_main", "main", owner="jdoe", status="accepted"))
    task, seen = await read(client, headers)
    without = {name: value for name, value in task.items() if name != "owner"} | {"status": "requested"}
    assert (
        await client.put("/fhir/Task/tsk-main", json=without, headers=seen | {"X-Actor": "jdoe"})
    ).status_code == 200
    await add_tasks(gateway, make_task("tsk_main", "main", owner="jdoe", status="accepted"))
    given = task | {"owner": person("asmith")}
    assert (await client.put("/fhir/Task/tsk-main", json=given, headers=seen | {"X-Actor": "jdoe"})).status_code == 200
    assert [(act.name, act.owner) for act in gateway.commands] == [("release", None), ("reassign", "asmith")]


async def test_patch_changes_one_element(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    _, seen = await read(client, headers)
    patch = [
        {"op": "test", "path": "/status", "value": "requested"},
        {"op": "replace", "path": "/status", "value": "in-progress"},
    ]
    answer = await client.patch(
        "/fhir/Task/tsk-main", content=json.dumps(patch), headers=seen | PATCH | {"X-Actor": "jdoe"}
    )
    assert answer.status_code == 200 and [(act.name, act.actor) for act in gateway.commands] == [("start", "jdoe")]


@pytest.mark.parametrize(
    "patch",
    [
        {},
        [1],
        [{"op": "copy", "from": "/input", "path": "/input/0/x"}],
        [{"op": "replace", "path": "/description", "value": "x"}],
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "remove", "path": "/statusReason/text"}],
        [{"op": "test", "path": "/status", "value": "completed"}],
        [{"op": "replace", "path": "/status/0/a", "value": "x"}],
        [{"op": "replace", "path": "/status", "value": {"a": []}}],
        [{"op": "add", "path": "/owner", "value": [1]}],
    ],
    ids=str,
)
async def test_patch_that_does_not_fit_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str], patch: Any
) -> None:
    _, seen = await read(client, headers)
    answer = await client.patch(
        "/fhir/Task/tsk-main", content=json.dumps(patch), headers=seen | PATCH | {"X-Actor": "jdoe"}
    )
    assert answer.status_code == 422 and outcome(answer) and gateway.commands == []


async def test_put_needs_the_version_that_was_seen_and_somebody_who_acts(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str]
) -> None:
    task, seen = await read(client, headers)
    done = task | {"status": "completed"}
    for more, status in [
        (headers | {"X-Actor": "jdoe"}, 428),
        (headers | {"If-Match": 'W/"7"', "X-Actor": "jdoe"}, 412),
        (seen, 422),
    ]:
        answer = await client.put("/fhir/Task/tsk-main", json=done, headers=more)
        assert answer.status_code == status and outcome(answer)
    for body in (task | {"description": "other"}, task | {"id": "tsk-north"}, [], {"resourceType": "Patient"}):
        answer = await client.put("/fhir/Task/tsk-main", json=body, headers=seen | {"X-Actor": "jdoe"})
        assert answer.status_code == 422 and outcome(answer)
    assert (await client.put("/fhir/Task/tsk-main", json=task, headers=seen)).status_code == 200  # nothing changes
    assert gateway.commands == []


async def test_every_act_through_fhir_is_audited_with_its_actor(
    client: httpx.AsyncClient, store: Any, headers: dict[str, str]
) -> None:
    task, seen = await read(client, headers)
    await client.put("/fhir/Task/tsk-main", json=task | {"status": "completed"}, headers=seen | {"X-Actor": "asmith"})
    rows, _ = await access.audit_rows(store, None, access.AuditFilter(object="tsk_main"), None, 10)
    assert [(row["action"], row["actor"]) for row in rows] == [("task.complete", "asmith"), ("fhir.read", None)]


def test_read_search_takes_what_the_statement_says_and_nothing_else() -> None:
    for kind, parameters in PARAMETERS.items():
        for name, type_ in parameters.items():
            read_search(kind, [(name, "2026-03-02" if type_ == "date" else "x")], in_body=True)
        with pytest.raises(Problem):
            read_search(kind, [("unknown", "x")], in_body=True)

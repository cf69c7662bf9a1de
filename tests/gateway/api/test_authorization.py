"""The authorization matrix: every route against no key, a wrong scope, the right scope, another facility."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway.api.app import create_app, guarded_routes
from gateway.api.auth import SCOPES
from gateway.api.fhir_render import SCOPE_OF_KIND
from gateway.store import access


@dataclass(frozen=True)
class Cell:
    """One route.  `other` is the answer to a key of the other facility: 404, or 200 with nothing of ours in it."""

    method: str
    template: str
    path: str
    scope: str
    right: int = 200
    other: int = 404
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


ACT = {"actor": "jdoe", "reason": "seen"}
TASK_ACT = {"actor": "jdoe", "revision": 1, "reason": "seen"}
SEEDED = {"Task": "tsk-main", "Patient": "pat-main"}
NEW_WEBHOOK = {"actor": "jdoe", "name": "new", "url": "https://192.0.43.8/in"}

MATRIX = [
    Cell("GET", "/metrics", "/metrics", "metrics:read", other=200),
    Cell("GET", "/api/v1/openapi.json", "/api/v1/openapi.json", "", other=200),
    Cell("GET", "/api/v1/messages", "/api/v1/messages", "messages:read", other=200),
    Cell("POST", "/api/v1/messages/_search", "/api/v1/messages/_search", "messages:read", other=200, body={}),
    Cell("GET", "/api/v1/messages/{message_id}", "/api/v1/messages/m-1", "messages:read"),
    Cell("GET", "/api/v1/messages/{message_id}/body", "/api/v1/messages/m-1/body", "bodies:read"),
    Cell("GET", "/api/v1/parked", "/api/v1/parked", "parked:read", other=200),
    Cell("GET", "/api/v1/parked/{parked_id}", "/api/v1/parked/1", "parked:read"),
    Cell("POST", "/api/v1/parked/{parked_id}/retry", "/api/v1/parked/1/retry", "parked:write", body=ACT),
    Cell("POST", "/api/v1/parked/{parked_id}/discard", "/api/v1/parked/1/discard", "parked:write", body=ACT),
    Cell(
        "POST",
        "/api/v1/parked/{parked_id}/edit",
        "/api/v1/parked/1/edit",
        "parked:write",
        body={**ACT, "body": "MSH|^~\\&|"},
    ),
    Cell("GET", "/api/v1/tasks", "/api/v1/tasks", "tasks:read", other=200),
    Cell("GET", "/api/v1/tasks/{task_id}", "/api/v1/tasks/tsk_main", "tasks:read"),
    *(
        Cell("POST", f"/api/v1/tasks/{{task_id}}/{verb}", f"/api/v1/tasks/tsk_main/{verb}", "tasks:write", body=body)
        for verb, body in {
            "claim": TASK_ACT,
            "release": TASK_ACT,
            "decline": TASK_ACT,
            "start": TASK_ACT,
            "wait": {**TASK_ACT, "waiting_on": "payer"},
            "snooze": {**TASK_ACT, "until": "2026-03-03T09:00:00Z"},
            "note": TASK_ACT,
            "attempt": {**TASK_ACT, "channel": "phone", "outcome": "no-answer"},
            "checklist": {**TASK_ACT, "add": ["walker"]},
            "complete": TASK_ACT,
            "cancel": TASK_ACT,
            "reassign": {**TASK_ACT, "queue": "um"},
        }.items()
    ),
    Cell("GET", "/api/v1/tasks/_counts", "/api/v1/tasks/_counts", "tasks:read", other=200),
    Cell(
        "POST",
        "/api/v1/tasks/_claim",
        "/api/v1/tasks/_claim",
        "tasks:write",
        other=200,
        body={"actor": "jdoe", "queue": "transitions"},
    ),
    Cell("GET", "/api/v1/filters", "/api/v1/filters?actor=jdoe", "tasks:read", other=200),
    Cell(
        "PUT",
        "/api/v1/filters/{name}",
        "/api/v1/filters/mine",
        "tasks:write",
        other=200,
        body={"actor": "jdoe", "filter": {"queue": "um"}},
    ),
    Cell("DELETE", "/api/v1/filters/{name}", "/api/v1/filters/mine?actor=jdoe", "tasks:write", right=404),
    Cell("GET", "/api/v1/people", "/api/v1/people", "tasks:read", other=200),
    Cell("GET", "/api/v1/people/{person}/digest", "/api/v1/people/jdoe/digest", "tasks:read", other=200),
    Cell(
        "POST",
        "/api/v1/replays",
        "/api/v1/replays",
        "channels:write",
        other=200,
        body={**ACT, "since": "2026-03-01T00:00:00Z"},
    ),
    Cell("GET", "/api/v1/replays", "/api/v1/replays", "channels:read", right=404),
    Cell("POST", "/api/v1/replays/stop", "/api/v1/replays/stop", "channels:write", right=404, body={"actor": "jdoe"}),
    Cell("GET", "/api/v1/outcomes", "/api/v1/outcomes", "tasks:read", other=200),
    Cell("GET", "/api/v1/fatigue", "/api/v1/fatigue", "tasks:read", other=200),
    Cell("GET", "/api/v1/absences", "/api/v1/absences", "tasks:read", other=200),
    Cell(
        "POST",
        "/api/v1/absences",
        "/api/v1/absences",
        "tasks:write",
        right=201,
        other=201,
        body={"actor": "jdoe", "person": "asmith"},
    ),
    Cell(
        "POST",
        "/api/v1/absences/{absence_id}/end",
        "/api/v1/absences/abs_1/end",
        "tasks:write",
        right=404,
        body={"actor": "jdoe"},
    ),
    Cell("GET", "/api/v1/patients/{patient_id}", "/api/v1/patients/pat_main", "patients:read"),
    *(
        Cell("GET", f"/api/v1/patients/{{patient_id}}/{name}", f"/api/v1/patients/pat_main/{name}", "patients:read")
        for name in ("why-not", "transitions", "merges")
    ),
    Cell(
        "POST",
        "/api/v1/patients/_link",
        "/api/v1/patients/_link",
        "patients:write",
        right=403,  # it concerns every facility
        other=403,
        body={
            "actor": "jdoe",
            "reason": "clinic",
            "rows": [{"authority": "A", "value": "1", "other_authority": "B", "other_value": "2"}],
        },
    ),
    Cell(
        "POST",
        "/api/v1/merges/{merge_id}/undo",
        "/api/v1/merges/mrg_1/undo",
        "patients:write",
        right=404,
        body={"actor": "jdoe", "reason": "two people"},
    ),
    Cell(
        "POST",
        "/api/v1/patients/_search",
        "/api/v1/patients/_search",
        "patients:read",
        other=200,
        body={"identifier": "ZZCANARY-main"},
    ),
    Cell("GET", "/api/v1/events", "/api/v1/events", "events:read", other=200),
    Cell("GET", "/api/v1/channels", "/api/v1/channels", "channels:read", other=200),
    Cell("GET", "/api/v1/channels/{name}", "/api/v1/channels/adt", "channels:read"),
    Cell("GET", "/api/v1/channels/{name}/sequence", "/api/v1/channels/adt/sequence", "channels:read"),
    Cell(
        "POST",
        "/api/v1/channels/{name}/sequence/forget",
        "/api/v1/channels/adt/sequence/forget",
        "channels:write",
        right=404,  # nobody has sent a number there
        body={"actor": "jdoe", "sender": "ADT1|GENHOSP"},
    ),
    *(
        Cell(
            "POST",
            f"/api/v1/channels/{{name}}/{verb}",
            f"/api/v1/channels/adt/{verb}",
            "channels:write",
            body={"actor": "jdoe"},
        )
        for verb in ("pause", "resume", "drain")
    ),
    Cell("GET", "/api/v1/webhooks", "/api/v1/webhooks", "webhooks:read", other=200),
    Cell("GET", "/api/v1/webhooks/{name}", "/api/v1/webhooks/hook-main", "webhooks:read"),
    Cell("POST", "/api/v1/webhooks", "/api/v1/webhooks", "webhooks:write", right=201, other=201, body=NEW_WEBHOOK),
    *(
        Cell(
            "POST",
            f"/api/v1/webhooks/{{name}}/{verb}",
            f"/api/v1/webhooks/hook-main/{verb}",
            "webhooks:write",
            body={"actor": "jdoe"},
        )
        for verb in ("test", "rotate", "enable", "disable", "remove")
    ),
    *(
        Cell(
            "POST",
            f"/api/v1/{kind}-requests",
            f"/api/v1/{kind}-requests",
            "inquiries:write",
            right=422,
            body={"actor": "jdoe", "patient_id": "pat_main"},
        )
        for kind in ("eligibility", "authorization")
    ),
    Cell(
        "POST",
        "/api/v1/partners/{name}/check",
        "/api/v1/partners/nobody/check",
        "inquiries:write",
        right=404,
        body={"actor": "jdoe"},
    ),
    Cell("GET", "/api/v1/inquiries", "/api/v1/inquiries", "inquiries:read", other=200),
    Cell(
        "POST",
        "/api/v1/inquiries/{inquiry_id}/resend",
        "/api/v1/inquiries/inq_1/resend",
        "inquiries:write",
        right=404,
        body={"actor": "jdoe"},
    ),
    Cell(
        "POST",
        "/api/v1/channels/{name}/replay",
        "/api/v1/channels/adt/replay",
        "channels:write",
        right=404,
        body={"actor": "jdoe", "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"},
    ),
    Cell(
        "POST",
        "/api/v1/channels/{name}/go-live",
        "/api/v1/channels/adt/go-live",
        "channels:write",
        body={"actor": "jdoe", "patients": []},
    ),
    Cell("GET", "/api/v1/ledger", "/api/v1/ledger", "ledger:read", other=200),
    Cell(
        "POST",
        "/api/v1/ledger/sinks/{sink}/publish-again",
        "/api/v1/ledger/sinks/bus/publish-again",
        "channels:write",
        right=404,
        body={"actor": "jdoe"},
    ),
    Cell(
        "POST",
        "/api/v1/ledger/sinks/{sink}/set-aside",
        "/api/v1/ledger/sinks/old-receiver/set-aside",
        "channels:write",
        right=404,
        body={"actor": "jdoe"},
    ),
    Cell("GET", "/fhir/metadata", "/fhir/metadata", "", other=200),
    *(
        cell
        for kind, scope in SCOPE_OF_KIND.items()
        for cell in (
            Cell("GET", f"/fhir/{kind}", f"/fhir/{kind}", scope, other=200),
            Cell("POST", f"/fhir/{kind}/_search", f"/fhir/{kind}/_search", scope, right=415, other=415, body={}),
            Cell(
                "GET",
                f"/fhir/{kind}/{{id}}",
                f"/fhir/{kind}/{SEEDED.get(kind, 'cov-01')}",
                scope,
                right=200 if kind in SEEDED else 404,
            ),
        )
    ),
    Cell("PUT", "/fhir/Task/{id}", "/fhir/Task/tsk-main", "tasks:write", right=428, body={}),
    Cell(
        "PATCH",
        "/fhir/Task/{id}",
        "/fhir/Task/tsk-main",
        "tasks:write",
        right=428,
        headers={"Content-Type": "application/json-patch+json"},
    ),
    Cell("GET", "/api/v1/audit", "/api/v1/audit", "audit:read", other=200),
]
IDS = [f"{cell.method} {cell.template}" for cell in MATRIX]
every_cell = pytest.mark.parametrize("cell", MATRIX, ids=IDS)


async def ask(client: httpx.AsyncClient, cell: Cell, headers: dict[str, str]) -> httpx.Response:
    return await client.request(cell.method, cell.path, json=cell.body, headers=headers | cell.headers)


def test_matrix_has_a_row_for_every_route(gateway: Any) -> None:
    routes = {
        (method, route.path_format, route.scope or "")
        for route in guarded_routes(create_app(gateway))
        for method in route.methods or ()
    }
    assert routes == {(cell.method, cell.template, cell.scope) for cell in MATRIX}


def test_open_paths_are_the_two_health_endpoints(gateway: Any) -> None:
    app = create_app(gateway)
    guarded = set(map(id, guarded_routes(app)))
    assert {route.path for route in app.routes if id(route) not in guarded} == {"/healthz", "/readyz"}  # type: ignore[attr-defined]


@every_cell
async def test_route_without_a_key_answers_401(client: httpx.AsyncClient, cell: Cell) -> None:
    for headers in ({}, {"Authorization": "Bearer baton_wrong"}, {"Authorization": "Basic YTpi"}):
        answer = await ask(client, cell, headers)
        assert answer.status_code == 401
        fhir = cell.path.startswith("/fhir")
        assert answer.headers["content-type"] == ("application/fhir+json" if fhir else "application/problem+json")
        assert answer.headers["www-authenticate"] == "Bearer"


@every_cell
async def test_route_with_every_other_scope_answers_403(client: httpx.AsyncClient, cell: Cell, key: Any) -> None:
    headers = await key(*(scope for scope in SCOPES if scope != cell.scope))
    assert (await ask(client, cell, headers)).status_code == (403 if cell.scope else 200)


@every_cell
async def test_route_with_the_right_scope_answers(client: httpx.AsyncClient, cell: Cell, key: Any) -> None:
    headers = await key(*([cell.scope] if cell.scope else []), facilities=("main",))
    assert (await ask(client, cell, headers)).status_code == cell.right


@every_cell
async def test_route_shows_nothing_of_another_facility(
    client: httpx.AsyncClient, cell: Cell, key: Any, store: Any
) -> None:
    headers = await key(*([cell.scope] if cell.scope else []), facilities=("north",))
    before = await access.audit_rows(store, frozenset({"main"}), access.AuditFilter(), None, 100)
    answer = await ask(client, cell, headers)
    assert answer.status_code == cell.other
    if cell.template not in ("/metrics", "/api/v1/openapi.json"):
        for own in ("tsk_main", "pat_main", "evt_main", "ZZCANARY-main", '"adt"', '"main"'):
            assert own not in answer.text
    assert await access.audit_rows(store, frozenset({"main"}), access.AuditFilter(), None, 100) == before


async def test_revoked_key_answers_401(client: httpx.AsyncClient, key: Any, store: Any, gateway: Any) -> None:
    headers = await key("tasks:read")
    assert (await client.get("/api/v1/tasks", headers=headers)).status_code == 200
    (found,) = await access.keys(store)
    assert await access.revoke_key(store, found.key_id, gateway.clock())
    assert (await client.get("/api/v1/tasks", headers=headers)).status_code == 401


async def test_unknown_page_without_a_key_answers_401(client: httpx.AsyncClient, key: Any) -> None:
    assert (await client.get("/api/v1/nothing")).status_code == 401
    answer = await client.get("/api/v1/nothing", headers=await key())
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_body_is_not_read_without_a_key_or_scope(client: httpx.AsyncClient, key: Any) -> None:
    read = 0

    async def body() -> Any:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b"x" * 65536

    for headers in ({}, await key("tasks:read")):
        answer = await client.post("/api/v1/patients/_search", content=body(), headers=headers)
        assert answer.status_code in (401, 403) and read == 0


@pytest.mark.parametrize("declared", [True, False])
async def test_body_over_the_limit_answers_413(client: httpx.AsyncClient, key: Any, declared: bool) -> None:
    async def body() -> Any:
        for _ in range(40):
            yield b"x" * 65536

    headers = await key("patients:read") | {"Content-Type": "application/json"}
    content: Any = b"x" * (2 << 20) if declared else body()
    answer = await client.post("/api/v1/patients/_search", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")

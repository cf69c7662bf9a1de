"""FHIR R4 over the coordination store: read and search, and the update of tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jsonpatch
import msgspec
from fastapi import APIRouter, Request, Response

from gateway.api import fhir_search
from gateway.api.asking import execute
from gateway.api.auth import GuardedRoute, credential_of, gateway_of, needs, record
from gateway.api.fhir_errors import FHIR_JSON, ROOT
from gateway.api.fhir_render import SCOPE_OF_KIND, Page, find_page, find_resource, find_task, includes
from gateway.api.fhir_search import INCLUDES, PARAMETERS, Search, read_search
from gateway.api.fhir_tasks import CHANGEABLE, command_of
from gateway.api.problems import Problem
from mappings.fhir.bundle import capability_statement, searchset
from mappings.fhir.elements import Resource, from_fhir_id

VERSION = "1"
FORM, PATCH = "application/x-www-form-urlencoded", "application/json-patch+json"
_NOT_APPLICABLE = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
)
_OBJECT = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
_OUTCOME = {"content": {FHIR_JSON: {"schema": _OBJECT}}}
_WORDS = {
    400: "The search is not understood",
    401: "No valid key",
    403: "The key lacks a scope",
    404: "Nothing of this id",
    409: "The task has changed or does not allow this",
    412: "If-Match names another version",
    413: "The body is too large",
    415: "Another content type is needed",
    422: "The change is not possible",
    428: "If-Match is missing",
    503: "The store is away",
}


def _answers(*further: int) -> dict[int | str, dict[str, Any]]:
    codes = (401, 403, 503, *further)
    answers: dict[int | str, dict[str, Any]] = {200: {"description": "The resource", **_OUTCOME}}
    return answers | {code: {"description": _WORDS[code], **_OUTCOME} for code in codes}


_TASK = _OBJECT | {"required": ["resourceType", "id", "status"]}
_OPERATIONS = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {"op": {"enum": ["add", "replace", "remove", "test"]}, "path": {"type": "string"}, "value": {}},
    },
}


def _changing(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a change of a task is sent with."""
    header: dict[str, Any] = {"in": "header", "schema": {"type": "string"}}
    match = header | {"name": "If-Match", "required": True, "description": "The ETag of the task as it was seen."}
    actor = header | {"name": "X-Actor", "required": False, "description": "Who acts; else the new owner."}
    return {"parameters": [match, actor], "requestBody": {"required": True, "content": {media: {"schema": schema}}}}


router = APIRouter(prefix=ROOT, tags=["fhir"], route_class=GuardedRoute)


@router.get("/metadata", responses=_answers())
@needs("")
async def show_capabilities(request: Request) -> Response:
    """The CapabilityStatement."""
    base, at = _base(request), gateway_of(request).clock()
    controls = {"_count": "number", "_since": "date"}
    searches = {kind: parameters | controls for kind, parameters in PARAMETERS.items()}
    return _answer(capability_statement(searches, INCLUDES, base=base, version=VERSION, at=at))


@router.put("/Task/{id}", responses=_answers(404, 409, 412, 413, 422, 428), openapi_extra=_changing(FHIR_JSON, _TASK))
@needs("tasks:write")
async def put_task(request: Request, id: str) -> Response:
    """Change a task: the resource as it was read, with another status, owner or businessStatus.  Needs If-Match."""
    return await _update_task(request, id, lambda shown, sent: sent)


@router.patch(
    "/Task/{id}", responses=_answers(404, 409, 412, 413, 415, 422, 428), openapi_extra=_changing(PATCH, _OPERATIONS)
)
@needs("tasks:write")
async def patch_task(request: Request, id: str) -> Response:
    """Change a task by a JSON Patch (RFC 6902) of the resource.  Needs If-Match."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != PATCH:
        raise Problem(415, "content-type", f"Send {PATCH}.")
    return await _update_task(request, id, _patched)


async def _update_task(request: Request, id_: str, change: Callable[[Resource, Any], Any]) -> Response:
    row = await find_task(request, id_)
    shown, _ = await find_resource(request, "Task", id_)
    seen = request.headers.get("if-match")
    if seen is None:
        raise Problem(428, "revision-needed", "Send If-Match: the ETag of the task that was seen.")
    if seen.strip().removeprefix("W/").strip('"') != str(row["revision"]):
        raise Problem(412, "revision-differs", f"The task is at version {row['revision']}.")
    sent = change(shown, await _json(request))
    if not isinstance(sent, dict) or sent.get("resourceType") != "Task" or sent.get("id") != shown["id"]:
        raise Problem(422, "not-changed", "The body is not this Task: resourceType and id must be the same.")
    actor = request.headers.get("x-actor")
    if actor is not None and not (actor.isprintable() and 0 < len(actor) <= 120):
        raise Problem(422, "actor-needed", "X-Actor cannot be read.")
    command = command_of(shown, sent, row["task_id"], actor)
    if command is not None:
        await execute(request, msgspec.structs.replace(command, revision=row["revision"]), row)
    return _answer((await find_resource(request, "Task", id_))[0])


def _patched(shown: Resource, operations: Any) -> Any:
    if not isinstance(operations, list) or len(operations) > 50:
        raise Problem(422, "not-changed", "A JSON Patch is a list of at most 50 operations.")
    if not all(isinstance(one, dict) and _is_allowed(one) for one in operations):
        raise Problem(422, "not-changed", f"add, replace, remove and test, of {', '.join(CHANGEABLE)}.")
    try:
        return jsonpatch.JsonPatch(operations).apply(json.loads(json.dumps(shown)))
    except _NOT_APPLICABLE:
        raise Problem(422, "not-changed", "The patch cannot be applied to the task as it is.") from None


def _is_allowed(operation: dict[str, Any]) -> bool:
    """No `copy` or `move`: a few of them make a document of any size."""
    path = operation.get("path")
    element = path.split("/")[1:2] if isinstance(path, str) else []
    return operation.get("op") in ("add", "replace", "remove", "test") and element != [] and element[0] in CHANGEABLE


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Problem(422, "not-changed", "The body is not JSON.") from None


def _add_kind(kind: str) -> None:
    """The routes of one resource type."""
    scope = SCOPE_OF_KIND[kind]
    parameters = [_parameter(name) for name in PARAMETERS[kind] if name not in fhir_search.IN_BODY_ALONE]
    controls = [
        _parameter(name) for name in ("_count", "_cursor", "_since", *(["_include"] if kind in INCLUDES else []))
    ]

    @needs(scope)
    async def search(request: Request) -> Response:
        return await _search(request, kind, list(request.query_params.multi_items()), in_body=False)

    @needs(scope)
    async def search_by_body(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
            raise Problem(415, "content-type", f"Send {FORM}.")
        try:
            pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise Problem(400, "invalid-search", "The form cannot be read.") from None
        return await _search(request, kind, pairs, in_body=True)

    @needs(scope)
    async def read(request: Request, id: str) -> Response:
        resource, row = await find_resource(request, kind, id)
        await record(request, "fhir.read", from_fhir_id(resource["id"]), facility_id=row["facility_id"], detail=kind)
        return _answer(resource)

    search.__doc__ = f"Search {kind}; audited.  Unknown parameters are refused."
    search_by_body.__doc__ = f"Search {kind} by what may not stand in a URL too; audited, without what was asked."
    read.__doc__ = f"One {kind}; audited."
    form = {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}
    router.add_api_route(
        f"/{kind}",
        search,
        methods=["GET"],
        responses=_answers(400),
        openapi_extra={"parameters": parameters + controls},
        name=f"search {kind}",
    )
    router.add_api_route(
        f"/{kind}/_search",
        search_by_body,
        methods=["POST"],
        responses=_answers(400, 413, 415),
        openapi_extra={"requestBody": {"content": {FORM: form}}},
        name=f"search {kind} by body",
    )
    router.add_api_route(f"/{kind}/{{id}}", read, methods=["GET"], responses=_answers(404), name=f"read {kind}")


def _parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name == "_count":
        schema = {"type": "integer", "minimum": 1, "maximum": fhir_search.MOST}
    elif name == "_include":
        schema |= {"enum": list(INCLUDES["Task"])}
    elif name in fhir_search.MOMENTS:
        schema |= {"examples": ["ge2026-03-01", "gt2026-03-01T08:00:00Z"]}
    return {"name": name, "in": "query", "required": False, "schema": schema}


for _kind in PARAMETERS:
    _add_kind(_kind)


async def _search(request: Request, kind: str, pairs: Sequence[tuple[str, str]], *, in_body: bool) -> Response:
    search = read_search(kind, pairs, in_body=in_body)
    if search.include and "patients:read" not in credential_of(request).scopes:
        raise Problem(403, "forbidden", "_include needs a key with patients:read.")
    page = await find_page(request, kind, search)
    more = await includes(request, page, search.include)
    await record(request, "fhir.search", kind, detail=_found(kind, page))
    base = _base(request)
    return _answer(searchset(base, page.resources, more, _links(f"{base}/{kind}", search, page)))


def _found(kind: str, page: Page) -> str:
    """How many, and of patients whom: what was asked for is not written down."""
    patients = sorted({row["patient_id"] for row in page.rows if row.get("patient_id")})
    whose = f": {','.join(patients)}" if patients and kind not in ("Task", "Communication") else ""
    return f"found {len(page.resources)}{whose}"


def _links(url: str, search: Search, page: Page) -> dict[str, str]:
    again = list(search.again)
    cursor = [("_cursor", search.cursor)] if search.cursor else []
    links = {"self": _url(url, [*again, *cursor])}
    if page.next is not None:
        links["next"] = _url(url, [*again, ("_cursor", page.next)])
    return links


def _url(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{url}?{urlencode(pairs)}" if pairs else url


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


def _answer(resource: Resource) -> Response:
    headers = {}
    version = resource.get("meta", {}).get("versionId")
    if version is not None:
        headers["ETag"] = f'W/"{version}"'
    return Response(json.dumps(resource, ensure_ascii=False), media_type=FHIR_JSON, headers=headers)

"""Bundles, OperationOutcome, and the statement of what this server can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mappings.fhir.elements import Resource, instant, kept

ISSUES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    409: "conflict",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    428: "required",
    429: "throttled",
    503: "transient",
}
"""HTTP status -> IssueType."""


def operation_outcome(status: int, diagnostics: str, places: Iterable[str] = ()) -> Resource:
    """An error as FHIR says it.  `diagnostics` and `places` are ours: never a value of the request."""
    issue = kept(
        severity="error", code=ISSUES.get(status, "exception"), diagnostics=diagnostics, expression=list(places)
    )
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def searchset(
    base: str, matches: Iterable[Resource], included: Iterable[Resource], links: Mapping[str, str]
) -> Resource:
    """A page of results.  `links`: relation -> address."""
    entries = [_entry(base, each, "match") for each in matches] + [_entry(base, each, "include") for each in included]
    return kept(
        resourceType="Bundle",
        type="searchset",
        link=[{"relation": relation, "url": url} for relation, url in links.items()],
        entry=entries,
    )


def _entry(base: str, resource: Resource, mode: str) -> Resource:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}


def capability_statement(
    searches: Mapping[str, Mapping[str, str]],
    includes: Mapping[str, Iterable[str]],
    *,
    base: str,
    version: str,
    at: datetime,
) -> Resource:
    """`searches`: resource type -> parameter -> its search type; `includes`: resource type -> values of _include."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(at),
        "kind": "instance",
        "software": {"name": "Baton", "version": version},
        "implementation": {"description": "Care coordination: tasks and what they are about", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"cors": False, "description": "Authorization: Bearer, an API key of this gateway"},
                "resource": [
                    _resource(kind, params, list(includes.get(kind, ()))) for kind, params in searches.items()
                ],
            }
        ],
    }


def _resource(kind: str, parameters: Mapping[str, str], includes: list[str]) -> dict[str, Any]:
    verbs = ["read", "search-type", *(["update", "patch"] if kind == "Task" else [])]
    return kept(
        type=kind,
        interaction=[{"code": verb} for verb in verbs],
        versioning="versioned-update" if kind == "Task" else "versioned",
        readHistory=False,
        updateCreate=False if kind == "Task" else None,
        searchInclude=includes,
        searchParam=[{"name": name, "type": type_} for name, type_ in parameters.items()],
    )

"""FHIR search parameters: what each resource type understands, read strictly.

An unknown parameter is an error, never ignored: a search that quietly means more than was asked for shows patients that
nobody asked for.  What names a patient (identifier, name, birth date) is taken from the body of `POST _search` alone
(decision 24).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.api.problems import Problem
from gateway.store.resources import Wanted
from mappings.fhir.elements import OWN, from_fhir_id
from mappings.fhir.patient import ENCOUNTER_STATUSES
from mappings.fhir.payer import OUTCOMES

PARAMETERS: dict[str, dict[str, str]] = {
    "Task": {
        "_id": "token",
        "_lastUpdated": "date",
        "patient": "reference",
        "encounter": "reference",
        "status": "token",
        "business-status": "token",
        "owner": "reference",
        "code": "token",
        "priority": "token",
    },
    "Patient": {
        "_id": "token",
        "_lastUpdated": "date",
        "identifier": "token",
        "family": "string",
        "birthdate": "date",
    },
    "Encounter": {
        "_id": "token",
        "_lastUpdated": "date",
        "patient": "reference",
        "status": "token",
        "identifier": "token",
    },
    "Appointment": {
        "_id": "token",
        "_lastUpdated": "date",
        "patient": "reference",
        "status": "token",
        "date": "date",
        "identifier": "token",
    },
    "Coverage": {
        "_id": "token",
        "_lastUpdated": "date",
        "patient": "reference",
        "status": "token",
        "identifier": "token",
    },
    "CoverageEligibilityResponse": {"_id": "token", "_lastUpdated": "date", "patient": "reference"},
    "ClaimResponse": {
        "_id": "token",
        "_lastUpdated": "date",
        "patient": "reference",
        "outcome": "token",
        "identifier": "token",
    },
    "Communication": {"_lastUpdated": "date", "patient": "reference", "based-on": "reference"},
}
INCLUDES = {"Task": ("Task:patient", "Task:encounter", "Task:focus")}
IN_BODY_ALONE = frozenset({"identifier", "family", "birthdate"})
MOMENTS = frozenset({"_lastUpdated", "_since", "date"})
CONTROLS = frozenset({"_count", "_cursor", "_include", "_format", "_since"})
MOST, USUAL = 200, 50

_COLUMNS = {
    ("Task", "patient"): "patient_id",
    ("Task", "encounter"): "encounter_id",
    ("Task", "status"): "status",
    ("Task", "business-status"): "business_status",
    ("Task", "code"): "type",
    ("Task", "priority"): "priority",
    ("Patient", "birthdate"): "birth_date",
    ("Communication", "based-on"): "task_id",
}
_KEYS = {
    "Task": "task_id",
    "Patient": "patient_id",
    "Encounter": "encounter_id",
    "Appointment": "appointment_id",
    "Coverage": "coverage_id",
    "CoverageEligibilityResponse": "coverage_id",
    "ClaimResponse": "authorization_id",
}
_DATE = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2}))?")
_WORD = re.compile(r"[^\x00-\x1f]{1,200}")


@dataclass(frozen=True, slots=True)
class Search:
    """One search as it was asked for.  `again`: the parameters that the next page repeats."""

    wanted: Wanted
    count: int
    cursor: str | None
    include: tuple[str, ...]
    again: tuple[tuple[str, str], ...]


def read_search(kind: str, given: Iterable[tuple[str, str]], *, in_body: bool) -> Search:
    """Problem 400 for whatever is not understood."""
    known = PARAMETERS[kind]
    pairs = list(given)
    controls: dict[str, str] = {}
    include: list[str] = []
    asked: list[tuple[str, str]] = []
    for name, value in pairs:
        if name == "_include":
            if value not in INCLUDES.get(kind, ()):
                raise _refused(f"_include takes {', '.join(INCLUDES.get(kind, ())) or 'nothing here'}")
            include.append(value)
        elif name in CONTROLS and name != "_since":
            controls[name] = value
        elif name == "_since" or name in known:
            if name in IN_BODY_ALONE and not in_body:
                raise _refused(f"{name} is taken from the body of POST {kind}/_search alone: URLs are written down")
            asked.append((name, value))
        else:
            raise _refused(f"{kind} is not searched by one of the parameters; it takes {', '.join(sorted(known))}")
    again = tuple((name, value) for name, value in pairs if name not in {"_cursor", *IN_BODY_ALONE})
    return Search(_wanted(kind, asked), _count(controls), controls.get("_cursor"), tuple(include), again)


def _wanted(kind: str, asked: Iterable[tuple[str, str]]) -> Wanted:
    equal: list[tuple[str, tuple[Any, ...]]] = []
    more: dict[str, list[tuple[str, datetime]]] = {"updated": [], "starts": []}
    owner: tuple[str, ...] = ()
    identifier: list[tuple[str | None, str]] = []
    family, nothing = None, False
    for name, value in asked:
        words = _words(value)
        if name in ("_lastUpdated", "_since"):
            more["updated"] += _moments(f"ge{value}" if name == "_since" else value)
        elif name == "date":
            more["starts"] += _moments(value)
        elif name == "identifier":
            identifier += [_identifier(word) for word in words]
        elif name == "family":
            family = value
        elif name == "owner":
            owner += tuple(_code(word).rpartition("/")[2] for word in words)
        else:
            column, values = _column(kind, name, words)
            nothing = nothing or not values
            equal.append((column, values))
    return Wanted(
        equal=tuple(equal),
        updated=tuple(more["updated"]),
        starts=tuple(more["starts"]),
        owner=owner,
        identifier=tuple(identifier),
        family=family,
        nothing=nothing,
    )


def _column(kind: str, name: str, words: tuple[str, ...]) -> tuple[str, tuple[Any, ...]]:
    """The column that a parameter compares, and the values it may have there."""
    if name == "_id":
        if kind == "CoverageEligibilityResponse":
            return _KEYS[kind], tuple(coverage_of(word) for word in words)
        return _KEYS[kind], tuple(from_fhir_id(word) for word in words)
    if name in ("patient", "encounter", "based-on"):
        return _COLUMNS.get((kind, name), "patient_id"), tuple(from_fhir_id(word) for word in words)
    if (kind, name) in _COLUMNS:
        return _COLUMNS[kind, name], tuple(_code(word) for word in words)
    codes = {_code(word) for word in words}
    if kind == "Encounter":
        return "status", tuple(own for own, theirs in ENCOUNTER_STATUSES.items() if theirs in codes)
    if kind == "Coverage":
        return "active", tuple(value for value, code in ((True, "active"), (False, "cancelled")) if code in codes)
    if kind == "ClaimResponse":
        return "status", _statuses(codes)
    return "status", tuple(codes)


def _statuses(outcomes: set[str]) -> tuple[str, ...]:
    """Authorization statuses with one of these outcomes."""
    complete = ("certified", "modified", "denied", "contact-payer", "not-required", "expired", "exhausted", "cancelled")
    all_ = OUTCOMES | dict.fromkeys((*complete, "superseded", "overturned", "upheld"), "complete")
    return tuple(status for status, outcome in all_.items() if outcome in outcomes)


def coverage_of(id_: str) -> str:
    """`elg-01f` -> `cov_01f`: the coverage that a response is about."""
    return "cov_" + from_fhir_id(id_).removeprefix("elg_")


def _identifier(word: str) -> tuple[str | None, str]:
    """`system|value`, `|value` or `value`; the system as we show it."""
    system, bar, value = word.rpartition("|")
    authority = re.sub(rf"^{OWN}(authority|visit):", "", system) if bar and system else None
    return authority, value


def _code(word: str) -> str:
    return word.rpartition("|")[2]


def _words(value: str) -> tuple[str, ...]:
    words = tuple(value.split(","))
    if len(words) > 50 or not all(_WORD.fullmatch(word) for word in words):
        raise _refused("a parameter has no value, too many, or one that cannot be read")
    return words


def _moments(value: str) -> list[tuple[str, datetime]]:
    """A comparison with a moment, or with all of a day (UTC)."""
    found = _DATE.fullmatch(value)
    if found is None:
        raise _refused("a date is written ge2026-03-01 or gt2026-03-01T08:00:00Z")
    how, day, clock = found[1] or "eq", found[2], found[3]
    try:
        moment = datetime.fromisoformat(day + (clock or "")).astimezone(UTC) if clock else _midnight(day)
        end = moment if clock else moment + timedelta(days=1)
    except (ValueError, OverflowError):
        raise _refused("there is no such date") from None
    if clock:
        return [("ge", moment), ("le", moment)] if how == "eq" else [(how, moment)]
    bounds = {"ge": [("ge", moment)], "gt": [("ge", end)], "le": [("lt", end)], "lt": [("lt", moment)]}
    return bounds.get(how, [("ge", moment), ("lt", end)])


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _count(controls: Mapping[str, str]) -> int:
    text = controls.get("_count", str(USUAL))
    if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) < 1:
        raise _refused(f"_count is a number from 1 to {MOST}")
    if controls.get("_format", "json") not in ("json", "application/json", "application/fhir+json"):
        raise _refused("_format is json")
    return min(int(text), MOST)


def _refused(text: str) -> Problem:
    return Problem(400, "invalid-search", f"Not searched: {text}.")

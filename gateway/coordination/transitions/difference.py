"""What a message changes: stated values against known ones, and the `changes[]` of an event (domain reference 7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.records import Record
from mappings.events import DELETE, Facts, Person

BOOKKEEPING = frozenset(
    (
        "recorded_at", "status_at", "tombstones_json", "prior_status", "leave_status", "via_conversion", "instance",
        "timing_at", "history_json", "flags_json", "allergies_json", "resources_json", "blocks_json",
        "answer_json",
    )
)  # fmt: skip
"""Fields whose change says nothing to a reader of events."""


def stated_fields(record: Record, facts: Facts, names: Iterable[str]) -> dict[str, object]:
    """Those of `names`, the same in record and facts, that the message states otherwise than known (2.5: empty keeps,
    DELETE clears)."""
    found: dict[str, object] = {}
    for name in names:
        value = getattr(facts, name)
        if value is not None:
            if value == DELETE:
                value = None
            if value != getattr(record, name):
                found[name] = value
    return found


def stated(value: str | None) -> str | None:
    """A text for a field that is not known yet."""
    return None if value == DELETE else value


def person_fields(prefix: str, person: Person | None) -> dict[str, object]:
    """`{prefix}_id` and `{prefix}_name` ("FAMILY, GIVEN") of a clinician; empty when the message names none."""
    if person is None:
        return {}
    name = ", ".join(part for part in (stated(person.family), stated(person.given)) if part)
    return {f"{prefix}_id": stated(person.id), f"{prefix}_name": name or None}


def differing(record: Record, fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if getattr(record, name) != value}


def unknown_only(record: Record, fields: Mapping[str, object]) -> dict[str, object]:
    """What an older message may still say: fields of which nothing is known."""
    return {name: value for name, value in fields.items() if value and getattr(record, name) in (None, False, "[]")}


def listed(record: Record, changed: Mapping[str, object]) -> list[dict[str, JSON]]:
    """`changes[]`: path, old and new value of every changed field that a reader may care about."""
    return [
        {
            "path": name.removesuffix("_json").rstrip("_"),
            "old": plain(name, getattr(record, name)),
            "new": plain(name, value),
        }
        for name, value in changed.items()
        if name not in BOOKKEEPING
    ]


def plain(name: str, value: object) -> JSON:
    """A field's value as JSON."""
    if isinstance(value, datetime):
        return stamp(value)
    if name.endswith("_json") and isinstance(value, str):
        decoded: JSON = msgspec.json.decode(value)
        return decoded
    assert value is None or isinstance(value, bool | int | str)
    return value


def stamp(at: datetime | None) -> str | None:
    """ISO text in UTC."""
    return None if at is None else str(msgspec.to_builtins(at))


def present(data: Mapping[str, JSON]) -> dict[str, JSON]:
    """Event data without what is not known."""
    return {name: value for name, value in data.items() if value is not None}


def encoded(value: object) -> str:
    """JSON text for a `*_json` column."""
    return msgspec.json.encode(value).decode()

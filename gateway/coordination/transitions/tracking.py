"""What the world hears of announcements, leaves, ways and doctors of a stay (domain reference 2.2)."""

from __future__ import annotations

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter
from gateway.coordination.transitions.difference import stamp
from gateway.coordination.transitions.location import place_of, place_sent, place_text
from gateway.coordination.transitions.step import Movement
from mappings.events import Location

Told = tuple[str, str, dict[str, JSON]]
"""Type of the event, kind of the transition, data."""

TYPES = {
    "A09": ("encounter.departed-location", "departed"),
    "A10": ("encounter.arrived-location", "arrived"),
    "A14": ("encounter.admit-pending", "admit-pending"),
    "A15": ("encounter.transfer-pending", "transfer-pending"),
    "A16": ("encounter.discharge-pending", "discharge-pending"),
    "A21": ("encounter.leave-started", "leave-started"),
    "A22": ("encounter.leave-ended", "leave-ended"),
    "A25": ("encounter.discharge-pending-cancelled", "discharge-pending-cancelled"),
    "A26": ("encounter.updated", "transfer-pending-cancelled"),
    "A32": ("encounter.updated", "arrival-cancelled"),
    "A33": ("encounter.updated", "departure-cancelled"),
    "A52": ("encounter.leave-cancelled", "leave-cancelled"),
    "A53": ("encounter.leave-return-cancelled", "leave-return-cancelled"),
    "A54": ("encounter.attending-changed", "attending-changed"),
    "A55": ("encounter.attending-changed", "attending-changed"),
    "A61": ("encounter.updated", "consulting-changed"),
    "A62": ("encounter.updated", "consulting-changed"),
}


def told_by(draft: Draft, move: Movement, after: Encounter) -> Told | None:
    """What a message of these columns says; None for another column, and for one that says nothing of its own: the same
    doctor again, a flag that it could not set."""
    before, column = move.before, move.column
    if column not in TYPES:
        return None
    type_, kind = TYPES[column]
    said = move.flagged or move.created or before.status != after.status
    match column:
        case "A14":
            data: dict[str, JSON] = {"expected_admit_at": stamp(after.expected_admit_at), "to": _sent(move, "pending")}
        case "A15":
            said = said or before.pending_location != after.pending_location
            data = {"from": place_text(place_of(after)), "to": after.pending_location, "expected_at": _planned(move)}
        case "A16" | "A25":
            data = {
                "expected_discharge_at": stamp(after.expected_discharge_at),
                "expected_disposition": after.expected_disposition,
                "destination": move.facts.destination,
            }
            said = said or any(name in move.fields for name in ("expected_discharge_at", "expected_disposition"))
        case "A09" | "A10":
            data = _way(draft, move, after)
        case "A21" | "A22" | "A52" | "A53":
            data = {"at": stamp(draft.event.occurred_at), "expected_return_at": stamp(after.expected_return_at)}
        case "A54" | "A55":
            said = (before.attending_id, before.attending_name) != (after.attending_id, after.attending_name)
            data = {
                "attending_id": after.attending_id,
                "attending_name": after.attending_name,
                "old_attending_id": before.attending_id,
                "old_attending_name": before.attending_name,
            }
        case "A61" | "A62":
            said = (before.consulting_id, before.consulting_name) != (after.consulting_id, after.consulting_name)
            data = {}
        case _:
            data = {}
    return (type_, kind, {"class": after.class_, "status": after.status} | data) if said else None


def _way(draft: Draft, move: Movement, after: Encounter) -> dict[str, JSON]:
    """A09: where from, where to; A10: the same once he is there."""
    if move.column == "A09":
        left = _sent(move, "prior") or place_text(place_of(move.before))
        going = _sent(move, "temporary") or _sent(move, "pending") or _other_than(left, _sent(move, ""))
    else:
        left = _sent(move, "prior")
        going = _sent(move, "temporary") or place_text(place_of(after))
    return {"from": left, "to": going, "at": stamp(draft.event.occurred_at)}


def _other_than(left: str | None, sent: str | None) -> str | None:
    return sent if sent != left else None


def _sent(move: Movement, which: str) -> str | None:
    """A location of the message ("", "prior", "pending", "temporary") as one line."""
    found: Location | None = getattr(move.facts, f"{which}_location" if which else "location")
    return place_text(place_sent(found)) if found is not None else None


def _planned(move: Movement) -> str | None:
    return stamp(move.facts.planned_at)

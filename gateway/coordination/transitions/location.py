"""Where the patient is and was: location history of a stay (A01, A02, A12; domain reference 2.2)."""

from __future__ import annotations

from datetime import datetime

from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter, EncounterLocation
from gateway.coordination.transitions.difference import stated
from mappings.events import Location

Place = tuple[str | None, str | None, str | None]
"""Point of care, room, bed."""


def place_of(held: Encounter | EncounterLocation) -> Place:
    return held.point_of_care, held.room, held.bed


def place_sent(location: Location) -> Place:
    return stated(location.point_of_care), stated(location.room), stated(location.bed)


def place_fields(place: Place) -> dict[str, object]:
    return {"point_of_care": place[0], "room": place[1], "bed": place[2]}


def place_text(place: Place) -> str | None:
    """One line for people: unit-room-bed."""
    return "-".join(part for part in place if part) or None


def history_of(draft: Draft, encounter: Encounter) -> list[EncounterLocation]:
    """Rows of the encounter that were not cancelled, in the order in which they were written."""
    return [row for row in _rows(draft, encounter.encounter_id) if not row.cancelled]


def enter_place(draft: Draft, encounter: Encounter, place: Place, at: datetime) -> None:
    """Close the current row and open one for `place`."""
    rows = _rows(draft, encounter.encounter_id)
    current = next((row for row in reversed(rows) if not row.cancelled), None)
    if current is not None:
        if place_of(current) == place and current.to_at is None:
            return
        draft.update(current, to_at=at)
    draft.put(
        EncounterLocation(
            encounter_id=encounter.encounter_id,
            facility_id=encounter.facility_id,
            sequence=len(rows) + 1,
            point_of_care=place[0],
            room=place[1],
            bed=place[2],
            from_at=at,
            message_id=draft.cause.message_id,
        )
    )


def leave_place(draft: Draft, encounter: Encounter, at: datetime | None) -> None:
    """The stay ended: close the current row.  `at` None: the stay goes on, open it again."""
    rows = history_of(draft, encounter)
    if rows:
        draft.update(rows[-1], to_at=at)


def return_place(draft: Draft, encounter: Encounter) -> Place | None:
    """Cancel the newest transfer; returns the place before it, or None when there was no transfer."""
    rows = history_of(draft, encounter)
    if len(rows) < 2:
        return None
    draft.update(rows[-1], cancelled=True)
    draft.update(rows[-2], to_at=None)
    return place_of(rows[-2])


def _rows(draft: Draft, encounter_id: str) -> list[EncounterLocation]:
    known = draft.subject.locations
    rows: list[EncounterLocation] = []
    while (row := known.get((encounter_id, len(rows) + 1))) is not None:
        rows.append(row)
    return rows

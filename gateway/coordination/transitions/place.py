"""Events about a place or a schedule: beds (A20), slots (S23, S24; domain reference 2.2, 3.2)."""

from __future__ import annotations

from gateway.coordination.draft import Draft
from gateway.coordination.transitions.blocks import hear_slot
from gateway.coordination.transitions.difference import present, stamp
from gateway.coordination.transitions.location import place_sent, place_text

BED_STATUSES = {
    "C": "closed",
    "H": "housekeeping",
    "I": "isolated",
    "K": "contaminated",
    "O": "occupied",
    "U": "unoccupied",
}
"""Table 0116."""


def apply_place(draft: Draft) -> None:
    """Tell of the bed; nothing is kept."""
    place = draft.event.place
    assert place is not None
    name = place_text(place_sent(place.location))
    told = {"location": name, "bed_status": BED_STATUSES.get(place.status.upper(), "other"), "code": place.status}
    draft.emit_apart("location.bed-status", "location", name or "", present(told))


def apply_slot(draft: Draft) -> None:
    """Publish it, and tell whom it may concern; a patient whom it was told hears it."""
    slot = draft.event.slot
    assert slot is not None
    if slot.patient_id:
        hear_slot(draft, slot)
        return
    resource = slot.resource
    told = {
        "resource": resource.kind,
        "resource_id": resource.id,
        "resource_name": resource.text,
        "start": stamp(slot.start),
        "end": stamp(slot.end),
        "event_reason": slot.reason,
    }
    draft.emit_apart(draft.event.type, "schedule", f"{resource.kind}:{resource.id}", present(told))
    draft.tell(draft.event)

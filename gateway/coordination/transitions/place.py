"""Events about a place or a schedule, which are nobody's: the state of a bed (A20; domain reference 2.2)."""

from __future__ import annotations

from gateway.coordination.draft import Draft
from gateway.coordination.transitions.difference import present
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

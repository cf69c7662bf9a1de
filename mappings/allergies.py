"""AL1 and IAM: what the patient is allergic to (domain reference 2.2 on A60, 2.5 snapshot and action mode)."""

from __future__ import annotations

from mappings.events import DELETE, Allergy
from mappings.source import Source
from parsers.hl7v2.message import Segment

UNCHANGED = "X"
"""IAM-6 (table 0206): the row repeats what is known."""


def read_allergies(source: Source) -> tuple[tuple[Allergy, ...] | None, bool]:
    """(allergies, are they the whole set).

    AL1 rows are the whole set, empty when the only one is the HL7 null; IAM rows each add, change or remove one.  None
    when the message has neither.
    """
    actions, snapshot = source.all("IAM"), source.all("AL1")
    if actions:
        found = (_by_action(source, row) for row in actions if source.value(row, 6) != UNCHANGED)
        return tuple(one for one in found if one is not None), False
    if not snapshot:
        return None, False
    if len(snapshot) == 1 and source.text(snapshot[0], 3) == DELETE:
        return (), True
    listed = (_allergy(source, row, None) for row in snapshot)
    return tuple(one for one in listed if one is not None), True


def _by_action(source: Source, row: Segment) -> Allergy | None:
    removed = source.value(row, 6) == "D"
    return _allergy(source, row, source.value(row, 7), removed=removed)


def _allergy(source: Source, row: Segment, unique: str | None, *, removed: bool = False) -> Allergy | None:
    """None, and a problem, when nothing tells which allergy is meant."""
    code, text = source.value(row, 3), source.part(row, 3, 2)
    name = unique or code or text
    if name is None:
        source.note("101", row, 3, "no code, text or unique id names the allergy")
        return None
    return Allergy(
        id=name[:200],
        code=code,
        text=text,
        type=source.value(row, 2),
        severity=source.value(row, 4),
        removed=removed,
    )

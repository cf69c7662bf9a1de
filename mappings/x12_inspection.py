"""Interchanges as plain JSON-ready data, the X12 shape of `baton inspect`: values as sent, absent facts left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from mappings.benefits import benefit_loops
from mappings.eligibility import patient_rejections
from mappings.events import CanonicalEvent, Rejection
from mappings.x12_facts import level_rejections, member_id, name_of, rejections, source_of
from parsers.errors import Oddity
from parsers.x12.acknowledgement import number_interchange
from parsers.x12.hierarchy import DEPENDENT, EVENT, PROVIDER, SERVICE, SUBSCRIBER, HierarchicalLevel, Hierarchy
from parsers.x12.interchange import FunctionalGroup, Interchange
from parsers.x12.segments import Segment, decode
from parsers.x12.structure import HIERARCHICAL, SetCheck

Description = dict[str, object]

_PATIENTS = (SUBSCRIBER, DEPENDENT)


def describe_unknown() -> Description:
    """What stands for a body in which no ISA can be read."""
    oddity = Oddity("error", "no-header", "ISA", "No interchange header (ISA) can be read")
    return {"standard": "unknown", "outcome": "rejected", "problems": [_described(oddity)]}


class Inspected(Protocol):
    """An interchange in reading: its groups in order, and then what goes back and how it ends."""

    acknowledgements: list[bytes]

    def groups(self) -> Iterator[Description]: ...

    def outcome(self) -> str: ...


def describe_interchange(interchange: Interchange, inspected: Inspected) -> Description:
    """One interchange.  `groups` is an iterator; a value that is a function can be told only after it."""
    header = interchange.header
    element, component, repetition, segment = header.delimiters
    return {
        "standard": "x12",
        "interchange": _present(
            control_number=header.control_number,
            sender=header.sender,
            receiver=header.receiver,
            version=header.version,
            delimiters=_present(
                element=decode(element),
                component=decode(component),
                repetition=decode(repetition),
                segment=decode(segment),
            ),
        ),
        "groups": inspected.groups(),
        "acknowledgements": lambda: [
            number_interchange(body, 1).decode("latin-1") for body in inspected.acknowledgements
        ],
        "outcome": inspected.outcome,
        "problems": [_described(oddity) for oddity in interchange.oddities],
    }


def _present(**facts: object) -> Description:
    return {name: value for name, value in facts.items() if value not in (None, "", [], ())}


def _described(oddity: Oddity) -> Description:
    return {
        "severity": oddity.severity,
        "code": oddity.code,
        "location": oddity.location,
        "text": oddity.text,
    }


def describe_group(group: FunctionalGroup, sets: Iterator[Description]) -> Description:
    """One group; `sets` come from `describe_set`."""
    described = _present(functional_id=group.functional_id, control_number=group.control_number, version=group.version)
    return described | {"transaction_sets": sets}


def describe_set(check: SetCheck, hierarchy: Hierarchy, events: Sequence[CanonicalEvent]) -> Description:
    """One transaction set with its members and the events that it led to."""
    bht = next((segment for segment in hierarchy.heading if segment.id == "BHT"), None)
    described = _present(
        id=check.set.id,
        control_number=check.set.control_number,
        guide=check.set.guide,
        reference=bht.text(3) if bht else None,
    )
    described |= {
        "segments": check.count,
        "status": check.status,
        "errors": [_described(oddity) for oddity in check.oddities],
    }
    if check.set.id in HIERARCHICAL:
        described |= _contents(check.set.id, hierarchy)
    described["events"] = [msgspec.to_builtins(event) for event in events]
    return described


def _contents(set_id: str, hierarchy: Hierarchy) -> Description:
    payer = name_of(source_of(hierarchy))
    refused = rejections(hierarchy.heading, "heading")
    subscribers = []
    for level in hierarchy.levels:
        if level.code == SUBSCRIBER:
            subscribers.append(_patient(set_id, level))
        elif level.loop in ("2000A", "2000B"):
            refused += level_rejections(level, set_id)
    described = _present(
        payer=_present(name=payer.text(3), id=payer.text(9)) if payer else None,
        rejections=[_rejection(one) for one in refused],
    )
    described["subscribers"] = subscribers
    return described


def _patient(set_id: str, level: HierarchicalLevel) -> Description:
    name = name_of(level)
    demographics = next((segment for segment in level.segments if segment.id == "DMG"), None)
    below = [one for one in _below(level) if one.code in (EVENT, PROVIDER, SERVICE)]
    loops = benefit_loops(level)
    refused = patient_rejections(level, set_id)
    for one in below:
        refused += level_rejections(one, set_id)
    return _present(
        member_id=member_id(level),
        family=name.text(3) if name else None,
        given=name.text(4) if name else None,
        birth_date=demographics.text(2) if demographics else None,
        traces=[s.text(2) for one in (level, *below) for s in one.segments if s.id == "TRN" and s.text(2)],
        benefits=[_present(code=loop[0].text(1), service_types=loop[0].repetitions(3)) for loop in loops],
        rejections=[_rejection(one) for one in refused],
        authorizations=[
            _authorization(one, segment) for one in (level, *below) for segment in one.segments if segment.id == "HCR"
        ],
        dependents=[_patient(set_id, child) for child in level.children if child.code == DEPENDENT],
    )


def _below(level: HierarchicalLevel) -> list[HierarchicalLevel]:
    """The levels of this patient's own events, without those of his dependents."""
    return [one for one in level.descendants() if one.nearest(*_PATIENTS) is level]


def _rejection(rejection: Rejection) -> Description:
    return _present(reason=rejection.reason, follow_up=rejection.follow_up, loop=rejection.loop)


def _authorization(level: HierarchicalLevel, hcr: Segment) -> Description:
    return _present(
        level="service" if level.code == SERVICE else "event",
        action=hcr.text(1),
        number=hcr.text(2),
        reasons=hcr.repetitions(3),
    )

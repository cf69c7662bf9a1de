"""IN1, IN2, IN3: the insurances of a patient, and the authorizations that registration knows."""

from __future__ import annotations

from mappings.events import DELETE, CoverageFacts
from mappings.source import Source
from parsers.hl7v2.message import Segment


def read_coverages(source: Source) -> tuple[CoverageFacts, ...] | None:
    """All insurances in the order sent.  None when the message has no IN1 (no information); empty when its only IN1
    is the HL7 null in IN1-2 or IN1-3 (the set is withdrawn, domain reference 2.5)."""
    if not source.all("IN1"):
        return None
    groups: list[list[Segment]] = []
    for segment in source.rows:
        if segment.name == "IN1":
            groups.append([segment])
        elif segment.name in ("IN2", "IN3") and groups:
            groups[-1].append(segment)
    if len(groups) == 1 and DELETE in (source.text(groups[0][0], 2), source.text(groups[0][0], 3)):
        return ()
    found = (_coverage(source, group) for group in groups)
    return tuple(one for one in found if one.payer_id or one.payer_name or one.plan_id or one.member_id)


def _coverage(source: Source, group: list[Segment]) -> CoverageFacts:
    in1 = group[0]
    in2 = next((one for one in group if one.name == "IN2"), None)
    in3 = next((one for one in group if one.name == "IN3"), None)
    return CoverageFacts(
        payer_id=source.text(in1, 3),
        payer_name=source.text(in1, 4),
        plan_id=source.text(in1, 2),
        group_number=source.text(in1, 8),
        member_id=source.text(in1, 49) or source.text(in1, 36) or (source.text(in2, 61) if in2 else None),
        effective_on=source.day(in1, 12),
        expires_on=source.day(in1, 13),
        priority=source.number(in1, 22) or source.number(in1, 1),
        plan_type=source.text(in1, 15),
        relationship=source.text(in1, 17),
        verified_at=source.instant(in1, 29),
        authorization_number=source.value(in1, 14) or source.value(in1, 28) or (source.value(in3, 2) if in3 else None),
        authorization_begins_on=source.day(in3, 9) if in3 else None,
        authorization_ends_on=source.day(in3, 10) if in3 else None,
    )

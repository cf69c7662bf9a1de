"""TA1, 999 and 997 that a partner sends about what we sent him (domain reference 8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mappings.events import AcknowledgementFacts, CanonicalEvent
from parsers.x12.interchange import FunctionalGroup, Interchange
from parsers.x12.segments import Segment, number

_TAKEN = frozenset({"A", "E", "P"})  # TA104, AK901
_SETS, _GROUP = frozenset({"IK5", "AK5"}), "AK9"
_MOST_CODES = 20


def interchange_acknowledgements(interchange: Interchange, partner: str) -> list[AcknowledgementFacts]:
    """One per TA1 segment."""
    return [
        AcknowledgementFacts(
            partner=partner,
            kind="TA1",
            control_number=about,
            verdict="accepted" if ta1.text(4) in _TAKEN else "rejected",
            codes=(" ".join(("TA1", ta1.text(4), ta1.text(5))).strip(),),
            warnings=ta1.text(4) == "E",
        )
        for ta1 in interchange.ta1
        if (about := number(ta1.text(1))) is not None
    ]


def group_acknowledgements(group: FunctionalGroup, partner: str) -> Iterator[AcknowledgementFacts]:
    """One per 999 or 997 set: its verdict on one group of ours."""
    for transaction_set in group.sets:
        if transaction_set.id in ("999", "997"):
            segments, _ = transaction_set.split()
            facts = _verdict(segments, transaction_set.id, partner)
            if facts is not None:
                yield facts


def _verdict(segments: list[Segment], kind: str, partner: str) -> AcknowledgementFacts | None:
    about = next((number(segment.text(2)) for segment in segments if segment.id == "AK1"), None)
    if about is None:
        return None
    codes = [_code(segment) for segment in segments if segment.id in _SETS and segment.text(1) != "A"]
    group = next((segment for segment in segments if segment.id == _GROUP), None)
    if group is not None and group.text(1) != "A":
        codes.append(_code(group))
    if group is None and not any(segment.id in _SETS for segment in segments):
        return None  # cut off before its verdict
    taken = group is None or group.text(1) in _TAKEN
    refused = [segment for segment in segments if segment.id in _SETS and segment.text(1) not in _TAKEN]
    return AcknowledgementFacts(
        partner=partner,
        kind=kind,
        control_number=about,
        verdict="accepted" if taken and not refused else "rejected",
        codes=tuple(codes[:_MOST_CODES]),
        warnings=taken and bool(codes),
    )


def _code(segment: Segment) -> str:
    """ "IK5 R 5": the segment with its codes."""
    return " ".join(text for text in (segment.id, segment.text(1), segment.text(2)) if text)


def acknowledgement_event(facts: AcknowledgementFacts, facility: str, received_at: datetime) -> CanonicalEvent:
    """About one interchange that we sent; whose it is the control number tells, which only the store knows."""
    return CanonicalEvent(
        type="transmission.acknowledged",
        trigger=facts.kind,
        recorded_at=received_at,
        occurred_at=received_at,
        facility=facility,
        acknowledgement=facts,
    )

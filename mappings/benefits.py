"""The 2110 loops of a 271: each EB with its dates, limits, references and the people whom it names (4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from mappings.payer_facts import Benefit, OtherPayer, RelatedEntity
from mappings.x12_codes import PAYER_ORDER, PERIOD_BEGINS, PERIOD_ENDS
from mappings.x12_facts import Period, iso, read_period, reference
from parsers.x12.hierarchy import HierarchicalLevel
from parsers.x12.segments import Segment

MOST = 20
"""Texts, places, entities and limits that one benefit carries; a damaged file repeats them without end."""

_COB = "290"  # DTP01


def benefit_loops(level: HierarchicalLevel) -> list[list[Segment]]:
    """The 2110 loops: each EB with what follows it, up to the next EB."""
    loops: list[list[Segment]] = []
    for segment in level.segments:
        if segment.id == "EB":
            loops.append([segment])
        elif loops:
            loops[-1].append(segment)
    return loops


def read_benefit(loop: Sequence[Segment], plan_period: Period) -> Benefit:
    """One EB; its own dates override those of the patient's level (4.3, step 3)."""
    eb = loop[0]
    own = period_of(loop)
    period = own if own.begins or own.ends else plan_period
    return Benefit(
        code=eb.text(1),
        coverage_level=eb.text(2) or None,
        service_types=tuple(eb.repetitions(3)),
        insurance_type=eb.text(4) or None,
        plan=eb.text(5) or None,
        period=eb.text(6) or None,
        amount=eb.text(7) or None,
        percent=eb.text(8) or None,
        quantity_unit=eb.text(9) or None,
        quantity=eb.text(10) or None,
        authorization_required=eb.text(11) or None,
        in_network=eb.text(12) or None,
        procedure=eb.text(13, 2) or None,
        begins_on=iso(period.begins),
        ends_on=iso(period.ends),
        limits=tuple(limit_text(segment) for segment in loop if segment.id == "HSD")[:MOST],
        places=tuple(s.text(2) for s in loop if s.id == "III" and s.text(2))[:MOST],
        referral_number=reference(loop, "9F"),
        authorization_number=reference(loop, "G1"),
        messages=texts(loop),
        entities=entities(loop),
    )


def texts(segments: Iterable[Segment]) -> tuple[str, ...]:
    """MSG01 as sent: shown, never interpreted."""
    return tuple(s.text(1) for s in segments if s.id == "MSG" and s.text(1))[:MOST]


def limit_text(hsd: Segment) -> str:
    """HSD in one line, in its codes: "20 VS per 1 MO, 12 MN"."""
    parts = [part for part in (hsd.text(2), hsd.text(1)) if part]
    if hsd.text(3):
        parts += ["per", hsd.text(4) or "1", hsd.text(3)]
    line = " ".join(parts)
    scope = " ".join(part for part in (hsd.text(6), hsd.text(5)) if part)
    return ", ".join(part for part in (line, scope) if part)


def entities(segments: Iterable[Segment]) -> tuple[RelatedEntity, ...]:
    """Each NM1 with the PER that follows it."""
    found: list[tuple[Segment, list[Segment]]] = []
    for segment in segments:
        if segment.id == "NM1" and len(found) < MOST:
            found.append((segment, []))
        elif segment.id == "PER" and found:
            found[-1][1].append(segment)
    return tuple(entity(name, contacts) for name, contacts in found)


def entity(name: Segment, contacts: Sequence[Segment] = ()) -> RelatedEntity:
    """NM1, and how to reach it."""
    numbers = contact_numbers(contacts)
    said = ", ".join(part for part in (name.text(3), name.text(4)) if part)
    return RelatedEntity(
        kind=name.text(1),
        name=said or None,
        id_qualifier=name.text(8) or None,
        id=name.text(9) or None,
        phone=numbers.get("TE"),
        url=numbers.get("UR"),
    )


def contact_numbers(contacts: Iterable[Segment]) -> dict[str, str]:
    """PER03..08: the first number of each kind (TE, FX, EM, UR ...)."""
    found: dict[str, str] = {}
    for per in contacts:
        for at in (3, 5, 7):
            if per.text(at) and per.text(at + 1):
                found.setdefault(per.text(at), per.text(at + 1))
    return found


def payer_contacts(segments: Iterable[Segment]) -> tuple[RelatedEntity, ...]:
    """PER of the payer's own loop: whom to call."""
    found: list[RelatedEntity] = []
    for per in segments:
        if per.id == "PER" and len(found) < MOST:
            numbers, name = contact_numbers((per,)), per.text(2) or None
            found.append(RelatedEntity(kind=per.text(1), name=name, phone=numbers.get("TE"), url=numbers.get("UR")))
    return tuple(found)


def other_payers(loop: Sequence[Segment], benefit: Benefit) -> list[OtherPayer]:
    """EB01 = R: every payer that its 2120 loops name; one without a name when they name none.  The dates are the
    row's own: those of the patient's level speak of this payer's cover."""
    coordinated = period_of(loop, only=_COB)
    period = coordinated if coordinated.begins or coordinated.ends else period_of(loop)
    subscriber = next((one for one in benefit.entities if one.kind == "IL"), None)
    named = [one for one in benefit.entities if one.kind in PAYER_ORDER] or [RelatedEntity(kind="PR")]
    return [
        OtherPayer(
            payer_id=one.id,
            payer_name=one.name,
            order=PAYER_ORDER[one.kind] or None,
            insurance_type=benefit.insurance_type,
            member_id=reference(loop, "1W") or (subscriber.id if subscriber else None),
            group_number=reference(loop, "6P"),
            plan=benefit.plan,
            begins_on=iso(period.begins),
            ends_on=iso(period.ends),
            phone=one.phone,
        )
        for one in named
    ]


def end_of(segments: Sequence[Segment]) -> str | None:
    """The end that a DTP of its own states (347, 349, 357), as ISO text."""
    return min((found for code in PERIOD_ENDS if (found := date_of(segments, code))), default=None)


def date_of(segments: Iterable[Segment], code: str) -> str | None:
    """The first DTP of this code, as ISO text."""
    periods = (read_period(segment) for segment in segments if segment.id == "DTP" and segment.text(1) == code)
    return next((iso(period.begins) for period in periods if period.begins), None)


def period_of(segments: Iterable[Segment], *, only: str = "") -> Period:
    """The coverage or benefit period that the DTP segments state; a single date under 291, 292 or 307 is a begin.

    `only`: of this DTP01 alone, whose single date is a begin too."""
    begins: date | None = None
    ends: date | None = None
    for segment in segments:
        if segment.id != "DTP":
            continue
        code, period = segment.text(1), read_period(segment)
        if code == only or (not only and code in PERIOD_BEGINS):
            begins = begins or period.begins
            if segment.text(2) == "RD8":
                ends = ends or period.ends
        elif not only and code in PERIOD_ENDS:
            ends = ends or period.ends
    return Period(begins, ends)

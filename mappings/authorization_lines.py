"""The lines of a 278 response: HCR, UM, service, quantity and dates of one event or service level (5.1, 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.benefits import MOST, entities, texts
from mappings.events import ServiceDecision
from mappings.payer_facts import RelatedEntity, RequestedDocument, RequestedService
from mappings.x12_codes import EFFECTIVE, EVENT_PROVIDERS, EXPIRATION, REMAINING, VALIDITY_FALLBACKS
from mappings.x12_facts import Period, iso, own_traces, read_period, traces
from parsers.x12.hierarchy import SERVICE, HierarchicalLevel
from parsers.x12.segments import Segment


def decision_segment(level: HierarchicalLevel) -> Segment | None:
    """HCR of the level itself."""
    return next((segment for segment in level.segments if segment.id == "HCR"), None)


def review_segment(level: HierarchicalLevel) -> Segment | None:
    """UM of the level itself."""
    return next((segment for segment in level.segments if segment.id == "UM"), None)


def decision_lines(event: HierarchicalLevel, services: Sequence[HierarchicalLevel]) -> tuple[ServiceDecision, ...]:
    """What was decided line by line; a service without its own HCR shows the event's."""
    inherited = decision_segment(event)
    lines = [_line(event, "event", inherited)] if inherited else []
    lines += [_line(service, "service", decision_segment(service) or inherited) for service in services]
    return tuple(lines)


def _line(level: HierarchicalLevel, kind: str, hcr: Segment | None) -> ServiceDecision:
    period = stated_period(level) or Period()
    quantity, unit = _quantity(level)
    return ServiceDecision(
        level=kind,
        action=hcr.text(1) or None if hcr else None,
        number=hcr.text(2) or None if hcr else None,
        reasons=tuple(hcr.repetitions(3)) if hcr else (),
        trace=next(iter(traces(level.segments)), None),
        service=_service(level),
        effective_on=iso(period.begins),
        expires_on=iso(period.ends),
        quantity=quantity,
        unit=unit,
        remaining=remaining(level),
        second_opinion=bool(hcr and hcr.text(4) == "Y"),
        provider=provider(level),
        messages=texts(level.segments),
    )


_LINES = {"SV1": (1, 3, 4), "SV2": (2, 4, 5), "SV3": (1, 0, 6)}  # elements of procedure, unit, quantity


def _service(level: HierarchicalLevel) -> str | None:
    for segment in level.segments:
        if segment.id in _LINES:
            procedure = segment.text(_LINES[segment.id][0], 2)
            if procedure or segment.id == "SV2":
                return procedure or segment.text(1) or None
    review = review_segment(level)
    return review.text(3) or None if review else None


def _quantity(level: HierarchicalLevel) -> tuple[str | None, str | None]:
    """HSD02 and HSD01, else those of the service line."""
    for segment in level.segments:
        if segment.id == "HSD" and segment.text(2):
            return segment.text(2), segment.text(1) or None
    for segment in level.segments:
        if segment.id in _LINES:
            _, unit, quantity = _LINES[segment.id]
            return segment.text(quantity) or None, (segment.text(unit) or None) if unit else None
    return None, None


def requested_service(level: HierarchicalLevel) -> RequestedService:
    """The service line of a request (2000F)."""
    review = review_segment(level)
    procedure = next((_procedure(segment) for segment in level.segments if segment.id in _LINES), None)
    quantity, unit = _quantity(level)
    return RequestedService(
        service_type=review.text(3) or None if review else None,
        procedure=procedure,
        quantity=quantity,
        unit=unit,
        trace=next(iter(own_traces(level.segments)), None),
    )


def _procedure(line: Segment) -> str | None:
    """The procedure of SV1, SV2 or SV3, else the revenue code of SV2."""
    return line.text(_LINES[line.id][0], 2) or (line.text(1) if line.id == "SV2" else "") or None


def remaining(level: HierarchicalLevel) -> str | None:
    """HSD06 where HSD05 = 29: what is left of the quantity."""
    return next((s.text(6) or None for s in level.segments if s.id == "HSD" and s.text(5) == REMAINING), None)


def provider(level: HierarchicalLevel) -> RelatedEntity | None:
    """The first provider whom the level itself names (2010EA, 2010F)."""
    return next((one for one in entities(level.segments) if one.kind in EVENT_PROVIDERS), None)


def documents(level: HierarchicalLevel) -> tuple[RequestedDocument, ...]:
    """PWK and HI*LOI of an answer: what the payer asks for (5.2)."""
    service = _service(level) if level.code == SERVICE else None
    found: list[RequestedDocument] = []
    for segment in level.segments:
        if segment.id == "PWK":
            found.append(
                RequestedDocument(
                    kind="PWK",
                    code=segment.text(1),
                    transmission=segment.text(2) or None,
                    control_number=segment.text(6) or None,
                    text=segment.text(7) or None,
                    service=service,
                )
            )
        elif segment.id == "HI":
            codes = [segment.text(at, 2) for at in range(1, 13) if segment.text(at, 1) == "LOI"]
            found += (RequestedDocument(kind="LOI", code=code, service=service) for code in codes if code)
    return tuple(found[:MOST])


def dates_of(level: HierarchicalLevel, code: str) -> Period | None:
    """The first DTP of this code with a readable date."""
    for segment in level.segments:
        if segment.id == "DTP" and segment.text(1) == code:
            period = read_period(segment)
            if period.begins or period.ends:
                return period
    return None


def _range(level: HierarchicalLevel, code: str) -> Period | None:
    return next(
        (
            read_period(segment)
            for segment in level.segments
            if segment.id == "DTP" and segment.text(1) == code and segment.text(2) == "RD8"
        ),
        None,
    )


def stated_period(level: HierarchicalLevel) -> Period | None:
    """007 to 036 of one level; a missing end is that of a ranged 007, else of a ranged AAH or 472 (5.4)."""
    effective, expiration = dates_of(level, EFFECTIVE), dates_of(level, EXPIRATION)
    ranged = [_range(level, code) for code in (EFFECTIVE, *VALIDITY_FALLBACKS)]
    fallback = next((period for period in ranged if period), Period())
    begins = effective.begins if effective else fallback.begins
    ends = expiration.ends if expiration else fallback.ends
    return Period(begins, ends) if begins or ends else None

"""What the EB rows of one patient say of each service, and what is left of limits (domain reference 4.3, steps 2-7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mappings.payer_facts import Benefit, Remaining, ServiceAnswer
from mappings.x12_codes import ACTIVE, INACTIVE, NON_COVERED, PLAN_SERVICE_TYPE, REMAINING, TOTALS

MOST_SERVICES = 300
_DECIDING = ACTIVE | INACTIVE | {NON_COVERED}
_TIERS = (None, "Y", "N", "W", "U")  # EB12
_EITHER = (None, "W")  # says nothing of the tier, or means both


def is_plan(benefit: Benefit) -> bool:
    """A row about the plan as a whole: service type 30, or none."""
    return not benefit.procedure and (PLAN_SERVICE_TYPE in benefit.service_types or not benefit.service_types)


def covers(benefit: Benefit, day: str) -> bool:
    return (not benefit.begins_on or benefit.begins_on <= day) and (not benefit.ends_on or day <= benefit.ends_on)


def authorization_required(rows: Iterable[Benefit]) -> str | None:
    """Y when any row says so, N when one says N and none Y; None: the payer does not say (EB11 U or absent)."""
    answers = {benefit.authorization_required for benefit in rows}
    return "Y" if "Y" in answers else "N" if "N" in answers else None


def status_of(rows: Sequence[Benefit], day: str, *, exact: bool) -> str:
    """active | inactive | not-covered | unknown.  Only active rows are filtered by date: an inactive row beside a
    period that has ended says why it is inactive.  `exact`: the rows name the service themselves."""
    if any(benefit.code in ACTIVE and covers(benefit, day) for benefit in rows):
        return "active"
    if any(benefit.code in INACTIVE for benefit in rows):
        return "inactive"
    if any(benefit.code == NON_COVERED and (exact or benefit.service_types) for benefit in rows):
        return "not-covered"
    return "unknown"


def service_answers(benefits: Sequence[Benefit], day: str) -> tuple[ServiceAnswer, ...]:
    """One answer per service type or procedure and network tier that a row decides or needs authorization for.

    Exact rows override those of the plan, rows of a procedure those of its service type; tiers are kept apart, and a
    row that names none speaks for each."""
    exact: dict[tuple[str | None, str | None], list[Benefit]] = {}
    for benefit in benefits:
        for key in _services(benefit):
            if len(exact) < MOST_SERVICES or key in exact:
                exact.setdefault(key, []).append(benefit)
    plan = [benefit for benefit in benefits if is_plan(benefit)]
    general: dict[str | None, tuple[str, str | None]] = {}
    found: list[ServiceAnswer] = []
    for (service_type, procedure), rows in exact.items():
        telling = {row.in_network for row in rows if row.code in _DECIDING or row.authorization_required}
        asked = ServiceAnswer(service_type=service_type, procedure=procedure)
        for tier in _TIERS:
            if tier in telling:
                if tier not in general:
                    alike = _of_tier(plan, tier)
                    general[tier] = status_of(alike, day, exact=False), authorization_required(alike)
                found.append(_answer(asked, rows, tier, general[tier], day))
    return tuple(found[:MOST_SERVICES])


def _services(benefit: Benefit) -> list[tuple[str | None, str | None]]:
    if benefit.procedure:
        return [(None, benefit.procedure)]
    return [(service_type, None) for service_type in benefit.service_types]


def _of_tier(rows: Sequence[Benefit], tier: str | None) -> list[Benefit]:
    return [row for row in rows if row.in_network == tier or row.in_network in _EITHER]


def _answer(
    asked: ServiceAnswer, rows: Sequence[Benefit], tier: str | None, general: tuple[str, str | None], day: str
) -> ServiceAnswer:
    own = _of_tier(rows, tier)
    status = status_of(own, day, exact=asked.service_type != PLAN_SERVICE_TYPE)
    if status == "unknown":
        status = general[0]
    deciding = [row for row in own if row.code in _DECIDING] or own
    return msgspec.structs.replace(
        asked,
        in_network=tier,
        status=status,
        authorization_required=authorization_required(own) or general[1],
        begins_on=next((row.begins_on for row in deciding if row.begins_on), None),
        ends_on=min((row.ends_on for row in deciding if row.ends_on), default=None),
    )


def remaining(benefits: Sequence[Benefit]) -> tuple[Remaining, ...]:
    """Rows of EB06 = 29, each with the row that states its total (same code, services, tier and level)."""
    totals: dict[tuple[object, ...], Benefit] = {}
    for benefit in benefits:
        if benefit.period in TOTALS and (benefit.amount or benefit.quantity):
            totals.setdefault(_limit(benefit), benefit)
    found = []
    for benefit in benefits:
        if benefit.period != REMAINING or not (benefit.amount or benefit.quantity):
            continue
        total = totals.get(_limit(benefit))
        found.append(
            Remaining(
                code=benefit.code,
                service_types=benefit.service_types,
                in_network=benefit.in_network,
                coverage_level=benefit.coverage_level,
                amount=benefit.amount,
                quantity=benefit.quantity,
                unit=benefit.quantity_unit,
                total_amount=total.amount if total else None,
                total_quantity=total.quantity if total else None,
                period=total.period if total else None,
            )
        )
    return tuple(found[:MOST_SERVICES])


def _limit(benefit: Benefit) -> tuple[object, ...]:
    return benefit.code, benefit.service_types, benefit.procedure, benefit.in_network, benefit.coverage_level

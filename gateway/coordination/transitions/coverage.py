"""Insurance: IN1 snapshots of ADT (domain reference 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Coverage
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.difference import (
    differing,
    listed,
    present,
    stamp,
    stated,
    stated_fields,
)
from mappings.events import CoverageFacts

IDENTIFYING = ("payer_id", "payer_name", "plan_id", "member_id")
LISTED = (
    "payer_id", "payer_name", "plan_id", "group_number", "member_id", "priority", "relationship", "plan_type",
    "effective_on", "expires_on",
)  # fmt: skip
TELLING = frozenset(LISTED) - {"payer_name"}
"""Fields whose difference is a change of insurance (IN1-2, -3, -8, -12, -13, -15, -17, -22, -36, -49)."""

Key = tuple[str, str | None, str | None]


def apply_insurance(draft: Draft, sent: Sequence[CoverageFacts]) -> list[Coverage]:
    """Replace the patient's set of coverages by the message's (a feed that sends some of them adds to it); returns the
    set, in the order sent.

    The caller keeps away messages older than what is known of the person, where insurance is.  A coverage known from
    a 271 only (`priority` None) is no member of the registered set until an IN1 names it.
    """
    known_before = registered(draft.subject)
    before = [one for one in known_before if one.active]
    now: list[Coverage] = []
    changes: list[dict[str, JSON]] = []
    for position, facts in enumerate(sent, 1):
        known = _known(draft, facts, now)
        if known is None:
            now.append(_register(draft, facts, position))
        else:
            now.append(_restate(draft, known, facts, position, changes))
    staying = {one.coverage_id for one in now}
    others = [one for one in before if one.coverage_id not in staying]
    if draft.event.partial_coverages:
        gone: list[Coverage] = []
        now += others
    else:
        gone = [draft.update(one, active=False) for one in others]
    _announce_set(draft, before if known_before else None, now, gone, changes)
    return now


def registered(home: PatientScope) -> list[Coverage]:
    """What some IN1 named, in force or not."""
    return [one for one in home.coverages.values() if one.priority is not None]


def overtaken(home: PatientScope, at: datetime) -> bool:
    """Whether what a message of that time says of insurance is older than what is registered: a newer message about a
    stay stated it, or a newer one changed it."""
    told = [row.recorded_at for row in registered(home)]
    return bool(told) and max(told + [stay.recorded_at for stay in home.encounters.values()]) > at


def compatible_payers(draft: Draft, id_a: str | None, name_a: str | None, id_b: str | None, name_b: str | None) -> bool:
    """Same payer as far as both sides say: ids of one payer (`[[partner.payer]] aliases`) or equal names; one side that
    says nothing contradicts nothing."""
    if id_a and id_b and (id_a == id_b or draft.settings.asking.payer(id_a) == draft.settings.asking.payer(id_b)):
        return True
    if name_a and name_b:
        return normalised(name_a) == normalised(name_b)
    return not (id_a and id_b)


def normalised(name: str) -> str:
    """A payer's name for comparison: letters and digits, upper case."""
    return "".join(letter for letter in name.upper() if letter.isalnum())


def _key(payer_id: str | None, payer_name: str | None, plan_id: str | None, member_id: str | None) -> Key:
    return payer_id or normalised(payer_name or ""), plan_id, member_id


def _known(draft: Draft, facts: CoverageFacts, taken: list[Coverage]) -> Coverage | None:
    """By payer, plan and member; else the one that only lacks the plan (known from a 271) or the member so far."""
    payer_id, payer_name, plan, member = (stated(getattr(facts, name)) for name in IDENTIFYING)
    wanted = _key(payer_id, payer_name, plan, member)
    used = {one.coverage_id for one in taken}
    near = None
    for one in draft.subject.coverages.values():
        if one.coverage_id in used:
            continue
        if _key(one.payer_id, one.payer_name, one.plan_id, one.member_id) == wanted:
            return one
        if not compatible_payers(draft, one.payer_id, one.payer_name, payer_id, payer_name):
            continue
        from_answer = one.priority is None and member is not None and one.member_id == member
        if from_answer or (one.active and one.member_id is None and member is not None and one.plan_id == plan):
            near = one
    return near


def _register(draft: Draft, facts: CoverageFacts, position: int) -> Coverage:
    fresh = Coverage(
        coverage_id=draft.ids.new("cov"),
        facility_id=draft.event.facility,
        revision=1,
        patient_id=draft.subject.patient.patient_id,
        payer_id=stated(facts.payer_id),
        payer_name=stated(facts.payer_name),
        plan_id=stated(facts.plan_id),
        group_number=stated(facts.group_number),
        member_id=stated(facts.member_id),
        priority=facts.priority or position,
        relationship=stated(facts.relationship),
        plan_type=stated(facts.plan_type),
        effective_on=stated(facts.effective_on),
        expires_on=stated(facts.expires_on),
        verified_at=facts.verified_at,
        recorded_at=draft.event.recorded_at,
        created_at=draft.now,
        updated_at=draft.now,
    )
    draft.put(fresh)
    return fresh


def _restate(
    draft: Draft, known: Coverage, facts: CoverageFacts, position: int, changes: list[dict[str, JSON]]
) -> Coverage:
    """Apply a known coverage's segment; telling differences go to `changes`, a new verification is announced."""
    fields = stated_fields(known, facts, LISTED)
    fields |= differing(known, {"priority": facts.priority or position, "active": True})
    telling = listed(known, {name: value for name, value in fields.items() if name in TELLING})
    changes += [change | {"coverage_id": known.coverage_id} for change in telling]
    verified = facts.verified_at is not None and facts.verified_at != known.verified_at
    if verified:
        fields["verified_at"] = facts.verified_at
    if not fields:
        return known
    fresh = draft.update(known, None, **fields, recorded_at=draft.event.recorded_at)
    if verified:
        draft.emit("coverage.verified-by-registration", fresh, {"verified_at": stamp(fresh.verified_at)})
        draft.transition("coverage-verified", fresh, None, stamp(fresh.verified_at))
    return fresh


def _announce_set(
    draft: Draft,
    before: list[Coverage] | None,
    now: list[Coverage],
    gone: list[Coverage],
    changes: list[dict[str, JSON]],
) -> None:
    """`before` None: this is the first set, which changes nothing."""
    if before is None:
        return
    old, new = {one.coverage_id for one in before}, {one.coverage_id for one in now}
    if old == new and not changes:
        return
    focus = (now or gone or before)[0]
    data: dict[str, JSON] = {
        "coverages": [coverage_data(one) for one in now],
        "added": list[JSON](sorted(new - old)),
        "removed": list[JSON](sorted(old - new)),
    }
    draft.emit("coverage.changed", focus, data, changes=changes)
    draft.transition("coverage-changed", focus, " ".join(sorted(old)), " ".join(sorted(new)))


def coverage_data(one: Coverage) -> dict[str, JSON]:
    return present({"coverage_id": one.coverage_id} | {name: getattr(one, name) for name in LISTED})

"""What schedules say of an appointment's time: S23 blocks, S24 frees it (domain reference 3.2).

An appointment keeps what was said of its resources while it stood there, each with the recorded time of its message: of
two messages about the same minute the newer one counts, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment
from gateway.coordination.transitions.appointment import appointment_data
from gateway.coordination.transitions.resources import name_of, resources_of
from mappings.events import ResourceFacts, SlotFacts

LONGEST = timedelta(days=1)
"""Appointments that last longer are not looked for from a slot after their first day."""
OFFERED = ("AIP", "AIS")
"""Kinds of resources that somebody waits for: a clinician, a service."""
_MOST = 50
_INSTANT = timedelta(minutes=1)
"""How long something lasts whose end nobody says."""


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One resource is blocked, or free, from `start` to `end`."""

    name: str  # "AIP:77"
    start: datetime
    end: datetime
    at: datetime  # recorded time of the message
    blocked: bool


def said_of(visit: Appointment) -> list[Said]:
    return msgspec.json.decode(visit.blocks_json, type=list[Said])


def span_of(start: datetime, end: datetime | None) -> tuple[datetime, datetime]:
    """From, to; something that has no end, or ends before it starts, takes an instant."""
    return start, max(end or start, shifted(start, _INSTANT))


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Itself at the ends of time: a message may say any year."""
    try:
        return moment + by
    except OverflowError:
        return moment


def blocks_of(visit: Appointment) -> list[Said]:
    """The blocks that stand now at some time of the visit, on resources that it has."""
    if visit.start_at is None or visit.blocks_json == "[]":
        return []
    has, (first, last) = resources_of(visit), span_of(visit.start_at, visit.end_at)
    about = [one for one in said_of(visit) if one.name in has and one.start < last and one.end > first]
    return [one for one in about if one.blocked and _holds(one, about, first, last)]


def _holds(block: Said, said: Sequence[Said], first: datetime, last: datetime) -> bool:
    """Whether some moment of the block between `first` and `last` is not covered by something newer."""
    reached, last = max(block.start, first), min(block.end, last)
    newer = [one for one in said if one.name == block.name and _order(one) > _order(block)]
    for one in sorted(newer, key=lambda one: one.start):
        if one.start > reached:
            break
        reached = max(reached, one.end)
    return reached < last


def _order(one: Said) -> tuple[datetime, bool]:
    """Of two at the same second the block counts: an appointment looked at in vain costs less than one lost."""
    return one.at, one.blocked


def hear_slot(draft: Draft, slot: SlotFacts) -> None:
    """A slot that may concern the patient: note it on his visits of that time, and on those that wait for one."""
    if slot.start is None:
        return
    first, last = span_of(slot.start, slot.end)
    if not slot.given_up_by:
        name, blocked = name_of(slot.resource), draft.event.type == "schedule.blocked"
        said = Said(name, first, last, draft.event.recorded_at, blocked)
        for visit in draft.subject.appointments.between(shifted(first, -LONGEST), last):
            if visit.status == "booked" and visit.start_at is not None and name in resources_of(visit):
                begins, ends = span_of(visit.start_at, visit.end_at)
                if begins < last and ends > first:
                    _note(draft, visit, said)
    if draft.event.type == "schedule.opened" and first > draft.event.occurred_at:
        for visit in draft.subject.appointments.of_status("waitlist"):
            if _waits_for(visit, slot):
                draft.put(visit)
                draft.transition("slot-opened", visit, None, first.isoformat())


def _note(draft: Draft, visit: Appointment, said: Said) -> None:
    known = said_of(visit)
    if any(_order(one) >= _order(said) and _covers(one, said) for one in known):
        return
    kept = [one for one in known if not (_order(one) <= _order(said) and _covers(said, one))]
    kept = sorted([*kept, said], key=lambda one: (*_order(one), one.name, one.start, one.end))[-_MOST:]
    fresh = draft.update(visit, None, blocks_json=msgspec.json.encode(kept).decode())
    before, after = (sorted({one.name for one in blocks_of(state)}) for state in (visit, fresh))
    if before == after:
        return
    now: list[JSON] = [*after]
    changes: list[dict[str, JSON]] = [{"path": "blocked_resources", "old": [*before], "new": now}]
    draft.emit("appointment.updated", fresh, appointment_data(fresh) | {"blocked_resources": now}, changes=changes)
    draft.transition("appointment-blocked", fresh, " ".join(before), " ".join(after))


def _covers(one: Said, other: Said) -> bool:
    return one.name == other.name and one.start <= other.start and one.end >= other.end


def wanted_of(resources: Iterable[ResourceFacts]) -> dict[str, set[str]]:
    """Names of what somebody may wait for, by kind."""
    found: dict[str, set[str]] = {}
    for one in resources:
        if one.kind in OFFERED:
            found.setdefault(one.kind, set()).add(name_of(one))
    return found


def _waits_for(visit: Appointment, slot: SlotFacts) -> bool:
    """What both name, clinician or service, must be the same, and they must name something."""
    offered, has = wanted_of((slot.resource, *slot.further)), resources_of(visit)
    agree = False
    for kind, names in offered.items():
        waits = {name for name in has if name.startswith(f"{kind}:")}
        if waits and not waits & names:
            return False
        agree = agree or bool(waits)
    return agree

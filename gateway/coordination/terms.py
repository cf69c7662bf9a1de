"""Authorizations that end by themselves: by their period, told ahead and when it is over, and by their visits (5.4).

`keep_terms` runs after an event's transitions.  The end is DTP 036 or what stands for it (5.4), and is told once:
while its timer stands, and not again after it.  The status stays what the payer decided.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from gateway.coordination.calendar import at, end_of_day, parse_day
from gateway.coordination.draft import Draft
from gateway.coordination.records import Authorization, Timer
from gateway.coordination.rules.declaration import recorded_by, site_of
from gateway.coordination.rules.services import LIVE_GRANTS, authorized_visits, begins_on, number, visits_of
from gateway.coordination.rules.stays import ATTENDED
from gateway.coordination.tasks import lane_of
from gateway.coordination.transitions.authorization import authorization_data

TERM = "authorization-term"
"""`rule_id` of the timers; their `kind` is the event's, their `cycle` the end that they are about."""
EXPIRING, EXPIRED, EXHAUSTED = "expiring", "expired", "exhausted"
_MORNING = time(8, 0)


def keep_terms(draft: Draft) -> None:
    """Set the timers of the grants that this event changed, and tell whose visits it used up."""
    if draft.scope.subject is None or not draft.makes_tasks:
        return
    held = draft.subject.authorizations
    changed = [one for one in draft.touched(Authorization) if held.get(one.authorization_id) is one]
    for grant in changed:
        _keep(draft, grant)
    if changed or "appointment-status" in draft.happened:
        _tell_used_up(draft)


def end_term(draft: Draft, timer: Timer) -> None:
    """A timer of a term came due: tell it, if the end is still that one."""
    grant = draft.subject.authorizations.get(timer.authorization_id or "")
    end = _end_of(grant) if grant is not None else None
    if grant is not None and end is not None and end.isoformat() == timer.cycle:
        _tell(draft, grant, timer.kind)


def _end_of(grant: Authorization) -> date | None:
    if grant.status not in LIVE_GRANTS:
        return None
    return parse_day(grant.expires_on) or parse_day(grant.event_ends_on)


def _keep(draft: Draft, grant: Authorization) -> None:
    end = _end_of(grant)
    standing = False
    for timer in list(draft.subject.timers.of_rule(TERM)):
        if timer.authorization_id == grant.authorization_id:
            if end is not None and timer.cycle == end.isoformat():
                standing = True
            else:
                draft.clear_timer(timer)
    if end is None or standing:
        return
    site, by = site_of(draft, grant.facility_id), recorded_by(draft)
    over = end_of_day(end, site)
    if over <= by:
        return
    _set_timer(draft, grant, EXPIRED, over)
    ahead = timedelta(days=draft.numbers(grant.facility_id, grant.payer_id).auth_ends_soon_cd)
    begins = begins_on(grant)
    if begins is not None and end - begins <= ahead:
        return  # no longer than the notice: there is nothing to tell ahead
    soon = at(end - ahead, _MORNING, site)
    if soon > by:
        _set_timer(draft, grant, EXPIRING, soon)
    else:
        _tell(draft, grant, EXPIRING)


def _set_timer(draft: Draft, grant: Authorization, kind: str, fire_at: datetime) -> None:
    end = _end_of(grant)
    cycle = end.isoformat() if end is not None else ""
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr", f"{TERM}|{kind}|{cycle}|{grant.authorization_id}"),
            facility_id=grant.facility_id,
            patient_id=grant.patient_id,
            lane=lane_of(draft),
            channel=draft.cause.channel,
            rule_id=TERM,
            kind=kind,
            authorization_id=grant.authorization_id,
            cycle=cycle,
            fire_at=fire_at,
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


def _tell_used_up(draft: Draft) -> None:
    """Grants whose last visit was kept by this event, and those that it says to be used up already."""
    came: set[str] = set()
    decided: set[str] = set()
    for entry in draft.transitions:
        if entry.kind == "appointment-status" and entry.to_value in ATTENDED and entry.from_value not in ATTENDED:
            came.add(entry.aggregate_id)
        elif entry.kind == "authorization-status":
            decided.add(entry.aggregate_id)
    for grant in draft.subject.authorizations.values() if came or decided else ():
        anew = grant.authorization_id in decided
        if grant.status in LIVE_GRANTS and (
            _last_visit_kept(draft, grant, came, anew=anew) or (anew and number(grant.remaining) == 0)
        ):
            _tell(draft, grant, EXHAUSTED)


def _last_visit_kept(draft: Draft, grant: Authorization, came: set[str], *, anew: bool) -> bool:
    """Whether no authorized visit is left, and one was before this event or before this decision (`anew`)."""
    granted = authorized_visits(grant)
    if not granted:
        return False
    used, _ = visits_of(draft, grant)
    before = sum(visit.appointment_id not in came for visit in used)
    return len(used) >= granted and (anew or before < granted)


def _tell(draft: Draft, grant: Authorization, kind: str) -> None:
    data = authorization_data(grant)
    end = _end_of(grant)
    if end is not None:
        data["expires_on"] = end.isoformat()
    granted = authorized_visits(grant)
    if granted is not None:
        used, _ = visits_of(draft, grant)
        data["remaining"] = f"{max(granted - len(used), 0):f}"
    draft.emit(f"authorization.{kind}", grant, data)

"""Authorizations that run out: of days of a stay, of time before a visit, of units (6.2, 20, 28 and 29)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from gateway.coordination.calendar import (
    at,
    business_days_before,
    end_of_day,
    local_date,
    within_business_days,
)
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Encounter, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Rule,
    counted_back,
    done,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.payer import covers_admission, focus_of
from gateway.coordination.rules.services import (
    LIVE_GRANTS,
    authorized_visits,
    day_of,
    ends_on,
    is_for,
    number,
    visits_of,
)
from gateway.coordination.rules.signs import GRANTS
from gateway.coordination.rules.stays import scope_of, stay_of

_DAY = timedelta(hours=24)
_IN_BED = ("inpatient", "on-leave")


def about_grants(draft: Draft) -> list[Authorization]:
    """Authorizations that changed; all that are granted when a visit or stay did."""
    rows = draft.subject.authorizations.values()
    if draft.touched_kinds & {Appointment, Encounter}:
        return [row for row in rows if row.status in LIVE_GRANTS]
    return [row for row in draft.touched(Authorization) if row.status in LIVE_GRANTS]


# -- days of a stay ----------------------------------------------------------------------------------------------------


def _stay_under(draft: Draft, grant: Authorization) -> Encounter | None:
    if grant.request_category not in (None, "AR"):
        return None
    for stay in draft.subject.encounters.open():
        if stay.status in _IN_BED and covers_admission(draft, grant, stay, None):
            return stay
    return None


def _covered_until(draft: Draft, grant: Authorization, stay: Encounter) -> datetime | None:
    """End of the last certified day: admission plus the certified days, else the end of the period; None: no end."""
    site = site_of(draft, stay.facility_id)
    days = number(grant.quantity) if grant.unit == "DY" else None
    if days is not None and stay.inpatient_at is not None and 0 < days < 1000:
        return end_of_day(local_date(stay.inpatient_at, site) + timedelta(days=int(days) - 1), site)
    last = ends_on(grant) if grant.expires_on or grant.event_ends_on else None
    return end_of_day(last, site) if last else None


def checks_of_days(draft: Draft, grant: Authorization) -> Sequence[Check]:
    stay = _stay_under(draft, grant) if grant.status in LIVE_GRANTS else None
    until = _covered_until(draft, grant, stay) if stay else None
    if until is None or until - _DAY <= recorded_by(draft):
        return []
    return [Check(kind="days", at=until - _DAY)]


def wants_days(draft: Draft, grant: Authorization) -> Finding | str:
    return _days(draft, grant, recorded_by(draft))


def ripe_days(draft: Draft, grant: Authorization, timer: Timer) -> Finding | str:
    return _days(draft, grant, timer.fire_at)


def _days(draft: Draft, grant: Authorization, moment: datetime) -> Finding | str:
    stay = _stay_under(draft, grant) if grant.status in LIVE_GRANTS else None
    if stay is None:
        return "no inpatient stay stands under this authorization"
    until = _covered_until(draft, grant, stay)
    if until is None or until - _DAY > moment:
        return "the certified days do not end within 24 hours"
    due, priority = counted_back(until - timedelta(hours=4), moment, DAYS.priority)
    focus = focus_of(draft, grant)
    focus.encounter_id = stay.encounter_id
    return Finding(
        key=DAYS.key_of(grant.authorization_id, _version(until)),
        due_at=due,
        priority=priority,
        reason="The certified days end within 24 hours and the patient is still an inpatient.",
        evidence=[evidence(draft, "DTP 036", local_date(until, site_of(draft, stay.facility_id)).isoformat())],
        focus=focus,
    )


def _version(moment: datetime) -> str:
    return f"v{moment:%Y%m%dT%H%MZ}"


def settle_days(draft: Draft, task: Task) -> Closing | None:
    grant, stay = draft.subject.authorizations.get(task.authorization_id or ""), stay_of(draft, task)
    if grant is None or stay is None:
        return None
    if stay.status in ("discharged", "expired"):
        return done("the patient was discharged")
    if stay.status not in _IN_BED:
        return gone("the stay is no longer inpatient")
    newest = [
        until
        for row in draft.subject.authorizations.values()
        if row.status in LIVE_GRANTS
        and _stay_under(draft, row) is stay
        and (until := _covered_until(draft, row, stay)) is not None
    ]
    if newest and max(newest) > _end_in_key(task):
        return done("the days were extended")
    return gone("the authorization no longer stands") if not newest else None


def _end_in_key(task: Task) -> datetime:
    part = next(part for part in task.task_key.split("|") if part.startswith("v2"))
    return datetime.strptime(f"{part[1:-1]}+0000", "%Y%m%dT%H%M%z")


# -- time before a visit -----------------------------------------------------------------------------------------------


def checks_of_expiry(draft: Draft, grant: Authorization) -> Sequence[Check]:
    last = ends_on(grant)
    if grant.status not in LIVE_GRANTS or last is None:
        return []
    focus = focus_of(draft, grant)
    site, numbers = site_of(draft, focus.facility_id), draft.numbers(focus.facility_id, grant.payer_id)
    moment = at(last - timedelta(days=numbers.auth_ends_soon_cd), time(8, 0), site)
    return [Check(kind="ends-soon", at=moment)] if moment > recorded_by(draft) else []


def wants_extension(draft: Draft, grant: Authorization) -> Finding | str:
    return _extension(draft, grant, recorded_by(draft))


def ripe_extension(draft: Draft, grant: Authorization, timer: Timer) -> Finding | str:
    return _extension(draft, grant, timer.fire_at)


def _extension(draft: Draft, grant: Authorization, moment: datetime) -> Finding | str:
    last = ends_on(grant)
    if grant.status not in LIVE_GRANTS or last is None:
        return "the authorization is not in force"
    ahead = [
        visit
        for visit in draft.subject.appointments.from_on(moment)
        if visit.status == "booked" and is_for(draft, grant, visit, whenever=True)
    ]
    if not ahead:
        return "no matching appointment is booked"
    beyond = [visit for visit in ahead if (day := day_of(draft, visit)) is not None and day > last]
    if not beyond and not _units_would_lapse(draft, grant, last, moment):
        return "the authorization lasts until the booked appointments"
    visit = beyond[0] if beyond else ahead[-1]
    focus = focus_of(draft, grant)
    focus.appointment_id = visit.appointment_id
    site = site_of(draft, visit.facility_id)
    wished = min(
        within_business_days(moment, 3, site),
        business_days_before(at(last, time(12, 0), site), 2, site),
    )
    due, priority = counted_back(wished, moment, EXPIRING.priority)
    why = "before a booked appointment" if beyond else "soon, with units left beyond the bookings"
    return Finding(
        key=_expiry_key(grant, visit, last),
        due_at=due,
        priority=priority,
        reason=f"The authorization ends {why}.",
        evidence=[
            evidence(draft, "DTP 036", last.isoformat()),
            evidence(draft, "SCH-11.4", visit.start_at.isoformat() if visit.start_at else None),
        ],
        focus=focus,
    )


def _units_would_lapse(draft: Draft, grant: Authorization, last: date, moment: datetime) -> bool:
    """It ends within two weeks and more visits are authorized than were used or are booked."""
    focus = focus_of(draft, grant)
    today = local_date(moment, site_of(draft, focus.facility_id))
    soon = draft.numbers(focus.facility_id, grant.payer_id).auth_ends_soon_cd
    granted = authorized_visits(grant)
    if granted is None or last > today + timedelta(days=soon):
        return False
    used, booked = visits_of(draft, grant)
    return granted - len(used) - len(booked) > 0


def _expiry_key(grant: Authorization, visit: Appointment, last: date) -> str:
    start = f"{visit.start_at:%Y%m%dT%H%MZ}" if visit.start_at else "none"
    return EXPIRING.key_of(grant.authorization_id, scope_of(visit), f"v{last.isoformat()}", start)


def settle_extension(draft: Draft, task: Task) -> Closing | None:
    grant = draft.subject.authorizations.get(task.authorization_id or "")
    visit = draft.subject.appointments.get(task.appointment_id or "")
    if grant is None or visit is None:
        return None
    if grant.status not in LIVE_GRANTS:
        return gone("the authorization no longer stands")
    if visit.status != "booked":
        return gone("the appointment is no longer ahead")
    last, day = ends_on(grant), day_of(draft, visit)
    if last is None or task.task_key.startswith(_expiry_key(grant, visit, last)):
        return None
    if day is not None and day <= last:
        return done("the authorization lasts until the appointment")
    return gone("appointment or authorization moved")


# -- units -------------------------------------------------------------------------------------------------------------


def wants_units(draft: Draft, grant: Authorization) -> Finding | str:
    short = _shortage(draft, grant)
    if isinstance(short, str):
        return short
    visit, used, booked = short
    focus = focus_of(draft, grant)
    focus.appointment_id = visit.appointment_id
    site = site_of(draft, visit.facility_id)
    moment = recorded_by(draft)
    start = visit.start_at or moment
    due, priority = counted_back(business_days_before(start, 3, site), moment, UNITS.priority)
    return Finding(
        key=UNITS.key_of(grant.authorization_id, f"v{grant.quantity}"),
        due_at=due,
        priority=priority,
        reason=f"Of {grant.quantity} authorized visits {used} are used and {booked} booked.",
        evidence=[evidence(draft, "HSD02", grant.quantity), evidence(draft, "used", str(used))],
        focus=focus,
    )


def _shortage(draft: Draft, grant: Authorization) -> tuple[Appointment, int, int] | str:
    """(first booked visit without cover, else the next one, used, booked), or why there is none."""
    granted = authorized_visits(grant)
    if grant.status not in LIVE_GRANTS or granted is None:
        return "the authorization does not count visits"
    used, booked = visits_of(draft, grant)
    if not booked:
        return "no matching appointment is booked"
    left = granted - len(used)
    if len(booked) > left:
        return booked[max(int(left), 0)], len(used), len(booked)
    course = granted > 1 and len(used) > 0
    if course and left <= max(Decimal(1), granted / 10):
        return booked[0], len(used), len(booked)
    return "the authorized visits are enough"


def settle_units(draft: Draft, task: Task) -> Closing | None:
    grant = draft.subject.authorizations.get(task.authorization_id or "")
    if grant is None:
        return None
    if grant.status not in LIVE_GRANTS:
        return gone("the authorization no longer stands")
    if f"v{grant.quantity}" not in task.task_key.split("|"):
        return done("the units were changed")
    return done("the authorized visits are enough") if isinstance(_shortage(draft, grant), str) else None


DAYS = Rule(
    id="continued-stay-review",
    trigger="The certified days of an inpatient stay (HSD DY, else DTP 036) end within 24 hours and the patient is "
    "still there",
    task="Send concurrent review / extend days",
    type="obtain-auth",
    priority="asap",
    due="4 hours before the authorized end",
    queue="authorization",
    resolves="More days certified (UM02 = 4); A03",
    retracts="The authorization or the inpatient stay no longer stands; death",
    key="auth|v{end}",
    basis="Contracts",
    watches=(Authorization, Encounter),
    hears=(GRANTS,),
    about=about_grants,
    wants=wants_days,
    checks=checks_of_days,
    ripe=ripe_days,
    settle=settle_days,
)

EXPIRING = Rule(
    id="auth-expiring-before-appointment",
    trigger="A certified authorization ends before a matching booked appointment, or within 14 days with matching "
    "bookings ahead and units left beyond them",
    task="Extend authorization",
    type="obtain-auth",
    priority="urgent",
    due="3 business days, at the latest 2 before the end",
    queue="authorization",
    resolves="A new end that covers the appointment; the appointment moved earlier",
    retracts="S15, S17; the authorization no longer stands; death",
    key="auth|appt|v{036,start}",
    basis="Derived",
    settings=("auth_ends_soon_cd",),
    watches=(Authorization, Appointment),
    hears=(GRANTS,),
    about=about_grants,
    wants=wants_extension,
    checks=checks_of_expiry,
    ripe=ripe_extension,
    settle=settle_extension,
)

UNITS = Rule(
    id="auth-units-exhausted",
    trigger="More visits are used and booked than authorized, or in a course under way at most one (or 10 %) is left, "
    "with bookings ahead",
    task="Request more units",
    type="obtain-auth",
    priority="urgent",
    due="3 business days before the first booked visit without cover",
    queue="authorization",
    resolves="Units raised; bookings cancelled",
    retracts="The authorization no longer stands; death",
    key="auth|v{units}",
    basis="Derived",
    watches=(Authorization, Appointment),
    hears=(GRANTS,),
    about=about_grants,
    wants=wants_units,
    settle=settle_units,
)

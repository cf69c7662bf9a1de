"""Rules about a payer's authorization decisions: denied, and pended for too long (6.2, 24 and 22)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time

from gateway.coordination.calendar import (
    Site,
    at,
    local_date,
    parse_day,
    shift_business_days,
    within_business_days,
    within_days,
)
from gateway.coordination.changes import CoordinationSettings, TimerFired
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Authorization, Encounter, Task
from gateway.coordination.rules.declaration import (
    Finding,
    Focus,
    Rule,
    evidence,
    open_for,
    set_check,
    site_of,
    timers_of,
)
from gateway.coordination.rules.payer import (
    WAITING,
    WITHDRAWN,
    covers_admission,
    facility_of,
    is_denied,
    lines_of,
)
from gateway.coordination.rules.stays import happened, is_called_off, told
from gateway.coordination.tasks import Step, newest, resolve, retract, was_retracted

_OVERTURNED = frozenset({"certified", "modified", "overturned"})
_SHARES = (("75", 0.75), ("100", 1.0))


# -- denied ------------------------------------------------------------------------------------------------------------


def look_denied(draft: Draft) -> None:
    for task in draft.subject.tasks.open_of(DENIED.id):
        _settle_denied(draft, task)
    for authorization in draft.touched(Authorization):
        if authorization.authorization_id in draft.subject.authorizations and is_denied(authorization):
            key = _denial_key(authorization)
            answered = happened(draft, "authorization-status", authorization.authorization_id)
            if (answered or was_retracted(newest(draft, key))) and not _service_called_off(draft, authorization):
                _open_denied(draft, authorization, key)


def _open_denied(draft: Draft, authorization: Authorization, key: str) -> None:
    focus = _focus(draft, authorization)
    site = site_of(draft, focus.facility_id)
    decided = authorization.decided_at or draft.occurred_at
    appeal_by = within_days(decided, _numbers(draft, authorization).appeal_file_cd, site)
    denied = [line for line in lines_of(authorization) if line.action == "A3"]
    codes = sorted({code for line in denied for code in line.reasons})
    whole = "the request" if authorization.status == "denied" else "part of the request"
    because = f" (reason {', '.join(codes)})" if codes else ""
    levels = sorted({line.level for line in denied}) or ["event"]
    loop = "2000F" if levels == ["service"] else "2000E"
    proof = [evidence(draft, f"{loop} HCR01", "A3")]
    proof += [evidence(draft, f"{loop} HCR03", code) for code in codes]
    proof.append(evidence(draft, "appeal filing deadline", local_date(appeal_by, site).isoformat()))
    open_for(
        draft,
        DENIED,
        focus,
        Finding(
            key=key,
            due_at=within_business_days(decided, _numbers(draft, authorization).p2p_bd, site),
            reason=f"The payer denied {whole}{because}: decide on a peer-to-peer call now, or appeal by "
            f"{local_date(appeal_by, site).isoformat()}.",
            evidence=proof,
        ),
    )


def _settle_denied(draft: Draft, task: Task) -> None:
    authorization = draft.subject.authorizations.get(task.authorization_id or "")
    if authorization is None:
        return
    if authorization.status in _OVERTURNED:
        resolve(draft, task, told(draft, "the payer overturned the denial"))
    elif authorization.status in WITHDRAWN or _service_called_off(draft, authorization):
        retract(draft, task, told(draft, "the service was cancelled"))
    elif is_denied(authorization) and not task.task_key.startswith(_denial_key(authorization)):
        retract(draft, task, told(draft, "a newer decision replaced it"))


def _denial_key(authorization: Authorization) -> str:
    return DENIED.key_of(authorization.authorization_id, f"v{authorization.decision}")


def _service_called_off(draft: Draft, authorization: Authorization) -> bool:
    """Settled reading 12: the appointment of the same service and day, or the admission, was cancelled."""
    stay = draft.subject.encounters.get(authorization.encounter_id or "")
    if stay is not None and stay.status in ("cancelled", "deleted"):
        return True
    if stay is None and authorization.request_category == "AR":
        matching = [
            row for row in draft.subject.encounters.values() if covers_admission(draft, authorization, row, None)
        ]
        return bool(matching) and all(row.status in ("cancelled", "deleted") for row in matching)
    visits = [visit for visit in draft.subject.appointments.values() if _is_for(draft, authorization, visit)]
    return bool(visits) and all(visit.status != "noshow" and is_called_off(visit) for visit in visits)


def _is_for(draft: Draft, authorization: Authorization, visit: Appointment) -> bool:
    if authorization.appointment_id is not None:
        return authorization.appointment_id == visit.appointment_id
    if visit.start_at is None or visit.service is None:
        return False
    day = parse_day(authorization.event_begins_on)
    if day is None or local_date(visit.start_at, site_of(draft, visit.facility_id)) != day:
        return False
    return visit.service in {authorization.service_type, *(line.service for line in lines_of(authorization))}


def denied_steps(draft: Draft, task: Task) -> Iterable[Step]:
    """Overdue at the peer-to-peer time; 10 and 3 days before the appeal must be filed."""
    yield Step(task.due_at, "due")
    authorization = draft.subject.authorizations.get(task.authorization_id or "")
    decided = authorization.decided_at if authorization else None
    if decided is not None:
        assert authorization is not None
        site, last = site_of(draft, task.facility_id), _numbers(draft, authorization).appeal_file_cd
        yield Step(within_days(decided, last - 10, site), "escalate")
        yield Step(within_days(decided, last - 3, site), "stat")


# -- pended ------------------------------------------------------------------------------------------------------------


def look_pended(draft: Draft) -> None:
    for authorization in draft.touched(Authorization):
        if authorization.authorization_id not in draft.subject.authorizations:
            continue
        if authorization.status in WAITING:
            _keep_clock(draft, authorization)
            continue
        answered = authorization.decided_at or draft.event.recorded_at
        for timer in timers_of(draft, PENDED, authorization_id=authorization.authorization_id):
            if timer.fire_at > answered:
                draft.clear_timer(timer)
    for task in draft.subject.tasks.open_of(PENDED.id):
        _settle_pended(draft, task)


def _keep_clock(draft: Draft, authorization: Authorization) -> None:
    """One timer at 75 % and one at 100 % of the payer's time, unless that task was made already."""
    started = authorization.clock_started_at or authorization.requested_at
    if started is None:
        return
    focus = _focus(draft, authorization)
    deadline = decision_deadline(draft, authorization, started, site_of(draft, focus.facility_id))
    for kind, share in _SHARES:
        before = newest(draft, _clock_key(authorization, kind))
        if before is None or was_retracted(before):
            set_check(draft, PENDED, focus, kind, "", started + (deadline - started) * share)


def decision_deadline(draft: Draft, authorization: Authorization, started: datetime, site: Site) -> datetime:
    """72 elapsed hours when urgent (UM06 03, U), else the end of the 7th calendar day (5.5)."""
    if authorization.urgent:
        return started + hours(_numbers(draft, authorization).auth_expedited_h)
    return within_days(started, _numbers(draft, authorization).auth_standard_cd, site)


def fire_pended(draft: Draft, fired: TimerFired) -> None:
    authorization = draft.subject.authorizations.get(fired.timer.authorization_id or "")
    if authorization is None:
        return
    moment, kind = fired.timer.fire_at, fired.timer.kind
    answered = authorization.decided_at or authorization.recorded_at
    if authorization.status not in WAITING and answered <= moment:
        return
    focus = _focus(draft, authorization)
    site = site_of(draft, focus.facility_id)
    share = "The payer's time to decide is over" if kind == "100" else "Three quarters of the payer's time are over"
    limit = (
        f"{_numbers(draft, authorization).auth_expedited_h} hours, expedited"
        if authorization.urgent
        else f"{_numbers(draft, authorization).auth_standard_cd} days, standard"
    )
    assumed = " The clock is assumed: it starts at the first pended answer." if authorization.clock_assumed else ""
    started = authorization.clock_started_at or authorization.requested_at
    task = open_for(
        draft,
        PENDED,
        focus,
        Finding(
            key=_clock_key(authorization, kind),
            due_at=within_business_days(moment, 1, site),
            priority="asap" if kind == "100" else None,
            reason=f"{share} ({limit}) and no decision came.{assumed}",
            evidence=[
                evidence(draft, "HCR01", "A4"),
                evidence(draft, "BHT04", started.isoformat() if started else None),
                evidence(draft, "UM06", "U" if authorization.urgent else "standard"),
            ],
        ),
    )
    if task is not None:
        _settle_pended(draft, task)


def _settle_pended(draft: Draft, task: Task) -> None:
    authorization = draft.subject.authorizations.get(task.authorization_id or "")
    if authorization is None or authorization.status in WAITING:
        return
    if authorization.status in WITHDRAWN:
        retract(draft, task, told(draft, "the request was cancelled"))
    else:
        resolve(draft, task, told(draft, "the payer answered"))


def _clock_key(authorization: Authorization, kind: str) -> str:
    return PENDED.key_of(authorization.authorization_id, kind)


def pended_steps(draft: Draft, task: Task) -> Iterable[Step]:
    """The default, and stat when the service is two business days away."""
    site = site_of(draft, task.facility_id)
    yield Step(task.due_at, "due")
    yield Step(within_business_days(task.due_at, 1, site), "lead")
    authorization = draft.subject.authorizations.get(task.authorization_id or "")
    service = parse_day(authorization.event_begins_on) if authorization else None
    if service is not None:
        yield Step(at(shift_business_days(service, -2, site.calendar), time(0, 0), site), "stat")


def _numbers(draft: Draft, authorization: Authorization) -> CoordinationSettings:
    return draft.numbers(_focus(draft, authorization).facility_id, authorization.payer_id)


def _focus(draft: Draft, authorization: Authorization) -> Focus:
    place = facility_of(draft, encounter_id=authorization.encounter_id, appointment_id=authorization.appointment_id)
    return Focus(
        facility_id=place or authorization.facility_id,
        encounter_id=authorization.encounter_id,
        appointment_id=authorization.appointment_id,
        authorization_id=authorization.authorization_id,
    )


DENIED = Rule(
    id="auth-denied",
    trigger="HCR01 = A3 at event or service level, a denied line inside A2 included",
    task="Denied: peer-to-peer / appeal decision",
    type="appeal",
    priority="asap",
    due="2 business days for the peer-to-peer call; the appeal's filing deadline (60 days) stands in the evidence",
    queue="appeals",
    resolves="A1 or A6 overturns it; appeal submitted; decided not to appeal",
    retracts="The service was cancelled (C, the appointment of that service and day, or the admission)",
    escalates="Overdue at the due time; 10 days before the appeal must be filed one priority up and to the lead; 3 "
    "days before it stat",
    key="auth|v{decision}",
    basis="CMS-0057-F (reason); 42 CFR 422.582, 422.590",
    settings=("p2p_bd", "appeal_file_cd"),
    watches=(Authorization, Appointment, Encounter),
    hears=(Authorization,),
    look=look_denied,
    steps=denied_steps,
)

PENDED = Rule(
    id="auth-pended-aging",
    trigger="Requested or pended, and 75 % and 100 % of the payer's time are over (72 hours when UM06 is 03 or U, else "
    "7 days; from the request, else from the first pended answer, then marked as assumed)",
    task="Payer decision late – inquire (278 X215/phone)",
    type="obtain-auth",
    priority="urgent",
    due="1 business day (at 100 %: asap)",
    queue="authorization",
    resolves="A final HCR",
    retracts="Cancelled or superseded; death",
    escalates="Service 2 business days away: stat; else default",
    key="auth|{75,100}",
    basis="CMS-0057-F",
    settings=("auth_expedited_h", "auth_standard_cd"),
    watches=(Authorization,),
    look=look_pended,
    fire=fire_pended,
    steps=pended_steps,
)

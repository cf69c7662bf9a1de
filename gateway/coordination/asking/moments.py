"""When the gateway asks by itself: admission, booking, another insurance, a decision that is late; and what its timers
do (domain reference 4.4, 5.5).  One answer serves every rule: a fresh or expected one is not asked for again."""

from __future__ import annotations

from datetime import timedelta

from gateway.coordination.asking.ask import CannotAsk, ask, send_again
from gateway.coordination.asking.settings import ADMISSION, BOOKING, INSURANCE, PENDED
from gateway.coordination.changes import Ask, TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage, Inquiry, Timer, Transition
from gateway.coordination.rules.authorization import decision_deadline
from gateway.coordination.rules.declaration import site_of
from gateway.coordination.tasks import lane_of
from gateway.coordination.transitions.authorization_answer import UNDECIDED
from gateway.coordination.transitions.inquiry import ASK, ELIGIBILITY, WAITING, set_ask_timer

INQUIRE = "inquire"
_LATE_SHARE = 0.75  # of the payer's time: the moment at which rule 22 looks too
_STARTS = frozenset(("admitted", "registered", "preadmitted"))
_BOOKINGS = frozenset(("appointment-status", "appointment-rescheduled"))


def ask_by_itself(draft: Draft) -> None:
    """After the transitions of an event and its rules."""
    automatic = draft.settings.asking.automatic
    if not automatic or not draft.makes_tasks or draft.scope.subject is None:
        return
    for row in list(draft.transitions):
        moment = _moment(row)
        if moment in automatic and moment is not None:
            _ask_all(draft, row, moment)
    if PENDED in automatic:
        for authorization in draft.touched(Authorization):
            _watch(draft, authorization)


def _moment(row: Transition) -> str | None:
    if row.kind in _STARTS:
        return ADMISSION
    if row.kind in _BOOKINGS and (row.to_value == "booked" or row.kind == "appointment-rescheduled"):
        return BOOKING
    return INSURANCE if row.kind == "coverage-changed" else None


def _ask_all(draft: Draft, row: Transition, moment: str) -> None:
    """Every insurance on file whose payer is live and has not answered lately."""
    visit = draft.subject.appointments.get(row.aggregate_id) if moment == BOOKING else None
    for coverage in list(draft.subject.coverages.values()):
        if not coverage.active or not _is_live(draft, coverage) or _is_fresh(draft, coverage, moment):
            continue
        wanted = Ask(
            kind=ELIGIBILITY,
            patient_id=draft.subject.patient.patient_id,
            actor=f"rule:{ASK}",
            reason=moment,
            coverage_id=coverage.coverage_id,
            encounter_id=row.aggregate_id if moment == ADMISSION else None,
            appointment_id=visit.appointment_id if visit else None,
            service_on=_service_day(draft, visit),
        )
        try:
            ask(draft, wanted)
        except CannotAsk:
            continue  # what is missing shows in the rule's task: nobody verified the coverage


def _service_day(draft: Draft, visit: Appointment | None) -> str | None:
    """The day of a visit that payers can be asked about today: not in the future (AAA 63)."""
    if visit is None or visit.start_at is None or visit.start_at > draft.now:
        return None
    return visit.start_at.date().isoformat()


def _is_live(draft: Draft, coverage: Coverage) -> bool:
    route = draft.settings.asking.route(coverage.payer_id, coverage.payer_name)
    return route is not None and route[0].usage == "P"


def _is_fresh(draft: Draft, coverage: Coverage, moment: str) -> bool:
    """An answer not older than `verify_valid_cd` days, or a question that still waits for its own."""
    waiting = any(
        one.coverage_id == coverage.coverage_id and one.kind == ELIGIBILITY and one.status in WAITING - {"given-up"}
        for one in draft.subject.inquiries.values()
    )
    if waiting:
        return True
    since = draft.now - timedelta(days=draft.settings.verify_valid_cd)
    answered = coverage.eligibility_as_of
    return moment != INSURANCE and answered is not None and answered >= since


# -- decisions that are late -------------------------------------------------------------------------------------------


def _watch(draft: Draft, authorization: Authorization) -> None:
    """One timer per undecided authorization; none once it is decided."""
    held = [
        timer
        for timer in draft.subject.timers.values()
        if timer.rule_id == ASK and timer.kind == INQUIRE and timer.authorization_id == authorization.authorization_id
    ]
    if authorization.status not in UNDECIDED or authorization.clock_started_at is None:
        for timer in held:
            draft.clear_timer(timer)
        return
    if held or authorization.inquired_at is not None:
        return
    started = authorization.clock_started_at
    deadline = decision_deadline(draft, authorization, started, site_of(draft, authorization.facility_id))
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr"),
            facility_id=authorization.facility_id,
            patient_id=authorization.patient_id,
            lane=lane_of(draft),
            channel="",
            rule_id=ASK,
            kind=INQUIRE,
            authorization_id=authorization.authorization_id,
            fire_at=started + (deadline - started) * _LATE_SHARE,
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


# -- timers ------------------------------------------------------------------------------------------------------------


def run_ask_timer(draft: Draft, fired: TimerFired) -> None:
    """A moment of the ladder, of an acknowledgement that did not come, or of a decision that is late."""
    subject = draft.scope.subject
    timer = subject.timers.get(fired.timer.timer_id) if subject is not None else None
    if timer is None:
        draft.forget_timer(fired.timer)
        return
    if timer.fire_at > fired.timer.fire_at:
        return
    draft.clear_timer(timer)
    if timer.kind == INQUIRE:
        _inquire(draft, timer)
        return
    inquiry = draft.subject.inquiries.get(timer.cycle)
    if inquiry is not None and inquiry.status in WAITING:
        _take_step(draft, inquiry, timer.kind)


def _inquire(draft: Draft, timer: Timer) -> None:
    authorization = draft.subject.authorizations.get(timer.authorization_id or "")
    if authorization is None or authorization.status not in UNDECIDED:
        return
    route = draft.settings.asking.route(authorization.payer_id)
    if route is None or route[0].usage != "P":
        return
    wanted = Ask(
        kind="inquiry",
        patient_id=authorization.patient_id,
        actor=f"rule:{ASK}",
        reason=PENDED,
        authorization_id=authorization.authorization_id,
    )
    try:
        ask(draft, wanted)
    except CannotAsk:
        return


def _take_step(draft: Draft, inquiry: Inquiry, kind: str) -> None:
    """A retry is sent.  What was not acknowledged is sent again as often as the settings say; what was acknowledged
    has until `answer_hours`; then it is overdue, and an answer is still taken."""
    asking = draft.settings.asking
    if kind == "retry" or (inquiry.status == "sent" and inquiry.attempts <= asking.resends):
        try:
            send_again(draft, inquiry)
        except CannotAsk:
            draft.update(inquiry, status="given-up", due_at=None)
        return
    last = inquiry.asked_at + timedelta(hours=asking.answer_hours)
    if inquiry.status == "accepted" and last > draft.now:
        set_ask_timer(draft, inquiry, "late", last)
        draft.update(inquiry, due_at=last)
        return
    draft.update(inquiry, status="overdue")

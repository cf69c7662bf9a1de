"""What became of a 270 or 278 that went to a payer: acknowledged, answered, late (domain reference 4.4, 5.4).

An inquiry is found by the trace that the answer echoes (TRN02), else by its BHT03, else as the only one that still
waits for this payer, member and service date.  An answer is applied whenever it comes, also after we gave up on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.coordination.draft import Draft
from gateway.coordination.records import Inquiry, Timer
from gateway.coordination.tasks import lane_of
from gateway.coordination.transitions.coverage import compatible_payers
from mappings.payer_facts import MemberFacts

ASK = "ask"
"""`rule_id` of the timers about inquiries; their `cycle` is the inquiry's id."""
WAITING = frozenset({"waiting", "sent", "accepted", "overdue", "given-up"})
"""Not answered yet."""
ELIGIBILITY = "eligibility"


def answered_inquiry(draft: Draft, member: MemberFacts, kind: str) -> Inquiry | None:
    """The inquiry that this answer belongs to; `kind`: eligibility, or authorization for every 278."""
    held = [
        one
        for one in draft.subject.inquiries.values()
        if (one.kind == ELIGIBILITY) is (kind == ELIGIBILITY)
        and compatible_payers(draft, one.payer_id, one.payer_name, member.payer_id, member.payer_name)
    ]
    for found in (
        [one for one in held if one.trace and one.trace in member.traces],
        [one for one in held if one.reference and one.reference == member.reference],
    ):
        if found:
            return max(found, key=lambda one: one.asked_at)
    alike = [
        one
        for one in held
        if one.status in WAITING
        and one.member_id == member.member_id
        and not (one.trace and member.traces)
        and (one.service_on is None or member.service_on is None or one.service_on == member.service_on)
    ]
    return alike[0] if len(alike) == 1 and member.member_id else None


def settle_inquiry(draft: Draft, asked: Inquiry | None, answer: str, *, outage: bool = False) -> bool:
    """The answer came.  A payer that is down is asked again on the ladder, as far as we asked.

    False when the ladder ended: an outage that a person has to know of."""
    if asked is None or asked.status == "answered":
        return True
    at = draft.event.recorded_at
    if outage and asked.source == "baton":
        if retry_later(draft, asked, answer):
            return True
        draft.update(asked, None, status="given-up", answer=answer, due_at=None)
        return False
    drop_timers(draft, asked)
    draft.update(asked, None, status="answered", answered_at=at, answer=answer, due_at=None)
    return True


def retry_later(draft: Draft, asked: Inquiry, answer: str) -> bool:
    """Take the next step of the ladder; False when it has no further one."""
    ladder = draft.settings.asking.ladder_minutes
    if asked.attempts > len(ladder):
        return False
    at = draft.now + timedelta(minutes=ladder[asked.attempts - 1])
    set_ask_timer(draft, asked, "retry", at)
    draft.update(asked, None, status="waiting", answer=answer, due_at=at)
    return True


def set_ask_timer(draft: Draft, asked: Inquiry, kind: str, fire_at: datetime) -> None:
    """The one timer of this inquiry."""
    drop_timers(draft, asked)
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr", f"{asked.inquiry_id}|{kind}"),
            facility_id=asked.facility_id,
            patient_id=asked.patient_id,
            lane=lane_of(draft),
            channel="",
            rule_id=ASK,
            kind=kind,
            authorization_id=asked.authorization_id,
            coverage_id=asked.coverage_id,
            cycle=asked.inquiry_id,
            fire_at=fire_at,
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


def drop_timers(draft: Draft, asked: Inquiry) -> None:
    for timer in list(draft.subject.timers.values()):
        if timer.rule_id == ASK and timer.cycle == asked.inquiry_id:
            draft.clear_timer(timer)

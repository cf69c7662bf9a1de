"""What a payer answered to an authorization request and somebody has to act on (6.2, 23, 25, 26 and 27)."""

from __future__ import annotations

import msgspec

from gateway.coordination.calendar import within_business_days
from gateway.coordination.draft import Draft
from gateway.coordination.records import Authorization, Task
from gateway.coordination.rules.declaration import Closing, Finding, Rule, done, evidence, gone, site_of
from gateway.coordination.rules.payer import GRANTED, WITHDRAWN, focus_of, is_denied, lines_of
from mappings.payer_facts import Rejection, RequestedDocument

_FINAL = GRANTED | {"denied", "overturned", "upheld"}
_UNDECIDED = ("pended", "info-requested")
_NO_RESUBMISSION = "N"


def about_answers(draft: Draft) -> list[Authorization]:
    return draft.touched(Authorization)


def _finding(draft: Draft, rule: Rule, answer: Authorization, cycle: str, days: int) -> Finding:
    focus = focus_of(draft, answer)
    moment = answer.decided_at or draft.occurred_at
    return Finding(
        key=rule.key_of(answer.authorization_id, cycle),
        due_at=within_business_days(moment, days, site_of(draft, focus.facility_id)),
        reason="",
        evidence=[],
        focus=focus,
    )


def _answered(draft: Draft, task: Task) -> Authorization | None:
    return draft.subject.authorizations.get(task.authorization_id or "")


# -- documents asked for -----------------------------------------------------------------------------------------------


def _documents(answer: Authorization) -> list[RequestedDocument]:
    if answer.documents_json == "[]":
        return []
    return msgspec.json.decode(answer.documents_json, type=list[RequestedDocument])


def wants_documents(draft: Draft, answer: Authorization) -> Finding | str:
    asked = _documents(answer)
    if answer.status not in _UNDECIDED or not (asked or answer.status == "info-requested"):
        return "the payer asks for no documents"
    when = answer.decided_at or draft.occurred_at
    found = _finding(draft, INFORMATION, answer, f"v{when:%Y%m%dT%H%M%SZ}", 2)
    found.reason = (
        f"The payer waits for documents ({len(asked) or 'see its message'}) and may close the request after 15 "
        "business days."
    )
    found.evidence = [
        evidence(draft, "HCR01", "A4"),
        *(evidence(draft, one.kind, one.code) for one in asked),
        *(evidence(draft, "HCR03", code) for line in lines_of(answer) for code in line.reasons),
    ]
    return found


def settle_documents(draft: Draft, task: Task) -> Closing | None:
    answer = _answered(draft, task)
    if answer is None:
        return None
    if answer.status in WITHDRAWN:
        return gone("the request was cancelled")
    if answer.status not in _UNDECIDED:
        return done("the payer decided")
    when = answer.decided_at
    if when is not None and f"v{when:%Y%m%dT%H%M%SZ}" not in task.task_key.split("|"):
        return gone("a newer answer replaced it") if _documents(answer) else done("the payer has what it asked for")
    return None


# -- not what was asked for --------------------------------------------------------------------------------------------


def wants_comparison(draft: Draft, answer: Authorization) -> Finding | str:
    if answer.status not in ("partially-certified", "modified"):
        return "the payer granted what was asked for, or decided otherwise"
    if is_denied(answer) or any(line.action == "A3" for line in lines_of(answer)):
        return "lines were denied: see the denial's task"
    found = _finding(draft, PARTIAL, answer, f"v{answer.decision}", 1)
    found.reason = "The payer granted something else than was asked for: compare, and adjust the schedule."
    actions = sorted({line.action for line in lines_of(answer) if line.action})
    found.evidence = [
        *(evidence(draft, "HCR01", action) for action in actions),
        evidence(draft, "HSD02", f"{answer.quantity or ''} {answer.unit or ''}".strip()),
        evidence(draft, "DTP 036", answer.expires_on),
    ]
    return found


def settle_comparison(draft: Draft, task: Task) -> Closing | None:
    answer = _answered(draft, task)
    if answer is None:
        return None
    if answer.status in WITHDRAWN:
        return gone("the request was cancelled or replaced")
    if answer.status == "certified":
        return done("the payer certified it in full")
    return gone("a newer decision replaced it") if f"v{answer.decision}" not in task.task_key.split("|") else None


# -- to be called ------------------------------------------------------------------------------------------------------


def wants_call(draft: Draft, answer: Authorization) -> Finding | str:
    if answer.status != "contact-payer":
        return "the payer does not ask to be called"
    found = _finding(draft, CALL, answer, f"v{answer.decision}", 1)
    found.reason = "The payer decides on the telephone."
    found.evidence = [evidence(draft, "HCR01", "CT")]
    return found


def settle_call(draft: Draft, task: Task) -> Closing | None:
    answer = _answered(draft, task)
    if answer is None:
        return None
    if answer.status in WITHDRAWN:
        return gone("the request was cancelled")
    return done("the payer decided") if answer.status in _FINAL else None


# -- not accepted ------------------------------------------------------------------------------------------------------


def wants_resubmission(draft: Draft, answer: Authorization) -> Finding | str:
    transport = answer.status == "transport-failed" and answer.transport
    if answer.status != "rejected" and not transport:
        return "the request was accepted"
    rejections = msgspec.json.decode(answer.rejections_json, type=list[Rejection])
    found = _finding(draft, REJECTED, answer, f"v{answer.reference or answer.decision}.{answer.decision}", 1)
    advice = next((one.advice for one in rejections if one.advice), None)
    if transport:
        found.queue = "integration"
        found.reason = "The request never reached the payer: it was refused on the way."
        found.evidence = [evidence(draft, "acknowledgement", answer.transport)]
        return found
    call = any(one.follow_up == _NO_RESUBMISSION for one in rejections)
    found.title = "Call payer about the rejected authorization" if call else None
    found.reason = "The payer rejected the request" + (f": {advice}" if advice else ".")
    found.evidence = [evidence(draft, f"{one.loop} AAA03", one.reason) for one in rejections]
    return found


def settle_resubmission(draft: Draft, task: Task) -> Closing | None:
    answer = _answered(draft, task)
    if answer is None:
        return None
    if answer.status in WITHDRAWN:
        return gone("the request was cancelled")
    if answer.status in ("rejected", "transport-failed", "requested"):
        return None
    return done("the payer took the request")


INFORMATION = Rule(
    id="auth-info-requested",
    trigger="A pended 278 answer asks for documents (PWK, HI*LOI, or a reason or message that says so)",
    task="Send requested clinical documents",
    type="submit-info",
    priority="asap",
    due="2 business days; the payer may close the request after 15",
    queue="authorization",
    resolves="Documents sent; a later final decision",
    retracts="Cancelled; a newer request for documents; death",
    key="auth|v{time of the answer}",
    basis="CAQH CORE 278 infrastructure rule",
    watches=(Authorization,),
    about=about_answers,
    wants=wants_documents,
    settle=settle_documents,
)

PARTIAL = Rule(
    id="auth-partial-or-modified",
    trigger="HCR01 = A2 or A6 without a denied line",
    task="Compare approved vs requested; adjust schedule",
    type="review",
    priority="urgent",
    due="1 business day",
    queue="authorization",
    resolves="Acknowledged; certified in full",
    retracts="Cancelled or replaced; a newer decision",
    key="auth|v{decision}",
    basis="Da Vinci PAS, modified items",
    watches=(Authorization,),
    about=about_answers,
    wants=wants_comparison,
    settle=settle_comparison,
)

CALL = Rule(
    id="auth-contact-payer",
    trigger="HCR01 = CT",
    task="Call payer",
    type="obtain-auth",
    priority="urgent",
    due="1 business day",
    queue="authorization",
    resolves="A final decision",
    retracts="Cancelled; death",
    key="auth|v{decision}",
    basis="X217",
    watches=(Authorization,),
    about=about_answers,
    wants=wants_call,
    settle=settle_call,
)

REJECTED = Rule(
    id="auth-rejected-aaa",
    trigger="A 278 response with AAA, or a TA1 or 999 that refuses our 278",
    task="Correct and resubmit authorization",
    type="obtain-auth",
    priority="asap",
    due="1 business day (AAA04 = N: call)",
    queue="authorization",
    resolves="A new response without AAA",
    retracts="Cancelled; death",
    escalates="default; a refusal on the way goes to the queue integration",
    key="auth|v{BHT03}",
    basis="X217",
    watches=(Authorization,),
    about=about_answers,
    wants=wants_resubmission,
    settle=settle_resubmission,
)

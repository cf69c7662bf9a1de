"""auth-info-requested, auth-partial-or-modified, auth-contact-payer, auth-rejected-aaa."""

from __future__ import annotations

import msgspec

from mappings.payer_facts import Rejection, RequestedDocument, ServiceDecision

DOCUMENTS, PARTIAL, CALL, REJECTED = (
    "auth-info-requested", "auth-partial-or-modified", "auth-contact-payer", "auth-rejected-aaa",
)  # fmt: skip
START = "2026-07-02 10:00"


def asked(bench, at: str = START) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision(at, "pended"))
    wanted = (RequestedDocument(kind="LOI", code="18842-5"),)
    bench.know(bench.only("authorizations"), documents_json=msgspec.json.encode(wanted).decode())
    bench.hear(bench.decision("2026-07-02 11:00", "pended", service_type="48", documents=wanted))


def test_documents_are_due_in_two_business_days(bench) -> None:
    asked(bench)
    task = bench.task(DOCUMENTS)
    assert (task.due_at, task.priority, task.type) == (bench.local("2026-07-07 23:59:59"), "asap", "submit-info")
    assert "18842-5" in task.evidence_json and "15 business days" in task.reason


def test_final_decision_resolves_the_documents(bench) -> None:
    asked(bench)
    bench.hear(bench.decision("2026-07-03 11:00", "certified", service_type="48", number="A1"))
    assert all(t.business_status == "auto-resolved" for t in bench.tasks(DOCUMENTS))


def test_modified_decision_is_compared_and_a_denied_line_is_not_ours(make_bench) -> None:
    modified, denied = make_bench(), make_bench()
    line = ServiceDecision(level="service", action="A3")
    for bench in (modified, denied):
        bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    modified.hear(modified.decision(START, "modified"))
    denied.hear(denied.decision(START, "partially-certified", line=line))
    assert modified.task(PARTIAL).due_at == modified.local("2026-07-06 23:59:59")
    assert denied.tasks(PARTIAL) == [] and denied.task("auth-denied").open
    modified.hear(modified.decision("2026-07-03 10:00", "certified", number="A1"))
    assert modified.task(PARTIAL).business_status == "auto-resolved"


def test_call_ends_with_the_final_decision(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision(START, "contact-payer"))
    assert (bench.task(CALL).priority, bench.task(CALL).due_at) == ("urgent", bench.local("2026-07-06 23:59:59"))
    bench.hear(bench.decision("2026-07-03 10:00", "certified", number="A1"))
    assert bench.task(CALL).business_status == "auto-resolved"


def test_rejection_is_corrected_or_called_about_until_the_payer_takes_it(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    aaa = (Rejection(reason="15", loop="2010C", follow_up="N", advice="Complete the member's data."),)
    bench.hear(bench.decision(START, "rejected", rejections=aaa))
    task = bench.task(REJECTED)
    assert task.title.startswith("Call payer") and "Complete the member's data." in task.reason
    assert (task.queue, task.priority) == ("authorization", "asap")
    bench.hear(bench.decision("2026-07-03 10:00", "pended"))
    assert bench.task(REJECTED).business_status == "auto-resolved"


def test_refusal_on_the_way_goes_to_integration(bench) -> None:
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance()))
    bench.hear(bench.decision(START, "transport-failed", service_type="48"))
    bench.know(bench.only("authorizations"), transport="999 R IK5 R 5", status="transport-failed")
    bench.hear(bench.admit("2026-07-02 09:00", coverages=bench.insurance(authorization_number=None)))
    assert bench.tasks(REJECTED) == []
    bench.know(bench.only("authorizations"), decided_at=None)
    bench.hear(bench.decision("2026-07-02 12:00", "transport-failed", service_type="33"))
    assert bench.task(REJECTED).queue == "integration"

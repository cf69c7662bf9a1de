"""notify-pcp-admission, discharge-info-to-pcp, no-pcp-on-file, notify-pcp-discharge, pcp-changed."""

from __future__ import annotations

from mappings.events import Identifier, PatientFacts, Person

NOTICE, INFORMATION, MISSING = "notify-pcp-admission", "discharge-info-to-pcp", "no-pcp-on-file"


def person(pcp: str | None = "1234567893") -> PatientFacts:
    known = Person(id=pcp, family="WELBY") if pcp else None
    return PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), family="DOE", pcp=known)


def test_known_provider_is_told_of_admission_and_discharge(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", patient=person()))
    notice = bench.task(NOTICE)
    assert (notice.due_at, notice.queue) == (bench.local("2026-06-30 23:59:59"), "intake")
    assert notice.task_key.endswith("|inpatient") and bench.tasks(MISSING) == []
    bench.hear(bench.discharge("2026-07-02 14:10"))
    assert bench.task(INFORMATION).due_at == bench.local("2026-07-03 23:59:59")


def test_emergency_notice_does_not_stand_for_the_admission(bench) -> None:
    bench.hear(bench.register("2026-06-29 09:00"))
    bench.hear(bench.update("2026-06-29 10:00", class_="emergency", patient=person()))
    bench.hear(bench.admit("2026-06-29 15:00", trigger="ADT^A06"))
    assert [t.task_key.split("|")[-1] for t in bench.tasks(NOTICE)] == ["ed", "inpatient"]


def test_clinic_visit_sends_no_discharge_information(bench) -> None:
    bench.hear(bench.register("2026-06-29 09:00", class_="outpatient"))
    bench.hear(bench.update("2026-06-29 10:00", class_="outpatient", patient=person()))
    bench.hear(bench.discharge("2026-06-29 12:00", class_="outpatient"))
    assert bench.tasks(INFORMATION) == [] and bench.tasks(NOTICE) == []


def test_cancelled_admission_and_discharge_take_the_notices_back(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", patient=person()))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    bench.hear(bench.cancel_discharge("2026-07-02 15:00"))
    assert bench.task(INFORMATION).business_status == "retracted" and bench.task(NOTICE).open
    bench.hear(bench.cancel_admit("2026-07-02 16:00"))
    assert bench.task(NOTICE).status == "entered-in-error"


def test_missing_provider_is_urgent_at_the_discharge_and_resolved_when_he_appears(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    task = bench.task(MISSING)
    assert (task.priority, task.due_at) == ("routine", bench.local("2026-07-01 23:59:59"))
    bench.hear(bench.discharge("2026-06-30 14:10"))
    assert bench.task(MISSING).priority == "urgent"
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-06-30 15:00", patient=person()))
    assert bench.task(MISSING).business_status == "auto-resolved"


def test_extended_notices_run_only_where_they_are_switched_on(make_bench) -> None:
    on, off = make_bench(enabled_rules=("notify-pcp-discharge", "pcp-changed")), make_bench()
    for bench in (on, off):
        bench.hear(bench.register("2026-06-29 09:00"))
        bench.hear(bench.update("2026-06-29 10:00", class_="emergency", patient=person()))
        bench.hear(bench.discharge("2026-06-29 12:00", class_="emergency"))
        bench.hear(bench.event("patient.updated", "ADT^A31", "2026-06-30 15:00", patient=person("1999999984")))
    assert on.task("notify-pcp-discharge").due_at == on.local("2026-06-30 23:59:59")
    assert on.task("pcp-changed").task_key.endswith("|v1999999984")
    assert off.tasks("notify-pcp-discharge") == off.tasks("pcp-changed") == []

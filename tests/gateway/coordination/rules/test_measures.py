"""fmc-followup, fum-fua-followup, fuh-followup."""

from __future__ import annotations

import pytest

from mappings.events import Diagnosis, Identifier, PatientFacts

FMC, FUM_FUA, FUH = "fmc-followup", "fum-fua-followup", "fuh-followup"


def person(born: str) -> PatientFacts:
    return PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), family="DOE", birth_date=born)


def ill(*codes: str) -> tuple[Diagnosis, ...]:
    return tuple(Diagnosis(code=code, system="I10", type="F", priority=place) for place, code in enumerate(codes, 1))


def emergency(bench, *codes: str, born: str = "1948-02-17", category: str = "home") -> None:
    bench.hear(bench.register("2026-07-02 09:00"))
    bench.hear(bench.update("2026-07-02 10:00", class_="emergency", patient=person(born)))
    bench.hear(bench.discharge("2026-07-02 14:10", class_="emergency", diagnoses=ill(*codes), category=category))


@pytest.mark.parametrize(
    ("codes", "born", "rules"),
    [
        (("I50.9", "N18.3"), "1948-02-17", {FMC}),
        (("I50.9", "I50.1"), "1948-02-17", set()),
        (("I50.9", "N18.3"), "2015-02-17", set()),
        (("F32.9",), "1990-02-17", {FUM_FUA}),
        (("F32.9",), "2022-02-17", set()),
        (("F10.1",), "1990-02-17", {FUM_FUA}),
        (("F10.1",), "2016-02-17", set()),
        (("F17.2",), "1990-02-17", set()),
    ],
)
def test_emergency_discharge_home_by_diagnosis_and_age(bench, codes: tuple[str, ...], born: str, rules: set) -> None:
    emergency(bench, *codes, born=born)
    assert bench.open_rules() & {FMC, FUM_FUA, FUH} == rules


def test_mental_health_inpatient_is_followed_but_not_on_the_day_of_discharge(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", patient=person("1990-02-17")))
    bench.hear(bench.discharge("2026-07-02 08:00", diagnoses=ill("F20.0")))
    task = bench.task(FUH)
    assert (task.due_at, task.priority) == (bench.local("2026-07-07 23:59:59"), "urgent")
    bench.hear(bench.visit("S12", "2026-07-02 09:00", "2026-07-02 15:00", status="fulfilled"))
    assert bench.task(FUH).open
    bench.hear(bench.visit("S12", "2026-07-03 09:00", "2026-07-08 15:00", "F2"))
    bench.hear(bench.visit("S14", "2026-07-08 15:05", "2026-07-08 15:00", "F2", status="arrived"))
    assert bench.task(FUH).business_status == "auto-resolved"


def test_day_of_an_emergency_discharge_counts(bench) -> None:
    emergency(bench, "F32.9", born="1990-02-17")
    bench.hear(bench.visit("S12", "2026-07-02 15:00", "2026-07-02 17:00", status="fulfilled"))
    assert bench.task(FUM_FUA).business_status == "auto-resolved"


def test_admission_takes_it_back_and_the_fifth_day_escalates(make_bench) -> None:
    again, waiting = make_bench(), make_bench()
    for bench in (again, waiting):
        emergency(bench, "F32.9", born="1990-02-17")
    again.hear(again.admit("2026-07-05 09:00", "V2"))
    assert again.task(FUM_FUA).business_status == "retracted"
    waiting.wait("2026-07-07 09:00")
    assert (waiting.task(FUM_FUA).priority, waiting.task(FUM_FUA).escalations) == ("asap", 1)


def test_a_sites_own_group_replaces_ours(make_bench) -> None:
    bench = make_bench(condition_groups={"mental-health": ("F99",)})
    emergency(bench, "F32.9", born="1990-02-17")
    assert bench.tasks(FUM_FUA) == []

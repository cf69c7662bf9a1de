"""The indexes of a patient's tables say what a scan would say, whatever was put in, moved and taken out."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.coordination.records import Appointment, Task, Timer
from gateway.coordination.tables import AppointmentTable, TaskTable, TimerTable

START = datetime(2026, 7, 1, tzinfo=UTC)
STATES = (("requested", None), ("completed", "auto-resolved"), ("cancelled", "retracted"))


def task(number: int, rule: str = "r1", key: str = "enc_1", state: int = 0) -> Task:
    status, business = STATES[state]
    return Task(
        task_id=f"tsk_{number}", facility_id="main", revision=1, task_key=f"{rule}|{key}", rule_id=rule, rule_version=1,
        type="outreach", title="t", priority="urgent", due_at=START, queue="q", status=status,
        business_status=business, patient_id="pat_1", reason="r", opened_at=START, updated_at=START,
        closed_at=START if state else None,
    )  # fmt: skip


ROWS = st.builds(
    task,
    st.integers(0, 5),
    st.sampled_from(["r1", "r2"]),
    st.sampled_from(["enc_1", "enc_1|2", "enc_1.2|dis1", "apt_1|v1"]),
    st.integers(0, 2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(ROWS, st.integers(0, 5)), max_size=20))
def test_task_indexes_agree_with_a_scan(steps: list[Task | int]) -> None:
    table = TaskTable()
    for step in steps:
        if isinstance(step, int):
            table.pop(f"tsk_{step}", None)
        else:
            table[step.task_id] = step
    for kept in (table, copy.deepcopy(table)):
        for rule in ("r1", "r2"):
            rows = [row for row in kept.values() if row.rule_id == rule]
            assert {row.task_id for row in kept.open_of(rule)} == {row.task_id for row in rows if row.open}
            retracted = {row.task_id for row in rows if row.business_status == "retracted"}
            assert {row.task_id for row in kept.retracted_of(rule)} == retracted
            numbered = {row.task_id for row in rows if row.task_key == f"{rule}|enc_1|2"}
            assert {row.task_id for row in kept.instances(f"{rule}|enc_1")} >= numbered
        named = {row.task_id for row in kept.values() if row.open and "enc_1" in row.task_key}
        assert {row.task_id for row in kept.naming("enc_1")} == named


def test_timers_are_found_by_rule_and_by_task() -> None:
    check = Timer(
        timer_id="tmr_1", facility_id="main", patient_id="pat_1", lane=1, channel="adt", rule_id="r1", kind="check",
        fire_at=START, set_at=START,
    )  # fmt: skip
    step = msgspec.structs.replace(check, timer_id="tmr_2", task_id="tsk_1")
    table = TimerTable([("tmr_1", check), ("tmr_2", step)])
    assert (table.of_rule("r1"), table.of_task("tsk_1")) == ([check], step)
    table.clear()
    assert (table.of_rule("r1"), table.of_task("tsk_1")) == ([], None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["r1", "r2"]),
            st.sampled_from(["enc_1", "enc_2", None]),
            st.integers(0, 9),
        ),
        max_size=20,
    )
)
def test_timers_are_found_by_stay_and_by_moment_as_a_scan_finds_them(
    steps: list[tuple[int, str, str | None, int]],
) -> None:
    table = TimerTable()
    for number, rule, stay, hour in steps:
        if hour == 0:
            table.pop(f"tmr_{number}", None)
            continue
        table[f"tmr_{number}"] = Timer(
            timer_id=f"tmr_{number}", facility_id="main", patient_id="pat_1", lane=1, channel="adt", rule_id=rule,
            kind="check", encounter_id=stay, fire_at=START + timedelta(hours=hour), set_at=START,
        )  # fmt: skip
    noon = START + timedelta(hours=5)
    for kept in (table, copy.deepcopy(table)):
        early = sorted(
            (row for row in kept.values() if row.fire_at < noon), key=lambda row: (row.fire_at, row.timer_id)
        )
        assert kept.before(noon) == early
        for rule in ("r1", "r2"):
            about = [row for row in kept.values() if (row.rule_id, row.encounter_id) == (rule, "enc_1")]
            assert sorted(row.timer_id for row in kept.of_stay(rule, "enc_1")) == sorted(row.timer_id for row in about)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from(["booked", "cancelled"])), max_size=12))
def test_appointments_are_found_by_start_and_status(moves: list[tuple[int, int, str]]) -> None:
    table = AppointmentTable()
    for number, day, status in moves:
        table[f"apt_{number}"] = Appointment(
            appointment_id=f"apt_{number}", facility_id="main", revision=1, patient_id="pat_1", status=status,
            start_at=START + timedelta(days=day), recorded_at=START, created_at=START, updated_at=START,
        )  # fmt: skip
    low, high = START + timedelta(days=3), START + timedelta(days=6)
    scanned = sorted(row.start_at for row in table.values() if row.start_at and low <= row.start_at <= high)
    assert [row.start_at for row in table.between(low, high)] == scanned
    assert len(list(table.from_on(low))) == sum(
        row.start_at is not None and row.start_at >= low for row in table.values()
    )
    assert len(table.of_status("booked")) == sum(row.status == "booked" for row in table.values())

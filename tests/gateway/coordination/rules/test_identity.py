"""patient-merged-open-tasks (scenario 13 of domain reference 9) and unmatched-message."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.changes import Cause, CoordinationSettings, Ids, TimerFired
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Merge, Patient, Task, Timer
from gateway.coordination.rules import run_rules
from gateway.coordination.rules.identity import unmatched_task
from gateway.coordination.scope import PatientScope, Scope
from mappings.events import AuthorizationFacts, Identifier, PatientFacts, ServiceDecision

RULE = "patient-merged-open-tasks"


def merged(bench, moved: dict[str, list[str]], **state: dict[str, object]) -> Draft:
    """A draft in which the prior record's objects have just been moved to the survivor."""
    now = bench.local("2026-07-02 10:00")
    patient = Patient(
        patient_id="pat_a", facility_id="main", revision=2, authority="GH", mrn="A", created_at=now, updated_at=now
    )
    scope = Scope(subject=PatientScope(patient=patient))
    for table, rows in state.items():
        getattr(scope.subject, table).update(rows)
    event = bench.event("patient.merged", "ADT^A40", "2026-07-02 10:00")
    cause = Cause(message_id="m-9", received_at=now, lanes=(1,))
    draft = Draft(scope, event, cause, now, bench.settings, Ids(b"salt", cause))
    draft.put(patient)
    draft.merge(
        Merge(
            merge_id="mrg_1", facility_id="main", survivor_id="pat_a", prior_id="pat_b", trigger="ADT^A40",
            message_id="m-9", moved_json=msgspec.json.encode(moved).decode(), at=now,
        )
    )  # fmt: skip
    return draft


def visit(bench, start: str, status: str = "booked") -> Appointment:
    now = bench.local("2026-07-01 10:00")
    return Appointment(
        appointment_id="apt_1", facility_id="main", revision=1, patient_id="pat_a", status=status,
        start_at=bench.local(start), recorded_at=now, created_at=now, updated_at=now,
    )  # fmt: skip


def authorization(bench, status: str) -> Authorization:
    now = bench.local("2026-07-01 10:00")
    return Authorization(
        authorization_id="aut_1", facility_id="main", revision=1, patient_id="pat_a", source="278", status=status,
        recorded_at=now, created_at=now, updated_at=now,
    )  # fmt: skip


def found(draft: Draft) -> list[Task]:
    run_rules(draft)
    made = draft.changes()
    assert made.failures == []
    return [row for row in made.upserts if isinstance(row, Task) and row.rule_id == RULE]


def test_future_appointment_of_the_prior_record_asks_for_a_review(bench) -> None:
    draft = merged(bench, {"appointment": ["apt_1"]}, appointments={"apt_1": visit(bench, "2026-07-09 10:00")})
    (task,) = found(draft)
    assert task.task_key == f"{RULE}|pat_b|pat_a"
    assert task.due_at == bench.local("2026-07-06 23:59:59")
    assert (task.type, task.priority, task.queue) == ("identity", "urgent", "records")
    assert "1 future appointment." in task.reason


def test_active_authorization_asks_for_a_review(bench) -> None:
    draft = merged(bench, {"authorization": ["aut_1"]}, authorizations={"aut_1": authorization(bench, "pended")})
    assert len(found(draft)) == 1


@pytest.mark.parametrize("moved", [{"appointment": ["apt_1"], "authorization": ["aut_1"]}, {}])
def test_nothing_live_or_nothing_moved_needs_no_review(bench, moved: dict[str, list[str]]) -> None:
    live = not moved
    draft = merged(
        bench,
        moved,
        appointments={"apt_1": visit(bench, "2026-07-09 10:00" if live else "2026-06-09 10:00")},
        authorizations={"aut_1": authorization(bench, "certified" if live else "denied")},
    )
    assert found(draft) == []


def test_unmatched_denial_is_a_task_without_a_patient(bench) -> None:
    line = ServiceDecision(level="event", action="A3", reasons=("0V",))
    event = bench.event(
        "authorization.denied", "278", "2026-07-02 10:00", patient=None,
        authorization=AuthorizationFacts(status="denied", decisions=(line,)),
    )  # fmt: skip
    cause = Cause(message_id="m-12", item=3, received_at=event.recorded_at)
    settings: CoordinationSettings = bench.settings
    first, again = (unmatched_task(event, cause, event.recorded_at, settings, Ids(b"salt", cause)) for _ in range(2))
    assert first == again
    assert (first.patient_id, first.task_key) == ("", "unmatched-message|m-12/3")
    assert (first.priority, first.queue, first.type) == ("urgent", "records", "identity")
    assert first.due_at == bench.local("2026-07-06 23:59:59")
    assert msgspec.json.decode(first.evidence_json) == [
        {"message_id": "m-12", "location": "HCR01", "value": "A3"},
        {"message_id": "m-12", "location": "HCR03", "value": "0V"},
    ]


def test_timer_of_a_merged_record_still_finds_its_stay(bench) -> None:
    """A timer carries ids, not the patient: it fires in the survivor's scope."""
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    (check,) = [t for t in bench.timers() if t.rule_id == "discharge-followup-unbooked"]
    assert isinstance(check, Timer) and isinstance(TimerFired(timer=check), TimerFired)
    moved = msgspec.structs.replace(check, patient_id="pat_other", lane=3)
    bench.subject.timers[check.timer_id] = moved
    bench.now = moved.fire_at
    bench.fire(moved)
    assert bench.task("discharge-followup-unbooked").open


def test_merge_brings_the_prior_records_work_to_the_survivor(make_bench) -> None:
    prior, bench = make_bench(), make_bench()
    prior.count = 100
    for each, mrn in ((prior, "2002"), (bench, "1001")):
        person = PatientFacts(key=Identifier(value=mrn, authority="GH", type="MR"), family="DOE")
        stay = each.admit("2026-06-29 09:00", f"V{mrn}", patient=person)
        each.hear(stay)
        if each is prior:
            each.hear(msgspec.structs.replace(each.discharge("2026-07-02 14:10", f"V{mrn}"), patient=person))
    bench.scope.others = {prior.subject.patient.patient_id: prior.subject}
    gone = prior.subject.patient.patient_id
    merge = bench.event(
        "patient.merged", "ADT^A40", "2026-07-02 16:00",
        prior=(PatientFacts(key=Identifier(value="2002", authority="GH", type="MR")),),
    )  # fmt: skip
    bench.now = merge.recorded_at
    bench._decide(merge)
    assert bench.open_rules() >= {RULE, "discharge-contact-2bd"}
    task = bench.task(RULE)
    assert task.task_key == f"{RULE}|{gone}|{bench.subject.patient.patient_id}"
    assert "open task" in task.reason
    bench.wait("2026-07-03 15:00")
    assert "discharge-followup-unbooked" in bench.open_rules()
    assert {t.patient_id for t in bench.tasks()} == {bench.subject.patient.patient_id}


def test_merge_into_a_dead_patient_cancels_the_work_it_brings(make_bench) -> None:
    prior, bench = make_bench(), make_bench()
    prior.count = 100
    person = PatientFacts(key=Identifier(value="2002", authority="GH", type="MR"))
    prior.hear(prior.admit("2026-06-29 09:00", "V2", patient=person, coverages=prior.insurance()))
    dead = PatientFacts(key=Identifier(value="1001", authority="GH", type="MR"), deceased=True)
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-02 15:00", patient=dead))
    bench.scope.others = {prior.subject.patient.patient_id: prior.subject}
    bench.now = bench.local("2026-07-02 16:00")
    bench._decide(bench.event("patient.merged", "ADT^A40", "2026-07-02 16:00", prior=(person,)))
    assert bench.task("verify-coverage-on-admit").status_reason == "ADT^A40: the patient died"


# -- a deleted person --------------------------------------------------------------------------------------------------

DELETED = "patient-deactivated-review"


def test_deleted_person_with_open_tasks_is_reviewed_until_he_is_back(bench) -> None:
    bench.hear(bench.admit("2026-07-01 09:00"))
    bench.hear(bench.event("patient.deactivated", "ADT^A29", "2026-07-01 10:00"))
    task = bench.task(DELETED)
    assert (task.queue, task.priority, task.status) == ("records", "routine", "requested")
    assert "open task" in task.reason and task.due_at == bench.local("2026-07-02 23:59:59")
    bench.hear(bench.event("patient.created", "ADT^A28", "2026-07-01 11:00"))
    assert bench.task(DELETED).business_status == "retracted"
    bench.hear(bench.event("patient.deactivated", "ADT^A29", "2026-07-01 12:00"))
    assert [one.open for one in bench.tasks(DELETED)] == [False, True]


def test_deleted_person_without_anything_open_needs_no_review(bench) -> None:
    bench.hear(bench.event("patient.created", "ADT^A28", "2026-07-01 09:00"))
    bench.hear(bench.event("patient.deactivated", "ADT^A29", "2026-07-01 10:00"))
    assert bench.tasks(DELETED) == []


def test_merge_of_two_stays_is_reviewed_under_their_own_ids(bench) -> None:
    draft = merged(bench, {"joined": ["enc_1"], "into": ["enc_2"], "rekeyed": ["aut_1"]},
                   authorizations={"aut_1": authorization(bench, "pended")})  # fmt: skip
    draft.merges[0] = msgspec.structs.replace(draft.merges[0], prior_id="pat_a", trigger="ADT^A42")
    (task,) = found(draft)
    assert task.task_key == f"{RULE}|enc_1|enc_2" and task.reason.startswith("Another stay was merged")

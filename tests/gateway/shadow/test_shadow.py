"""Shadow runs: the same tasks as live, timers on the messages' own clock, differences between settings."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.shadow.difference import compare
from gateway.shadow.engine import Message, ShadowRun
from gateway.shadow.replay import simulate
from tests.gateway.shadow.conftest import configuration, heard
from tests.support import hospital_messages as sent

HOUR = timedelta(hours=1)


def went_home(morning: datetime, mrn: str = "100") -> list[Message]:
    admitted = morning - 48 * HOUR
    return heard(
        (admitted, sent.admit(mrn, f"V{mrn}", admitted, "C1")),
        (morning, sent.discharge(mrn, f"V{mrn}", admitted, morning, "C2")),
    )


def keys(run: ShadowRun) -> dict[str, str]:
    return {task.rule_id: task.status for task in run.tasks.values()}


def test_timers_fire_between_the_messages_at_their_own_time(morning: datetime) -> None:
    run = ShadowRun(configuration())
    for message in went_home(morning):
        run.take(message)
    assert "discharge-followup-unbooked" not in keys(run)
    fired = run.wait(morning + 25 * HOUR)
    (task,) = [task for task in run.tasks.values() if task.rule_id == "discharge-followup-unbooked"]
    assert task.opened_at == morning + 24 * HOUR
    assert any(step.timer == "discharge-followup-unbooked|check" for step in fired)


def test_a_timer_that_fired_does_not_fire_again(morning: datetime) -> None:
    run = ShadowRun(configuration())
    for message in went_home(morning):
        run.take(message)
    run.wait(morning + 240 * HOUR)
    before = run.timers
    run.wait(morning + 240 * HOUR)
    assert run.timers == before > 0


def test_merge_moves_tasks_in_memory_too(morning: datetime) -> None:
    run = ShadowRun(configuration())
    messages = [*went_home(morning), *heard((morning, sent.admit("200", "V200", morning, "C3")))]
    merged = Message(
        journal_id=9, channel="adt", kind="hl7v2", received_at=morning, body=sent.merge("200", "100", morning, "C4")
    )
    for number, message in enumerate((*messages, merged), 1):
        run.take(msgspec.structs.replace(message, journal_id=number))
    survivor = run.memory.patient_named("GENHOSP", "100")
    assert survivor == run.memory.patient_named("GENHOSP", "200")
    assert {task.patient_id for task in run.tasks.values()} == {survivor}


def test_other_settings_show_what_is_new_gone_and_changed(morning: datetime) -> None:
    before = configuration()
    after = configuration(contact_bd=3, disabled_rules=("no-pcp-on-file",), enabled_rules=())
    result = simulate(before, after, went_home(morning), morning + HOUR)
    assert result.difference.by_rule() == {
        "discharge-contact-2bd": {"new": 0, "gone": 0, "changed": 1},
        "no-pcp-on-file": {"new": 0, "gone": 1, "changed": 0},
    }
    (changed,) = result.difference.changed
    assert set(changed.fields) == {"due_at"} and result.difference.same > 0
    back = simulate(after, before, went_home(morning), morning + HOUR)
    assert back.difference.by_rule()["no-pcp-on-file"]["new"] == 1


def test_stage_other_than_live_keeps_state_and_makes_no_tasks(morning: datetime) -> None:
    for stage in ("load", "shadow"):
        run = ShadowRun(configuration(stage))
        for message in went_home(morning):
            run.take(message)
        assert run.tasks == {} and run.memory.patient_named("GENHOSP", "100") is not None


def test_unreadable_message_is_parked_and_the_run_goes_on(morning: datetime) -> None:
    first, second = went_home(morning)
    broken = msgspec.structs.replace(first, journal_id=7, body=b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|X|P|2.5\rPID|1\r")
    run = ShadowRun(configuration())
    for message in (first, broken, second):
        run.take(message)
    assert run.ends["parked"] == 1 and run.ends["processed"] == 2


def test_what_a_person_ended_differs_only_in_what_its_rule_said(morning: datetime) -> None:
    run = ShadowRun(configuration())
    for message in went_home(morning):
        run.take(message)
    (task,) = [task for task in run.tasks.values() if task.rule_id == "discharge-contact-2bd"]
    done = msgspec.structs.replace(
        task,
        status="completed",
        business_status="done",
        closed_by="ann",
        closed_at=morning,
        owner="ann",
        priority="stat",
    )
    assert compare([done], [task]).changed == []
    moved = msgspec.structs.replace(task, queue="elsewhere")
    assert set(compare([done], [moved]).changed[0].fields) == {"queue"}
    retracted = msgspec.structs.replace(task, status="cancelled", business_status="retracted", closed_at=morning)
    assert set(compare([retracted], [task]).changed[0].fields) == {"ending"}

"""From a hospital's socket or a payer's file to the worklist, on both stores."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support import hospital_messages as sent
from tests.support.played_gateway import PlayedGateway

pytestmark = pytest.mark.journey

HOUR = timedelta(hours=1)


async def test_admission_unanswered_by_the_payer_becomes_a_task(played: PlayedGateway, morning: datetime) -> None:
    reply = await played.send("adt", sent.admit("100", "V100", morning, "C1"))
    await played.settle()

    assert (reply.code, reply.control_id) == ("AA", "C1")
    assert (await played.task_states("100"))["verify-coverage-on-admit"] == "requested"
    events = await played.event_types()
    assert events[:2] == ["patient.created", "encounter.admitted"] and "task.created" in events
    await played.assert_balanced()


async def test_the_same_message_again_gets_the_same_answer_and_has_no_second_effect(
    played: PlayedGateway, morning: datetime
) -> None:
    body = sent.admit("100", "V100", morning, "C1")
    first = await played.send("adt", body)
    await played.settle()
    events, tasks = await played.event_types(), await played.tasks()

    again = await played.send("adt", body)
    await played.settle()

    assert (again.code, again.control_id) == (first.code, first.control_id) == ("AA", "C1")
    assert await played.event_types() == events
    assert await played.tasks() == tasks
    assert [row.word for row in await played.rows("SELECT word FROM item_end ORDER BY journal_id")] == [
        "processed",
        "duplicate",
    ]
    await played.assert_balanced()


async def test_copies_that_arrive_together_have_one_effect(played: PlayedGateway, morning: datetime) -> None:
    body = sent.admit("100", "V100", morning, "C1")
    clients = [played.client("adt") for _ in range(8)]
    codes = [(await client.send(body)).code for client in clients]
    await played.settle()
    for client in clients:
        await client.close()

    assert codes == ["AA"] * 8
    assert await played.count("encounters") == 1
    assert await played.count("item_end", "word = 'duplicate'") == 7


async def test_a_follow_up_that_is_booked_resolves_its_task(played: PlayedGateway, morning: datetime) -> None:
    admitted, left = morning - 48 * HOUR, morning
    await played.accepted(
        "adt", sent.admit("100", "V100", admitted, "C1"), sent.discharge("100", "V100", admitted, left, "C2")
    )
    await played.pass_time(morning + 25 * HOUR)
    assert (await played.task_states("100"))["discharge-followup-unbooked"] == "requested"

    now = played.clock()
    await played.accepted("siu", sent.book("100", "P1", now + 72 * HOUR, now, "C3"))

    assert (await played.task_states("100"))["discharge-followup-unbooked"] == "completed"
    await played.assert_balanced()


async def test_a_cancelled_discharge_retracts_its_tasks(played: PlayedGateway, morning: datetime) -> None:
    admitted = morning - 48 * HOUR
    await played.accepted(
        "adt", sent.admit("100", "V100", admitted, "C1"), sent.discharge("100", "V100", admitted, morning, "C2")
    )
    assert (await played.task_states("100"))["discharge-contact-2bd"] == "requested"

    await played.accepted("adt", sent.cancel_discharge("100", "V100", admitted, morning + HOUR, "C3"))

    assert (await played.task_states("100"))["discharge-contact-2bd"] == "cancelled"
    await played.pass_time(morning + 30 * HOUR)
    assert "discharge-followup-unbooked" not in await played.task_states("100")


async def test_a_message_under_a_merged_number_lands_on_the_survivor(played: PlayedGateway, morning: datetime) -> None:
    await played.accepted(
        "adt",
        sent.admit("OLD", "V100", morning - 48 * HOUR, "C1"),
        sent.register("NEW", morning - HOUR, "C2"),
        sent.merge("NEW", "OLD", morning, "C3"),
        sent.discharge("OLD", "V100", morning - 48 * HOUR, morning + HOUR, "C4"),
    )

    (survivor,) = await played.rows("SELECT patient_id FROM patient_identifiers WHERE value = 'NEW'")
    stays = await played.rows("SELECT patient_id, status FROM encounters")
    assert [tuple(row) for row in stays] == [(survivor.patient_id, "discharged")]
    assert (await played.task_states("NEW"))["discharge-contact-2bd"] == "requested"
    assert "patient.merged" in await played.event_types()


async def test_a_denial_becomes_a_task(played: PlayedGateway, morning: datetime) -> None:
    await played.accepted("adt", sent.register("100", morning, "C1"))

    await played.drop("payers", sent.denial("100", 1, morning))

    assert (await played.task_states("100"))["auth-denied"] == "requested"
    await played.assert_balanced()


async def test_a_denial_of_nobody_we_know_waits_as_a_task_and_finds_its_patient(
    played: PlayedGateway, morning: datetime
) -> None:
    await played.drop("payers", sent.denial("100", 1, morning))
    assert await played.task_states("-") == {"unmatched-message": "requested"}
    assert await played.count("parked") == 1

    await played.accepted("adt", sent.register("100", morning + HOUR, "C1"))
    await played.settle()

    assert await played.task_states("-") == {"unmatched-message": "completed"}
    assert (await played.task_states("100"))["auth-denied"] == "requested"
    assert await played.count("parked") == 0
    assert (await played.event_types()).count("task.created") == await played.count("tasks") == 2
    await played.assert_balanced()


async def test_an_eligibility_answer_resolves_the_check_of_an_admission(
    played: PlayedGateway, morning: datetime
) -> None:
    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"))

    await played.drop("payers", sent.eligibility("100", 1, morning))

    assert (await played.task_states("100"))["verify-coverage-on-admit"] == "completed"
    assert "coverage.active" in await played.event_types()


async def test_two_visits_merged_by_mistake_are_two_again_and_their_messages_find_them(
    played: PlayedGateway, morning: datetime
) -> None:
    await played.accepted("adt", sent.admit("100", "V1", morning, "C1"), sent.admit("100", "V2", morning, "C2"))
    await played.accepted("adt", sent.merge_visits("100", "V2", "V1", morning + HOUR, "C3"))
    (entry,) = await played.rows("SELECT merge_id, survivor_id, prior_id FROM merges WHERE trigger = 'ADT^A42'")
    assert entry.survivor_id == entry.prior_id
    async with played.api() as api:
        listed = (await api.get(f"/api/v1/patients/{entry.survivor_id}/merges")).raise_for_status().json()["items"]
        assert [one["trigger"] for one in listed] == ["ADT^A42"] and "before" not in listed[0]["moved"]
        act = {"actor": "jdoe", "reason": "two stays"}
        told = (await api.post(f"/api/v1/merges/{entry.merge_id}/undo", json=act)).raise_for_status().json()
    assert told["survivor"] == told["restored"] == entry.survivor_id and told["moved"]["encounters"]

    await played.accepted("adt", sent.discharge("100", "V1", morning, morning + 2 * HOUR, "C4"))
    rows = await played.rows("SELECT visit_number, status, merged_into FROM encounters ORDER BY visit_number")
    assert [tuple(row) for row in rows] == [("V1", "discharged", None), ("V2", "inpatient", None)]


async def test_appointment_of_which_nobody_says_whether_it_was_kept_is_shown_as_unresolved(
    played: PlayedGateway, morning: datetime
) -> None:
    await played.accepted("siu", sent.book("100", "P1", morning + HOUR, morning, "C1"))
    (patient,) = await played.rows("SELECT patient_id FROM patients")

    async def unresolved() -> list[bool]:
        async with played.api() as api:
            state = (await api.get(f"/api/v1/patients/{patient.patient_id}")).raise_for_status().json()
        return [visit["unresolved"] for visit in state["appointments"]]

    assert await unresolved() == [False]
    await played.pass_time(morning + 26 * HOUR)
    assert await unresolved() == [True]

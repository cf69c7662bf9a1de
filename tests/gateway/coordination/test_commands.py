"""A person's acts on a task: what each changes, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.coordination import tasks
from gateway.coordination.changes import TimerFired
from gateway.coordination.rules import run_timer
from gateway.coordination.scope import Scope
from gateway.coordination.tasks import Step
from tests.gateway.coordination.task_bench import DUE, NOW, act, draft_over, new_scope, now_is, opened, opening

LATER = NOW + timedelta(hours=5)


@pytest.fixture
def scope() -> Scope:
    return new_scope()


@pytest.mark.parametrize(
    ("name", "fields", "status", "business", "event"),
    [
        ("claim", {}, "accepted", None, "task.updated"),
        ("release", {}, "requested", "returned", "task.updated"),
        ("complete", {}, "completed", "done", "task.completed"),
        ("complete", {"outcome": "deadline-missed"}, "failed", "deadline-missed", "task.completed"),
        ("cancel", {"reason": "opened twice"}, "cancelled", "cancelled", "task.cancelled"),
        ("cancel", {"reason": "x", "outcome": "entered-in-error"}, "entered-in-error", "cancelled", "task.cancelled"),
        ("start", {}, "in-progress", None, "task.updated"),
        ("wait", {"waiting_on": "payer"}, "on-hold", "awaiting-payer", "task.updated"),
        ("snooze", {"until": LATER}, "on-hold", "snoozed", "task.updated"),
        ("decline", {"reason": "on leave"}, "requested", "returned", "task.updated"),
        ("note", {"reason": "call after 5"}, "requested", None, "task.updated"),
        ("attempt", {"channel": "phone", "outcome": "no-answer"}, "requested", None, "task.updated"),
        ("checklist", {"add": ("walker",)}, "requested", None, "task.updated"),
        ("place", {"owner": "nurse-2", "team": "t1"}, "accepted", None, "task.updated"),
        ("reassign", {"owner": "nurse-2"}, "accepted", None, "task.updated"),
        ("reassign", {"queue": "appeals"}, "requested", None, "task.updated"),
    ],
)
def test_command_changes_the_task_and_names_its_actor(
    scope: Scope, name: str, fields: dict[str, str], status: str, business: str | None, event: str
) -> None:
    task = opened(scope)
    draft = act(scope, task, name, revision=1, **fields)
    assert draft.outcome == "processed"
    fresh = now_is(scope, task)
    assert (fresh.status, fresh.business_status) == (status, business)
    assert [c.actor for c in draft.changes().task_changes] == ["nurse-1"]
    assert [e.type for e in draft.emitted] == [event]
    assert fresh.closed_by == ("nurse-1" if name in ("complete", "cancel") else None)


@pytest.mark.parametrize(
    ("name", "fields", "refusal"),
    [
        ("claim", {"revision": 7}, "conflict"),
        ("fly", {}, "invalid"),
        ("cancel", {}, "invalid"),
        ("reassign", {}, "invalid"),
        ("complete", {"outcome": "retracted"}, "invalid"),
        ("complete", {"outcome": "unable-to-reach"}, "invalid"),
        ("decline", {}, "invalid"),
        ("note", {}, "invalid"),
        ("wait", {"waiting_on": "the weather"}, "invalid"),
        ("wait", {"waiting_on": "payer", "until": NOW}, "invalid"),
        ("snooze", {}, "invalid"),
        ("attempt", {"channel": "phone", "outcome": "maybe"}, "invalid"),
        ("checklist", {"done": ("9",)}, "invalid"),
        ("checklist", {"add": ("x",) * 51}, "invalid"),
    ],
)
def test_command_that_does_not_fit_is_refused(scope: Scope, name: str, fields: dict[str, object], refusal: str) -> None:
    task = opened(scope)
    draft = act(scope, task, name, **fields)
    assert draft.outcome == "filtered"
    assert draft.reason is not None and draft.reason.startswith(f"{refusal}: ")
    assert draft.changes().upserts == []


def test_claim_of_anothers_task_is_a_conflict(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "claim")
    draft = act(scope, task, "claim", actor="nurse-2")
    assert draft.reason == "conflict: the task is claimed by another person"


def test_closed_or_unknown_task_takes_no_command(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "complete")
    assert (act(scope, task, "claim").reason or "").startswith("conflict")
    missing = msgspec.structs.replace(task, task_id="tsk_none")
    assert act(scope, missing, "claim").reason == "not-found: task"
    assert act(Scope(), task, "claim").reason == "not-found: task"


def test_claim_twice_by_the_same_person_changes_nothing(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "claim")
    assert act(scope, task, "claim").changes().upserts == []


def test_a_task_cancelled_by_a_person_never_comes_back(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "cancel", reason="opened twice")
    assert tasks.open_task(draft_over(scope, "m-9"), opening()) is None


@pytest.mark.parametrize("name", ["start", "claim"])
def test_anothers_task_is_not_taken(scope: Scope, name: str) -> None:
    task = opened(scope)
    act(scope, task, "claim", actor="nurse-2")
    assert (act(scope, task, name).reason or "").startswith("conflict")
    assert (act(scope, task, "decline", reason="no").reason or "").startswith("conflict")


def test_claim_of_a_task_in_work_keeps_its_status(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "wait", waiting_on="payer")
    act(scope, task, "claim")
    fresh = now_is(scope, task)
    assert (fresh.owner, fresh.status, fresh.business_status) == ("nurse-1", "on-hold", "awaiting-payer")


def test_snooze_wakes_at_its_time_and_not_before(scope: Scope) -> None:
    task = opened(scope)
    tasks.set_step(draft_over(scope), task, Step(DUE, "due"))
    act(scope, task, "claim")
    act(scope, task, "snooze", until=NOW + timedelta(hours=2))
    act(scope, task, "snooze", until=LATER)
    wakes = [timer for timer in scope.subject.timers.values() if timer.kind == "wake"]
    assert [timer.fire_at for timer in wakes] == [LATER] and len(scope.subject.timers) == 2
    draft = draft_over(scope, "t-1")
    run_timer(draft, TimerFired(timer=wakes[0]))
    fresh = now_is(scope, task)
    assert (fresh.status, fresh.owner, fresh.business_status, fresh.snoozed_until) == (
        "accepted",
        "nurse-1",
        None,
        None,
    )
    assert [c.change for c in draft.changes().task_changes] == ["woken"]
    assert [timer.kind for timer in scope.subject.timers.values()] == ["due"]


@pytest.mark.parametrize("name", ["start", "complete", "release"])
def test_work_on_a_snoozed_task_ends_its_snooze(scope: Scope, name: str) -> None:
    task = opened(scope)
    act(scope, task, "snooze", until=LATER)
    act(scope, task, name)
    assert now_is(scope, task).snoozed_until is None
    assert not scope.subject.timers


def test_snoozed_task_that_is_withdrawn_never_wakes(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "snooze", until=LATER)
    tasks.retract(draft_over(scope, "m-2"), now_is(scope, task), "gone")
    assert not scope.subject.timers


def test_two_documented_attempts_resolve_the_call_after_a_discharge(scope: Scope) -> None:
    task = opened(scope, rule_id="discharge-contact-2bd")
    act(scope, task, "attempt", channel="phone", outcome="no-answer", reason="rang twice")
    assert now_is(scope, task).open
    draft = act(scope, task, "attempt", channel="phone", outcome="left-message")
    fresh = now_is(scope, task)
    assert (fresh.status, fresh.business_status, fresh.attempts) == ("completed", "unable-to-reach", 2)
    assert fresh.closed_by == "nurse-1"
    assert [e.type for e in draft.emitted] == ["task.completed"]
    assert msgspec.json.decode(draft.changes().task_changes[0].detail_json or "") == {
        "channel": "phone",
        "outcome": "left-message",
    }


@pytest.mark.parametrize(
    ("rule_id", "outcome", "closed"),
    [
        ("discharge-contact-2bd", "reached", True),
        ("ama-discharge", "reached", True),
        ("ama-discharge", "no-answer", False),
        ("followup-no-show", "reached", False),
    ],
)
def test_contact_completes_only_what_asks_for_a_contact(scope: Scope, rule_id: str, outcome: str, closed: bool) -> None:
    task = opened(scope, rule_id=rule_id)
    for _ in range(3 if outcome == "no-answer" else 1):
        act(scope, task, "attempt", channel="phone", outcome=outcome)
    assert now_is(scope, task).open is not closed


def test_unable_to_reach_needs_two_documented_attempts(scope: Scope) -> None:
    task = opened(scope)
    for _ in range(2):
        act(scope, task, "attempt", channel="phone", outcome="no-answer")
    act(scope, task, "complete", outcome="unable-to-reach")
    assert now_is(scope, task).business_status == "unable-to-reach"


def test_checklist_items_are_ticked_off_and_opened_again(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "checklist", add=("Destination",))
    act(scope, task, "checklist", add=("Transport",), done=("1",))
    items = msgspec.json.decode(now_is(scope, task).checklist_json)
    assert [(item["id"], item.get("done_by")) for item in items] == [("1", "nurse-1"), ("2", None)]
    act(scope, task, "checklist", undone=("1",))
    assert "done_by" not in msgspec.json.decode(now_is(scope, task).checklist_json)[0]


@pytest.mark.parametrize(("rule_id", "closed"), [("discharge-pending", True), ("other", False)])
def test_checklist_that_is_done_ends_the_task_of_its_rule(scope: Scope, rule_id: str, closed: bool) -> None:
    task = opened(scope, rule_id=rule_id)
    act(scope, task, "checklist", add=("Destination", "Transport"))
    act(scope, task, "checklist", done=("1",))
    assert now_is(scope, task).open
    act(scope, task, "checklist", done=("2",))
    assert now_is(scope, task).open is not closed


def test_note_raises_the_revision_and_is_taken_after_the_end(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "complete")
    draft = act(scope, task, "note", reason="the daughter called back")
    assert now_is(scope, task).revision == 3 and not now_is(scope, task).open
    (change,) = draft.changes().task_changes
    assert (change.change, change.reason, change.revision) == ("noted", "the daughter called back", 3)
    assert "daughter" not in str(draft.emitted[0].data)


def test_task_in_another_queue_is_to_be_placed_anew(scope: Scope) -> None:
    task = opened(scope)
    act(scope, task, "place", owner="nurse-2", team="t1", covering_for="nurse-3")
    assert now_is(scope, task).covering_for == "nurse-3"
    act(scope, task, "reassign", queue="appeals")
    fresh = now_is(scope, task)
    assert (fresh.owner, fresh.team, fresh.covering_for, fresh.status) == (None, None, None, "requested")

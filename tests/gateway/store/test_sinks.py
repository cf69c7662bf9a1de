"""Filtered event sinks: what is queued for whom, on both stores."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.event_sinks import BUS, PATTERN, EventSink, is_event_sink, matches
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.samples import NOON, event, write

Store = SqliteStore | PostgresStore

TASKS = EventSink("worklist", ("task.*",))
DISCHARGES = EventSink("his", ("encounter.discharged", "encounter.admitted"), frozenset({"GH"}), restricted=True)


async def queued(store: Store, sink: str) -> list[str]:
    return [item.event_id for item in await store.outbox_claim(sink, 50)]


async def test_each_sink_is_queued_only_what_it_takes_and_the_ledger_holds(store: Store) -> None:
    store.sinks = (BUS, TASKS, DISCHARGES)
    events = [
        event("e1", type="encounter.discharged"),
        event("e2", type="task.created"),
        event("e3", type="encounter.discharged", facility_id="TC"),
        event("e4", type="patient.updated"),
    ]
    await write(store, events=events)
    await write(store, events=[event("e5", type="task.completed")])
    assert await queued(store, "bus") == ["e1", "e2", "e3", "e4", "e5"]
    assert await queued(store, "worklist") == ["e2", "e5"]
    assert await queued(store, "his") == ["e1"]
    book = await store.ledger()
    assert book.balanced and {name: sink.came for name, sink in book.sinks.items()} == {
        "bus": 5,
        "worklist": 2,
        "his": 1,
    }


async def test_sink_that_takes_nothing_of_a_commit_has_no_row_and_no_count(store: Store) -> None:
    store.sinks = (TASKS,)
    await write(store, events=[event("e1"), event("e2")])
    assert await queued(store, "worklist") == [] and (await store.ledger()).sinks.get("worklist") is None


async def test_event_of_a_rerun_is_queued_once_for_a_filtered_sink(store: Store) -> None:
    store.sinks = (TASKS,)
    await write(store, events=[event("e1", type="task.created")])
    await write(store, events=[event("e1", type="task.created", body=b"other"), event("e2", type="task.created")])
    assert await queued(store, "worklist") == ["e1", "e2"]
    assert (await store.ledger()).sinks["worklist"].came == 2


async def test_sink_added_while_running_gets_what_is_committed_from_then_on(store: Store) -> None:
    await write(store, events=[event("e1", type="task.created")])
    store.sinks = (BUS, TASKS)
    await write(store, events=[event("e2", type="task.created")])
    assert await queued(store, "bus") == ["e1", "e2"] and await queued(store, "worklist") == ["e2"]


async def test_delivery_says_whether_its_event_is_restricted(store: Store) -> None:
    await write(store, events=[event("e1"), event("e2", restricted=True)])
    assert [bool(item.restricted) for item in await store.outbox_claim("bus", 5)] == [False, True]


async def test_delivery_that_was_postponed_keeps_how_often_and_until_when(store: Store) -> None:
    await write(store, events=[event("e1"), event("e2")])
    first, second = await store.outbox_claim("bus", 5)
    due = NOON + timedelta(hours=5)
    await store.outbox_postpone("bus", [(second.sequence, 3, due)])
    assert [(item.refusals, item.due_at) for item in await store.outbox_claim("bus", 5)] == [(0, None), (3, due)]

    await store.outbox_settle("bus", [(first.sequence, "confirmed"), (second.sequence, "parked")])
    assert await store.publish_again("bus") == 1
    assert [(item.refusals, item.due_at) for item in await store.outbox_claim("bus", 5)] == [(0, None)]
    assert await store.set_aside("bus") == 1
    assert await store.outbox_claim("bus", 5) == []
    assert (await store.ledger()).sinks["bus"].balanced


@pytest.mark.parametrize(
    ("patterns", "type_", "expected"),
    [
        ((), "task.created", True),
        (("*",), "task.created", True),
        (("task.*",), "task.created", True),
        (("task.*",), "tasks.created", False),
        (("task.created",), "task.created", True),
        (("task.created",), "task.completed", False),
        (("encounter.admitted", "task.*"), "task.completed", True),
    ],
)
def test_pattern_means_a_type_a_family_or_everything(patterns: tuple[str, ...], type_: str, expected: bool) -> None:
    assert matches(patterns, type_) is expected


@given(st.text("abz-.*", max_size=8))
def test_pattern_of_the_grammar_never_means_another_family(text: str) -> None:
    if re.match(PATTERN, text) and text != "*":
        assert not matches((text,), "other.event")


def test_name_of_no_sink_is_that_of_a_reply_channel() -> None:
    assert is_event_sink((BUS, TASKS), "worklist") and not is_event_sink((BUS,), "payers")

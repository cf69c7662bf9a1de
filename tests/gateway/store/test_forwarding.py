"""Messages that go on to somebody else, on both stores."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from gateway.event_sinks import EventSink
from gateway.store import schema as s
from gateway.store.forwarding import Chosen, bodies, choose_events, choose_messages, persons
from gateway.store.limits import PART
from gateway.store.ports import Reply
from gateway.store.pruning import Pruned, Retention
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.samples import NOON, end, entry, event, write

DOWN = (("down", "adt"),)
EVER = Chosen(NOON - timedelta(days=1), NOON + timedelta(days=1))


@pytest.fixture
def sending(store: SqliteStore) -> SqliteStore:
    store.message_sinks = frozenset({"down", "other"})
    return store


async def pending(store: SqliteStore, sink: str = "down") -> list[tuple[str, bytes]]:
    return [(item.event_id, item.body) for item in await store.outbox_claim(sink, 100)]


async def test_forwarded_message_is_queued_in_the_commit_that_holds_it(sending: SqliteStore) -> None:
    large = b"x" * (PART * 2 + 5)
    both = (*DOWN, ("other", "k"))
    await sending.ingest([entry(b"one", forward=DOWN), entry(b"two"), entry(large, forward=both)])
    assert await pending(sending) == [("m-1", b"one"), ("m-3", large)]
    [item] = await sending.outbox_claim("other", 5)
    assert (item.key, item.routing_key, item.peer, item.type) == ("k", "", "10.0.0.1:5", "")
    ledger = await sending.ledger()
    assert (ledger.sinks["down"].came, ledger.sinks["down"].open, ledger.balanced) == (2, 2, True)
    await sending.outbox_settle("down", [(1, "confirmed"), (3, "parked")])
    assert await pending(sending) == [] and (await sending.ledger()).balanced


async def test_copies_and_rejected_messages_are_not_forwarded(sending: SqliteStore) -> None:
    await sending.ingest([entry(b"a", dedup_key=b"k", forward=DOWN), entry(b"a", dedup_key=b"k", forward=DOWN)])
    await sending.ingest([entry(b"a", dedup_key=b"k", forward=DOWN), entry(b"b", rejected="no-header", forward=DOWN)])
    assert await pending(sending) == [("m-1", b"a")]
    assert (await sending.ledger()).balanced


async def test_prune_keeps_the_body_of_a_message_that_is_still_to_be_sent(sending: SqliteStore) -> None:
    await sending.ingest([entry(b"one", forward=DOWN), entry(b"two", forward=DOWN), entry(b"three", forward=DOWN)])
    await write(sending, done=[1, 2, 3], ends=[end(1), end(2), end(3)])
    await sending.outbox_settle("down", [(1, "confirmed"), (2, "parked")])
    assert await sending.prune(NOON + timedelta(days=91), Retention()) == Pruned(bodies=1)
    assert await sending.read(partial(bodies, journal_ids=[1, 2, 3])) == {2: b"two", 3: b"three"}


async def test_messages_chosen_again_keep_their_order_and_those_without_a_body_are_named(sending: SqliteStore) -> None:
    await sending.ingest([entry(b"a", dedup_key=b"k", forward=DOWN), entry(b"a", dedup_key=b"k", forward=DOWN)])
    await sending.ingest([entry(b"b", forward=DOWN), entry(b"c", rejected="no-header"), entry(b"d", forward=DOWN)])
    await sending.ingest([entry(b"e", channel="siu"), entry(b"f", message_type="ADT^A31")])
    await sending.outbox_settle("down", [(1, "confirmed"), (3, "parked")])
    choose = partial(choose_messages, sink="down", feeds=("adt",), chosen=EVER, key_of=None)
    said = await sending.send_again("down", choose, dry_run=True)
    assert (said.deliveries, said.pending, dict(said.refused)) == (4, 1, {"duplicate": 1, "rejected": 1})
    assert await pending(sending) == [("m-5", b"d")]
    await sending.send_again("down", choose, dry_run=False)
    assert await pending(sending) == [("m-1", b"a"), ("m-3", b"b"), ("m-5", b"d"), ("m-7", b"f")]
    assert await sending.fetch(select(s.undelivered)) == []
    assert (await sending.ledger()).balanced

    some = Chosen(EVER.since, EVER.until, ("ADT^A3*",))
    found = await sending.read(partial(choose_messages, sink="x", feeds=("adt", "siu"), chosen=some, key_of=None))
    assert [row[0] for row in found.rows] == [7]
    keyed = partial(choose_messages, sink="x", feeds=("adt",), chosen=some, key_of=lambda feed, body: body.decode())
    assert [row[1] for row in (await sending.read(keyed)).rows] == ["f"]
    late = Chosen(NOON + timedelta(hours=1), EVER.until)
    assert (await sending.read(partial(choose_messages, sink="x", feeds=("adt",), chosen=late, key_of=None))).rows == []


async def test_events_chosen_again_are_those_that_the_sink_takes(store: SqliteStore) -> None:
    made = [event("e1"), event("e2", type="task.created"), event("e3", restricted=True)]
    await write(store, events=made)
    sink = EventSink("bus", ("encounter.*",))
    await store.outbox_settle("bus", [(1, "confirmed"), (2, "confirmed"), (3, "confirmed")])
    found = await store.send_again("bus", partial(choose_events, sink=sink, chosen=EVER), dry_run=False)
    assert (found.deliveries, dict(found.refused)) == (1, {"restricted": 1})
    assert [item.event_id for item in await store.outbox_claim("bus", 5)] == ["e1"]
    assert (await store.ledger()).balanced


async def test_persons_that_are_not_known_are_left_out(store: SqliteStore) -> None:
    assert await store.read(partial(persons, patient_ids=["p-none"])) == {}


async def test_answer_that_is_set_aside_again_after_a_copy_asked_for_it_stays_one(store: SqliteStore) -> None:
    await store.ingest([entry(dedup_key=b"k")])
    answer = Reply(journal_id=1, channel="adt", partner="m-1", kind="ACK", body=b"MSH", facility_id="GH", once=True)
    await write(store, done=[1], ends=[end(1)], replies=[answer])
    for _ in range(2):
        [item] = await store.outbox_claim("adt", 5)
        await store.outbox_settle("adt", [(item.sequence, "parked")])
        assert await store.outbox_claim("adt", 5) == []
        await store.ingest([entry(dedup_key=b"k")])  # the sender asks again
    assert len(await store.fetch(select(s.undelivered))) == 1
    assert await store.publish_again("adt") == 0  # it is on its way by itself
    assert (await store.ledger()).balanced
    [item] = await store.outbox_claim("adt", 5)
    await store.outbox_settle("adt", [(item.sequence, "parked")])
    assert await store.publish_again("adt") == 1
    assert (await store.ledger()).balanced

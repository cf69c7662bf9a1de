from __future__ import annotations

import random

from gateway.store.ledger import ENDS, Balance, balance
from gateway.store.ports import NewWork, WorkItem
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.samples import end, entry, event, new_work, parked, write


def test_balance_adds_slots_and_tells_what_is_missing() -> None:
    book = balance(
        [("adt", "received", 5), ("adt", "processed", 2), ("sink:bus", "committed", 3), ("sink:bus", "confirmed", 1)],
        [("adt", 3)],
        [("bus", 1)],
    )
    assert book.channels["adt"].balanced and not book.sinks["bus"].balanced and not book.balanced


def test_balance_of_nothing_holds() -> None:
    assert balance([], [], []).balanced and Balance().balanced


async def test_ledger_counts_an_item_in_several_lanes_once(store: SqliteStore) -> None:
    await store.ingest([entry(lanes=(1, 2, 3))])
    assert (await store.ledger()).channels["adt"].open == 1


async def test_ledger_survives_a_restart(store: SqliteStore) -> None:
    await store.ingest([entry(), entry(rejected="truncated", lanes=())])
    await store.close()
    await store.open()
    words = (await store.ledger()).channels["adt"].words
    assert words == dict.fromkeys(ENDS, 0) | {"rejected": 1}


async def test_ledger_holds_after_every_step_of_a_random_history(store: SqliteStore) -> None:
    """Receive, copy, end, hop, park, retry, discard, edit, publish, settle in any order: both equations, always."""
    chance = random.Random(7)
    keys = 0
    for step in range(150):
        match chance.randrange(6):
            case 0 | 1:
                keys += chance.random() < 0.7
                channel = chance.choice(["adt", "siu"])
                await store.ingest(
                    [entry(dedup_key=b"%d" % keys, channel=channel) for _ in range(chance.randrange(1, 4))]
                )
            case 2 | 3:
                await process(store, chance, step)
            case 4:
                await act_on_parked(store, chance)
            case 5:
                pending = await store.outbox_claim("bus", 3)
                words = [chance.choice(["confirmed", "unrouted", "parked"]) for _ in pending]
                await store.outbox_settle("bus", [(i.sequence, w) for i, w in zip(pending, words, strict=True)])
        book = await store.ledger()
        assert book.balanced, (step, book)


async def process(store: SqliteStore, chance: random.Random, step: int) -> None:
    session = await store.claim(chance.randrange(1, 5))
    if session is None:
        return
    async with session:
        items = session.items
    hops: list[NewWork] = []
    received: dict[str, int] = {}
    ends, stopped, events = [], [], []
    for item in items:
        if item.kind == "read" and chance.random() < 0.3:
            hops += [hop(item, 0), hop(item, 1)]
            received[item.channel] = received.get(item.channel, 0) + 1
        elif chance.random() < 0.3:
            stopped.append(parked(item.journal_id, item.item, channel=item.channel, kind=item.kind, payload=item.body))
        else:
            ends.append(end(item.journal_id, chance.choice(["processed", "filtered"]), item.item))
            ends[-1].channel = item.channel
            events.append(event(f"{step}-{item.work_id}"))
    done = [item.work_id for item in items]
    await write(store, done=done, ends=ends, parked=stopped, new_work=hops, received=received, events=events)


def hop(item: WorkItem, index: int) -> NewWork:
    return new_work(item.journal_id, index, channel=item.channel)


async def act_on_parked(store: SqliteStore, chance: random.Random) -> None:
    number = chance.randrange(1, 12)
    match chance.randrange(3):
        case 0:
            await store.retry_parked(number, "jdoe", "why")
        case 1:
            await store.discard_parked(number, "jdoe", "why")
        case 2:
            await store.edit_parked(number, b"edited", "jdoe", "why")

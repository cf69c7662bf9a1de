from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from gateway.store import schema as s
from gateway.store.limits import PART
from gateway.store.ports import Reply
from gateway.store.pruning import STEP, Pruned, Retention
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.samples import NOON, end, entry, event, parked, write

LATER = NOON + timedelta(days=91)


async def bodies(store: SqliteStore) -> list[int]:
    query = select(s.journal.c.journal_id).where(s.journal.c.body.is_not(None)).order_by(s.journal.c.journal_id)
    return [row["journal_id"] for row in await store.fetch(query)]


async def test_prune_takes_old_bodies_and_keeps_rows_and_ends(store: SqliteStore) -> None:
    await store.ingest([entry(), entry(b"x" * (PART + 1)), entry(received_at=NOON + timedelta(days=2))])
    await write(store, done=[1, 2, 3], ends=[end(1), end(2), end(3)])
    assert await store.prune(LATER, Retention()) == Pruned(bodies=2)
    assert await bodies(store) == [3]
    assert await store.fetch(select(s.journal_part)) == []
    assert len(await store.fetch(select(s.journal.c.journal_id))) == len(await store.fetch(select(s.item_end))) == 3
    assert await store.prune(LATER, Retention()) == Pruned()


async def test_prune_never_takes_what_work_or_parked_rows_need(store: SqliteStore) -> None:
    await store.ingest([entry(), entry(), entry()])
    await write(store, done=[2, 3], parked=[parked(2)], ends=[end(3)])
    assert await store.prune(LATER, Retention()) == Pruned(bodies=1)
    assert await bodies(store) == [1, 2]


async def test_prune_never_takes_events_that_are_still_to_be_delivered(store: SqliteStore) -> None:
    await write(store, events=[event("e1"), event("e2"), event("e3")])
    await store.outbox_settle("bus", [(1, "confirmed"), (2, "unrouted")])
    assert (await store.prune(NOON + timedelta(days=401), Retention())).events == 1
    assert {row["event_id"] for row in await store.fetch(select(s.events.c.event_id))} == {"e2", "e3"}


async def test_prune_forgets_dedup_keys_past_their_window(store: SqliteStore) -> None:
    await store.ingest([entry(dedup_key=b"k")])
    assert (await store.prune(NOON + timedelta(days=13), Retention())).seen == 0
    assert (await store.prune(NOON + timedelta(days=15), Retention())).seen == 1


async def test_prune_dry_run_counts_everything_and_changes_nothing(store: SqliteStore) -> None:
    total = STEP + 3
    await store.ingest([entry() for _ in range(total)])
    await write(store, done=list(range(1, total + 1)), ends=[end(n) for n in range(1, total + 1)])
    assert await store.prune(LATER, Retention(), dry_run=True) == Pruned(bodies=total)
    assert len(await bodies(store)) == total
    assert await store.prune(LATER, Retention()) == Pruned(bodies=total)


async def test_prune_takes_interchanges_that_were_sent_and_requests_past_their_time(store: SqliteStore) -> None:
    await store.ingest([entry() for _ in range(3)])
    fixed = {"channel": "payers", "partner": "P", "body": b"ISA", "facility_id": "GH", "once": True}
    sent = [Reply(journal_id=n, kind=kind, **fixed) for n, kind in ((1, "999"), (2, "TA1"), (3, "270"))]  # type: ignore[arg-type]
    asked = {"task_requests": [["r1", "GH", "tsk_1", "d", NOON], ["r2", "GH", "tsk_1", "d", LATER]]}
    await write(store, done=[1, 2, 3], ends=[end(n) for n in (1, 2, 3)], replies=sent, appended=asked)
    pending = [item.sequence for item in await store.outbox_claim("payers", 9)]
    await store.outbox_settle("payers", [(pending[0], "confirmed"), (pending[1], "parked")])

    assert await store.prune(LATER, Retention(bodies=timedelta(days=9999))) == Pruned(requests=1)
    later = await store.prune(NOON + timedelta(days=401), Retention(bodies=timedelta(days=9999)))
    assert (later.interchanges, later.requests) == (1, 1)
    kinds = [row["kind"] for row in await store.fetch(select(s.replies.c.kind).order_by(s.replies.c.kind))]
    assert kinds == ["270", "TA1"], "what is pending or set aside stays"


async def test_prune_leaves_what_is_kept_forever(store: SqliteStore) -> None:
    await store.ingest([entry()])
    (before,) = await store.fetch(select(func.count().label("n")).select_from(s.ledger))
    await store.prune(NOON + timedelta(days=4000), Retention())
    assert (await store.fetch(select(func.count().label("n")).select_from(s.ledger)))[0] == before


async def test_prune_takes_old_application_answers_that_are_sent_and_keeps_those_of_partners(
    store: SqliteStore,
) -> None:
    await store.ingest([entry() for _ in range(4)])
    fixed = {"channel": "adt", "partner": "m", "body": b"MSH", "facility_id": "GH"}
    answers = [Reply(journal_id=n, kind="ACK", once=True, **fixed) for n in (1, 2, 3)]  # type: ignore[arg-type]
    partner = Reply(journal_id=4, kind="999", **fixed)  # type: ignore[arg-type]
    await write(store, done=[1, 2, 3, 4], ends=[end(n) for n in (1, 2, 3, 4)], replies=[*answers, partner])
    await write(store, replies=answers)  # run again: each once
    pending = [item.sequence for item in await store.outbox_claim("adt", 9)]
    assert len(pending) == 4
    await store.outbox_settle("adt", [(pending[0], "confirmed"), (pending[1], "parked"), (pending[3], "confirmed")])
    assert (await store.prune(LATER, Retention())).answers == 1
    kept = await store.fetch(select(s.replies.c.journal_id).order_by(s.replies.c.journal_id))
    assert [row["journal_id"] for row in kept] == [2, 3, 4]

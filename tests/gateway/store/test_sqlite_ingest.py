from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.store import schema as s
from gateway.store.bodies import open_body
from gateway.store.limits import PART
from gateway.store.ports import SchemaMismatch, StoreUnavailable, UnsafeStore
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import check_settings, connect
from tests.gateway.store.conftest import Clock, only_sqlite
from tests.gateway.store.samples import NOON, entry, parked, write


async def test_ingest_new_message_leaves_journal_row_and_work_in_every_lane(store: SqliteStore) -> None:
    (stored,) = await store.ingest([entry(b"MSH|x", lanes=(9, 3, 9))])
    (row,) = await store.fetch(select(s.journal))
    assert stored.journal_id == row["journal_id"] and stored.duplicate_of is None
    assert (row["body"], row["digest"], row["size"]) == (b"MSH|x", hashlib.sha256(b"MSH|x").digest(), 5)
    assert (row["received_at"], row["facility_id"], row["acknowledgement"]) == (NOON, "GH", "AA")
    work = await store.fetch(select(s.work.c.lane, s.work.c.kind, s.work.c.journal_id))
    assert [tuple(row.values()) for row in work] == [(3, "read", stored.journal_id), (9, "read", stored.journal_id)]


async def test_ingest_copy_is_duplicate_of_the_first_in_its_batch_and_later(store: SqliteStore) -> None:
    first, second = await store.ingest([entry(dedup_key=b"k"), entry(dedup_key=b"k")])
    (third,) = await store.ingest([entry(dedup_key=b"k")])
    assert [second.duplicate_of, third.duplicate_of] == [first.journal_id, first.journal_id]
    bodies = await store.fetch(select(s.journal.c.body).order_by(s.journal.c.journal_id))
    assert [row["body"] for row in bodies] == [b"MSH|one", None, None]
    ends = await store.fetch(select(s.item_end.c.word, s.item_end.c.reason))
    assert {tuple(row.values()) for row in ends} == {("duplicate", f"m-{first.journal_id}")}
    assert (await store.ledger()).channels["adt"].words["duplicate"] == 2


async def test_ingest_copy_after_the_window_is_new(store: SqliteStore, clock: Clock) -> None:
    await store.ingest([entry(dedup_key=b"k")])
    clock.advance(days=14, seconds=1)
    late, again = await store.ingest([entry(dedup_key=b"k"), entry(dedup_key=b"k")])
    assert late.duplicate_of is None and again.duplicate_of == late.journal_id


async def test_ingest_without_key_is_never_a_duplicate(store: SqliteStore) -> None:
    assert [stored.duplicate_of for stored in await store.ingest([entry(), entry()])] == [None, None]


async def test_ingest_rejected_entry_ends_at_once_and_keeps_its_body(store: SqliteStore) -> None:
    (stored,) = await store.ingest([entry(b"junk", rejected="no-header", lanes=())])
    (end,) = await store.fetch(select(s.item_end))
    assert (end["journal_id"], end["word"], end["reason"]) == (stored.journal_id, "rejected", "no-header")
    assert await store.claim(10) is None
    assert (await store.fetch(select(s.journal.c.body)))[0]["body"] == b"junk"


@pytest.mark.parametrize("bad", [{"control_id": "\udc80"}, {"config_version": 2**70}, {"lanes": (2**70,)}])
async def test_ingest_row_that_cannot_be_stored_never_fails_its_neighbours(
    store: SqliteStore, bad: dict[str, object]
) -> None:
    good = [entry(b"MSH|%d" % n, dedup_key=b"%d" % n) for n in range(20)]
    stored = await store.ingest([*good[:10], entry(b"MSH|bad", dedup_key=b"bad", **bad), *good[10:]])
    assert [s.journal_id > 0 for s in stored] == [True] * 10 + [False] + [True] * 10
    assert stored[10].error and "\udc80" not in stored[10].error
    assert (await store.ledger()).channels["adt"].came == 20
    session = await store.claim(100)
    assert session is not None and [item.body for item in session.items] == [e.body for e in good]
    await session.__aexit__()


async def test_ingest_large_body_is_kept_in_parts_and_read_back_whole(store: SqliteStore) -> None:
    body = bytes(range(256)) * (4096 * 2) + b"end"
    await store.ingest([entry(body), entry(b"x" * PART)])
    (parts,) = await store.fetch(select(func.count().label("n")).select_from(s.journal_part))
    assert parts["n"] == len(body) // PART + 1
    session = await store.claim(10)
    assert session is not None
    async with session:
        assert [(item.body, item.size) for item in session.items] == [(b"", len(body)), (b"", PART)]
    found = await open_body(store, session.items[0].journal_id)
    assert found is not None and await found.read() == body


async def test_ingest_copy_of_parked_message_retries_it_once(store: SqliteStore) -> None:
    (first,) = await store.ingest([entry(dedup_key=b"k")])
    session = await store.claim(1)
    assert session is not None
    async with session:
        work_ids = [item.work_id for item in session.items]
    await write(store, done=work_ids, parked=[parked(first.journal_id)])
    await store.ingest([entry(dedup_key=b"k"), entry(dedup_key=b"k")])
    session = await store.claim(10)
    assert session is not None
    async with session:
        (item,) = session.items
        assert (item.journal_id, item.body, item.replayed, item.lanes) == (first.journal_id, b"MSH|one", True, (3,))
    ledger = await store.ledger()
    assert ledger.balanced and ledger.channels["adt"].words["parked"] == 0 and ledger.channels["adt"].open == 1


@only_sqlite
async def test_ingest_after_reopening_goes_on_with_higher_ids(store: SqliteStore, clock: Clock) -> None:
    (first,) = await store.ingest([entry()])
    await store.close()
    again = SqliteStore(store.path, clock=clock)
    await again.open()
    (second,) = await again.ingest([entry()])
    assert second.journal_id > first.journal_id
    await again.close()


@only_sqlite
async def test_ingest_while_another_process_holds_the_file_is_unavailable(store: SqliteStore) -> None:
    other = connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    store.writer._connection.raw.execute("PRAGMA busy_timeout=1")  # type: ignore[union-attr]
    with pytest.raises(StoreUnavailable):
        await store.ingest([entry()])
    other.execute("ROLLBACK")
    assert (await store.ingest([entry()]))[0].journal_id > 0
    other.close()


@only_sqlite
async def test_ingest_into_a_full_disk_is_unavailable_and_leaves_nothing(store: SqliteStore) -> None:
    raw = store.writer._connection.raw  # type: ignore[union-attr]
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    raw.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreUnavailable):
        await store.ingest([entry(b"x" * 500_000)])
    raw.execute("PRAGMA max_page_count=1000000")
    assert await store.fetch(select(s.journal.c.journal_id)) == []
    assert (await store.ingest([entry()]))[0].journal_id > 0


async def test_closed_store_is_unavailable(store: SqliteStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.ingest([entry()])


@pytest.mark.parametrize("pragma", ["synchronous=NORMAL", "synchronous=OFF", "wal_autocheckpoint=1000"])
def test_connection_with_unsafe_setting_is_refused(tmp_path: Path, pragma: str) -> None:
    connection = connect(tmp_path / "x.db")
    check_settings(connection)
    connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(UnsafeStore):
        check_settings(connection)
    connection.close()


def test_connection_without_write_ahead_log_is_refused(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")
    connection.execute("PRAGMA journal_mode=DELETE")
    with pytest.raises(UnsafeStore):
        check_settings(connection)
    connection.close()


async def test_store_without_tables_refuses_to_open(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(SchemaMismatch):
        await SqliteStore(tmp_path / "empty.db", clock=clock, seen_for=timedelta(days=1)).open()


def test_store_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    connect(tmp_path / "x.db").close()
    assert (tmp_path / "x.db").stat().st_mode & 0o077 == 0

"""A control id that its sender gave to other content before: stored as new, with who had it, and counted (decision 5)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from gateway.admission import dedup_key
from gateway.store import queries
from gateway.store.migrate import MIGRATIONS
from gateway.store.ports import JournalEntry
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import open_both
from parsers.hl7v2.header import scan_header
from tests.gateway.store.conftest import Clock, only_sqlite
from tests.gateway.store.samples import entry


def sent(content: str, control_id: str = "7", channel: str = "adt", **changes: Any) -> JournalEntry:
    body = f"MSH|^~\\&|EPIC|GH|||20260302||ADT^A08|{control_id}|P|2.5\rPID|{content}".encode()
    made = entry(body, control_id=control_id, channel=channel, sender="EPIC|GH", **changes)
    made.dedup_key = dedup_key(made, scan_header(body))
    return made


async def test_reused_control_id_is_new_work_and_names_the_earlier_message(store: Any) -> None:
    (first,) = await store.ingest([sent("a")])
    (other,) = await store.ingest([sent("b")])
    assert (other.duplicate_of, other.same_id_as) == (None, first.journal_id)
    found = await queries.message(store, None, other.journal_id)
    assert found is not None and found["same_id_as"] == first.journal_id
    book = await store.ledger()
    assert (book.channels["adt"].reused, book.channels["adt"].open, book.balanced) == (1, 2, True)


async def test_reused_control_id_within_one_commit_is_found(store: Any) -> None:
    first, copy, other, alone = await store.ingest([sent("a"), sent("a"), sent("b"), sent("a", "8")])
    assert [one.same_id_as for one in (first, copy, other, alone)] == [None, None, first.journal_id, None]
    assert copy.duplicate_of == first.journal_id


async def test_copies_other_channels_and_empty_ids_reuse_nothing(store: Any) -> None:
    await store.ingest([sent("a"), sent("a", "")])
    stored = await store.ingest([sent("a"), sent("b", channel="other"), sent("b", "")])
    assert [one.same_id_as for one in stored] == [None, None, None]
    assert (await store.ledger()).channels["adt"].reused == 0


async def test_control_id_past_the_window_is_free_again(store: Any, clock: Clock) -> None:
    await store.ingest([sent("a")])
    clock.advance(days=15)
    (later,) = await store.ingest([sent("b")])
    assert later.same_id_as is None


def migrate_to(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    connection = open_both(path)
    connection.begin("IMMEDIATE")
    config.attributes["connection"] = connection.core
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)
    connection.close()


@only_sqlite
async def test_copy_sent_across_the_upgrade_is_still_a_duplicate(store: SqliteStore, clock: Clock) -> None:
    (first,) = await store.ingest([sent("a")])
    path = store.path
    await store.close()
    migrate_to(path, "0014")
    with sqlite3.connect(path) as before:
        assert before.execute("SELECT length(dedup_key) FROM seen").fetchall() == [(16,)]
    migrate_to(path, "head")
    later = SqliteStore(path, clock=clock)
    await later.open()
    copy, other = await later.ingest([sent("a"), sent("b")])
    assert (copy.duplicate_of, other.same_id_as) == (first.journal_id, first.journal_id)
    await later.close()

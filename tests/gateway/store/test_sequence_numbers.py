"""The last number of each sender moves in the commit of his message, on both stores."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.admission import dedup_key
from gateway.store import queries
from gateway.store.bodies import open_body
from gateway.store.limits import PART
from gateway.store.ports import JournalEntry, Stored
from gateway.store.postgres import PostgresStore
from gateway.store.sequences import forget_number, numbers_of
from parsers.hl7v2.header import scan_header
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import entry


def sent(number: int | None, content: str = "a", sender: str = "EPIC", **changes: Any) -> JournalEntry:
    shown = "" if number is None else number
    body = f"MSH|^~\\&|{sender}|GH|||20260302||ADT^A08|{number}{content[:9]}|P|2.5|{shown}\rPID|{content}".encode()
    made = entry(body, channel="adt", sender=f"{sender}|GH", control_id=f"{number}{content[:9]}", **changes)
    made.dedup_key = dedup_key(made, scan_header(body))
    made.sequence, made.misfit = number, "AR"
    return made


def said(stored: list[Stored]) -> list[tuple[str, int | None]]:
    return [(one.sequence, one.expected) for one in stored]


async def last_of(store: Any, sender: str = "EPIC") -> Any:
    return {row["sender"]: row["last"] for row in await numbers_of(store, "adt")}[f"{sender}|GH"]


async def kept(store: Any, stored: Stored) -> bytes | None:
    body = await open_body(store, stored.journal_id)
    return await body.read() if body is not None else None


async def test_numbers_in_order_are_taken_within_a_commit_and_across_commits(store: Any) -> None:
    assert said(await store.ingest([sent(0), sent(5), sent(6)])) == [("start", -1), ("accepted", 5), ("accepted", 6)]
    assert said(await store.ingest([sent(7), sent(0, "again")])) == [("accepted", 7), ("start", 8)]
    assert await last_of(store) == 7
    book = (await store.ledger()).channels["adt"]
    assert (book.came, book.open, book.balanced) == (5, 5, True)


async def test_gap_is_kept_refused_and_taken_when_its_turn_comes(store: Any) -> None:
    await store.ingest([sent(1)])
    (early,) = await store.ingest([sent(3)])
    assert (early.sequence, early.expected, early.duplicate_of) == ("gap", 2, None)
    row = await queries.message(store, None, early.journal_id)
    assert row is not None and (row["rejected"], row["acknowledgement"]) == ("sequence-gap", "AR")
    assert await kept(store, early) == sent(3).body
    second, third = await store.ingest([sent(2), sent(3)])  # the same bytes as those refused: no copy of anything
    assert said([second, third]) == [("accepted", 2), ("accepted", 3)]
    assert third.duplicate_of is None and await last_of(store) == 3


async def test_copy_of_the_last_or_an_earlier_one_is_a_duplicate(store: Any) -> None:
    first, second = await store.ingest([sent(1), sent(2)])
    copies = await store.ingest([sent(2), sent(1)])
    assert said(copies) == [("repeat", 3), ("copy", 3)]
    assert [one.duplicate_of for one in copies] == [second.journal_id, first.journal_id]
    batch = await store.ingest([sent(3), sent(3), sent(4), sent(3)])
    assert [one.duplicate_of for one in batch] == [None, batch[0].journal_id, None, batch[0].journal_id]


@pytest.mark.parametrize("size", [10, 2 * PART + 5])
async def test_last_number_with_other_bytes_is_a_copy_whose_bytes_are_kept(store: Any, size: int) -> None:
    (first,) = await store.ingest([sent(1)])
    (other,) = await store.ingest([sent(1, "b" * size)])
    assert (other.sequence, other.expected, other.duplicate_of) == ("repeat-differs", 2, first.journal_id)
    assert await kept(store, other) == sent(1, "b" * size).body
    assert await last_of(store) == 1
    assert (await store.ledger()).channels["adt"].words["duplicate"] == 1


async def test_earlier_number_with_other_bytes_is_refused_and_kept(store: Any) -> None:
    await store.ingest([sent(1), sent(2)])
    (other,) = await store.ingest([sent(1, "b")])
    assert (other.sequence, other.expected) == ("behind", 3)
    row = await queries.message(store, None, other.journal_id)
    assert row is not None and row["rejected"] == "sequence-behind"
    assert await kept(store, other) == sent(1, "b").body


async def test_minus_one_and_a_person_make_the_next_number_the_first(store: Any, clock: Clock) -> None:
    await store.ingest([sent(8)])
    assert said(await store.ingest([sent(-1), sent(0), sent(2), sent(3)])) == [
        ("resynchronise", -1), ("start", -1), ("accepted", 2), ("accepted", 3),
    ]  # fmt: skip
    assert await forget_number(store, "adt", "EPIC|GH", clock())
    assert not await forget_number(store, "adt", "NOBODY|GH", clock())
    assert said(await store.ingest([sent(77)])) == [("accepted", 77)]


async def test_senders_count_apart_and_messages_without_a_number_do_not_count(store: Any) -> None:
    stored = await store.ingest([sent(1), sent(9, sender="CERNER"), sent(None), sent(2), sent(11, sender="CERNER")])
    assert said(stored) == [("accepted", 1), ("accepted", 9), ("", None), ("accepted", 2), ("gap", 10)]
    assert (await last_of(store), await last_of(store, "CERNER")) == (2, 9)


async def test_row_that_the_store_refuses_moves_no_number(store: Any) -> None:
    stored = await store.ingest([sent(1), sent(2, config_version=2**70), sent(3)])
    assert [one.error is None for one in stored] == [True, False, True]
    assert (stored[2].sequence, stored[2].expected, await last_of(store)) == ("gap", 2, 1)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
async def test_two_processes_number_one_stream(store: PostgresStore) -> None:
    await store.ingest([sent(1)])
    results = await asyncio.gather(*(store.ingest([sent(2, content)]) for content in "bcde"))
    verdicts = sorted(one.sequence for (one,) in results)
    assert verdicts == ["accepted", "repeat-differs", "repeat-differs", "repeat-differs"]
    assert await last_of(store) == 2

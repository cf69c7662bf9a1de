"""Bodies in parts: read and committed group by group; what comes out is what a whole body gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.batches import BatchSize
from gateway.compute.parted import Cursor
from gateway.compute.process import ComputeFailure
from gateway.compute.protocol import ReadDone
from gateway.coordination.decide import decide
from gateway.store.limits import PART, WHOLE
from gateway.store.ports import StoreUnavailable
from gateway.store.replaying import Again, enqueue_again
from mappings.hl7v2 import read_message
from tests.support.large_files import adt_batch, x12_batch
from tests.support.local_pipeline import NOW, LocalPipeline

FEW = 16


class Parted:
    """A local pipeline whose groups are small, and a large body in it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.local = LocalPipeline(folder)
        self.pipeline = self.local.pipeline
        self.compute: Any = self.local.pipeline._compute
        self.pipeline._size = BatchSize(FEW)

    async def send(self, body: bytes, kind: str = "hl7v2", *, settle: bool = True) -> int:
        entry = self.local.admitted(body, kind)
        entry.staged, entry.size = await self.local.store.begin_body(), len(body)
        for number, start in enumerate(range(0, len(body), PART)):
            await self.local.store.add_part(entry.staged, number, body[start : start + PART])
        entry.body = b""
        (stored,) = await self.local.store.ingest([entry])
        if settle:
            await self.local.settle()
        return stored.journal_id

    async def ends(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.local.rows("item_end", "item", "word", "reason")]

    async def events(self) -> list[tuple[Any, ...]]:
        return sorted(tuple(row) for row in await self.local.rows("events", "event_id", "type", "item"))

    async def balanced(self) -> bool:
        return (await self.local.store.ledger()).balanced


@pytest.fixture
async def parted(tmp_path: Path) -> AsyncIterator[Parted]:
    made = Parted(tmp_path / "parted")
    await made.local.store.open()
    yield made
    await made.local.store.close()


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Parted]:
    made = Parted(tmp_path / "whole")
    await made.local.store.open()
    yield made
    await made.local.store.close()


PADDING = 6000


def batch(count: int = 200) -> bytes:
    body = adt_batch(count, padding=PADDING)
    assert len(body) > PART
    return body


async def test_batch_file_in_parts_gives_what_the_whole_gives(parted: Parted, whole: Parted) -> None:
    await parted.send(batch())
    await whole.local.send(adt_batch(200))
    assert await parted.ends() == await whole.ends() and len(await parted.ends()) == 200
    events = await parted.events()
    assert events == await whole.events() and len(events) > 50
    assert await parted.balanced()


async def test_x12_file_in_parts_gives_what_the_whole_gives_and_one_answer(parted: Parted, whole: Parted) -> None:
    body = x12_batch(120)
    await parted.send(body + b"\r\n" * (PART // 2), "x12")
    await whole.local.send(body, kind="x12")
    assert await parted.ends() == await whole.ends() and len(await parted.ends()) == 120
    replies = await parted.local.rows("replies", "kind", "body")
    assert replies == await whole.local.rows("replies", "kind", "body") and len(replies) == 1
    book = (await parted.local.store.ledger()).channels["adt"]
    assert book.balanced and (book.came, book.open) == (120, 0)


async def test_files_of_many_messages_that_are_kept_whole_are_read_in_groups_too(parted: Parted) -> None:
    entries = [parted.local.admitted(adt_batch(500, patients=500, first=500 * n)) for n in range(4)]
    for entry in entries:
        assert 2 * len(entry.body) > WHOLE and len(entry.body) < PART
        entry.body += b"ZZZ|" + b"x" * WHOLE
    await parted.local.store.ingest(entries)
    largest = seen = 0
    while await parted.pipeline.run_once():
        ended = len(await parted.ends())
        largest, seen = max(largest, ended - seen), ended
    assert len(await parted.ends()) == 2000 and await parted.balanced()
    assert largest <= 256


async def test_ledger_is_balanced_at_every_moment(parted: Parted) -> None:
    await parted.send(batch(), settle=False)
    came = [1]
    while await parted.pipeline.run_once():
        book = (await parted.local.store.ledger()).channels["adt"]
        assert book.balanced
        came.append(book.came)
    assert came[0] == 1 and came[-1] == 200 and came == sorted(came) and len(came) > 200 // FEW


@pytest.mark.parametrize(("body", "kind"), [(batch(), "hl7v2"), (x12_batch(120) + b"\n" * PART, "x12")])
async def test_reading_that_begins_anew_after_every_commit_says_nothing_twice(
    parted: Parted, whole: Parted, body: bytes, kind: str
) -> None:
    await parted.send(body, kind, settle=False)
    while await parted.pipeline.run_once():
        parted.compute.begin_anew()
    await whole.local.send(adt_batch(200) if kind == "hl7v2" else x12_batch(120), kind=kind)
    assert await parted.ends() == await whole.ends()
    assert await parted.events() == await whole.events()
    assert len(await parted.local.rows("replies", "kind")) == len(await whole.local.rows("replies", "kind"))
    assert await parted.balanced()


async def test_other_lanes_do_not_wait_for_a_large_file(parted: Parted) -> None:
    large = await parted.send(x12_batch(120) + b"\n" * PART, "x12", settle=False)
    other = adt_batch(3)
    await parted.local.store.ingest([parted.local.admitted(other)])
    assert await parted.pipeline.run_once()
    ends = await parted.local.rows("item_end", "journal_id", "item")
    assert len([row for row in ends if row[0] != large]) == 3  # beside the first group of the file
    assert len([row for row in ends if row[0] == large]) < 120
    await parted.local.settle()
    assert await parted.balanced()


async def test_what_follows_in_the_lane_waits_for_the_end_of_a_large_file(parted: Parted) -> None:
    large = await parted.send(batch(), settle=False)
    follower = b"".join(adt_batch(60).split(b"MSH|")[55:56])
    await parted.local.store.ingest([parted.local.admitted(b"MSH|" + follower.replace(b"|C5", b"|D5"))])
    while await parted.pipeline.run_once():
        ends = await parted.local.rows("item_end", "journal_id", "item")
        if any(row[0] != large for row in ends):
            break
    assert len([row for row in ends if row[0] == large]) == 200


async def test_message_whose_mapping_fails_is_parked_alone_and_retried_alone(
    parted: Parted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("gateway.compute.parted.read_message", failing(b"|C77|"))
        await parted.send(batch())
    ends = await parted.ends()
    assert len(ends) == 200 and [row for row in ends if row[1] == "parked"] == [(77, "parked", "mapping-failed")]
    assert await parted.local.rows("patients", "mrn", "gap_since") != []
    ((parked_id,),) = await parted.local.rows("parked", "parked_id")
    await parted.local.store.retry_parked(parked_id, "jdoe")
    await parted.local.settle()
    assert (77, "processed", None) in await parted.ends() and len(await parted.ends()) == 200
    assert await parted.balanced()


async def test_message_whose_decision_fails_is_parked_alone(parted: Parted, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("gateway.compute.steps.decide", failing_decision("m-1", 33))
        await parted.send(batch())
    ends = await parted.ends()
    assert len(ends) == 200 and [row for row in ends if row[1] == "parked"] == [(33, "parked", "decision-failed")]
    assert await parted.balanced()


async def test_message_that_kills_the_process_is_parked_and_its_siblings_go_on(parted: Parted) -> None:
    deaths = dying(parted, at=40)
    await parted.send(batch())
    ends = await parted.ends()
    assert len(ends) == 200 and [row for row in ends if row[1] == "parked"] == [(40, "parked", "worker-killed")]
    assert len(deaths) <= 20
    assert await parted.balanced()


async def test_x12_set_that_kills_the_process_parks_the_rest_which_a_retry_reads_on(parted: Parted) -> None:
    read = parted.compute.read
    dying(parted, at=40)
    await parted.send(x12_batch(120) + b"\n" * PART, "x12")
    ends = await parted.ends()
    assert (40, "parked", "worker-killed") in ends and len(ends) == 40
    assert await parted.balanced()
    parted.compute.read = read
    ((parked_id,),) = [
        row[:1] for row in await parted.local.rows("parked", "parked_id", "reason") if row[1] == "worker-killed"
    ]
    await parted.local.store.retry_parked(parked_id, "jdoe")
    await parted.local.settle()
    assert len(await parted.ends()) == 120 and await parted.balanced()
    assert len(await parted.local.rows("replies", "kind")) == 1


@pytest.mark.parametrize(("body", "kind"), [(batch(), "hl7v2"), (x12_batch(120) + b"\n" * PART, "x12")])
async def test_replayed_body_is_read_once_from_its_begin_and_changes_nothing(
    parted: Parted, body: bytes, kind: str
) -> None:
    number = await parted.send(body, kind)
    before = [
        await parted.events(),
        await parted.local.rows("replies", "kind"),
        [row[:1] for row in await parted.ends()],
    ]
    for parked_id in [row[0] for row in await parted.local.rows("parked", "parked_id")]:
        await parted.local.store.discard_parked(parked_id, "jdoe")
    again = Again(journal_id=number, channel="adt", kind=kind, received_at=NOW, lanes=(1,))
    assert await parted.local.store.execute_write(lambda core: enqueue_again(core, [again], NOW)) == 1
    assert await parted.balanced()
    await parted.local.settle()
    after = [
        await parted.events(),
        await parted.local.rows("replies", "kind"),
        [row[:1] for row in await parted.ends()],
    ]
    assert after == before and await parted.balanced()


async def test_store_that_goes_away_while_a_body_is_read_costs_nothing(parted: Parted) -> None:
    await parted.send(batch(), settle=False)
    part = parted.local.store.body_part

    async def away(journal_id: int, number: int) -> bytes | None:
        raise StoreUnavailable("away")

    parted.local.store.body_part = away  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await parted.pipeline.run_once()
    parted.local.store.body_part = part  # type: ignore[method-assign]
    await parted.local.settle()
    assert len(await parted.ends()) == 200 and await parted.balanced()


async def test_body_of_nothing_but_blanks_behind_a_header_is_one_item(parted: Parted) -> None:
    await parted.send(b"FHS|^~\\&|A\r" + b"\r" * PART + b"FTS|0\r")
    assert await parted.ends() == [(0, "filtered", "empty-batch")]
    assert await parted.balanced()


def failing(mark: bytes) -> Any:
    def read(raw: bytes, *rest: Any) -> Any:
        if mark in raw:
            raise ZeroDivisionError
        return read_message(raw, *rest)

    return read


def failing_decision(message_id: str, item: int) -> Any:
    def run(scope: Any, event: Any, cause: Any, *rest: Any, **more: Any) -> Any:
        if cause.message_id == message_id and cause.item // 1000 == item:
            raise ZeroDivisionError
        return decide(scope, event, cause, *rest, **more)

    return run


def dying(parted: Parted, at: int) -> list[int]:
    """The process dies whenever item `at` is in the group that it reads."""
    read, deaths = parted.compute.read, []

    async def until(items: list[Any], group: int = 256, part_of: Any = None) -> ReadDone:
        for item in items:
            if item.size and Cursor.read(item.body).item <= at < Cursor.read(item.body).item + group:
                deaths.append(item.work_id)
                parted.compute.begin_anew()
                raise ComputeFailure("worker-killed", item.work_id)
        return await read(items, group, part_of)

    parted.compute.read = until
    return deaths

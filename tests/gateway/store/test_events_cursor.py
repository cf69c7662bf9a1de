from __future__ import annotations

import pytest

from gateway.store.event_log import START
from gateway.store.paging import BadCursor
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.conftest import only_sqlite
from tests.gateway.store.samples import event, write


async def ids(store: SqliteStore, after: str | None, limit: int = 10, **only: frozenset[str]) -> tuple[list[str], str]:
    found, position = await store.read_events(after, limit, **only)
    return [row.event_id for _, row in found], position


async def test_events_are_read_in_commit_order_page_by_page(store: SqliteStore) -> None:
    await write(store, events=[event("e1"), event("e2")])
    await write(store, events=[event("e3")])
    first, position = await ids(store, None, 2)
    second, end = await ids(store, position, 2)
    assert (first, second) == (["e1", "e2"], ["e3"])
    assert await ids(store, end) == ([], end)
    await write(store, events=[event("e4")])
    assert (await ids(store, end))[0] == ["e4"]


async def test_event_reads_back_as_it_was_committed_with_its_own_position(store: SqliteStore) -> None:
    one = event("e1", restricted=True, body=b'{"x":1}', journal_id=2**40)
    await write(store, events=[one, event("e2")])
    found, _ = await store.read_events(None, 10)
    assert found[0][1] == one
    assert (await ids(store, found[0][0]))[0] == ["e2"]


async def test_position_moves_past_events_that_the_reader_does_not_want(store: SqliteStore) -> None:
    await write(store, events=[event("e1", type="task.created"), event("e2"), event("e3", facility_id="WEST")])
    found, position = await ids(store, None, types=frozenset({"task.created"}))
    assert found == ["e1"]
    assert position == (await ids(store, None))[1]
    assert (await ids(store, None, facilities=frozenset({"WEST"})))[0] == ["e3"]
    assert (await ids(store, None, facilities=frozenset()))[0] == []


async def test_empty_log_gives_a_position_to_go_on_from(store: SqliteStore) -> None:
    assert await ids(store, None) == ([], START)


@pytest.mark.parametrize("cursor", ["x", "", "1", "1.x", "\x00.1", "9" * 30 + ".1", "٣.1"])
async def test_position_that_is_none_of_ours_is_refused(store: SqliteStore, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.read_events(cursor, 1)


@only_sqlite
async def test_numbers_of_events_are_never_used_again(store: SqliteStore) -> None:
    await write(store, events=[event("e1"), event("e2")])
    await store.execute_write(lambda core: core.exec_driver_sql("DELETE FROM events").rowcount)
    await write(store, events=[event("e3")])
    found, _ = await store.read_events(None, 10)
    assert [position for position, _ in found] == ["0.3"]

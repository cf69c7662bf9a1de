from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import SqliteConnection
from gateway.store.sqlite_writer import INGEST, OTHER, PIPELINE, SqliteWriter
from tests.gateway.store.conftest import only_sqlite
from tests.gateway.store.samples import entry


async def test_writer_takes_intake_first_then_pipeline_then_the_rest(tmp_path: Path) -> None:
    writer = SqliteWriter(tmp_path / "x.db")
    writer.open()
    held, order = threading.Event(), list[str]()
    first = asyncio.create_task(writer.run(OTHER, lambda connection: held.wait(10)))
    await asyncio.sleep(0.05)
    words = [("other", OTHER), ("commit", PIPELINE), ("commit", PIPELINE), ("ingest", INGEST), ("ingest", INGEST)]
    waiting = [writer.run(priority, lambda connection, word=word: order.append(word)) for word, priority in words]  # type: ignore[misc]
    rest = asyncio.gather(*waiting)
    await asyncio.sleep(0.05)
    held.set()
    await asyncio.gather(first, rest)
    assert order == ["ingest", "ingest", "commit", "commit", "other"]
    writer.close()


@only_sqlite
async def test_writer_survives_a_job_that_fails_and_rolls_it_back(store: SqliteStore) -> None:
    def fail(connection: SqliteConnection) -> None:
        connection.raw.execute("INSERT INTO gateway_state (name, value) VALUES ('x', 'y')")
        raise KeyError("job")

    with pytest.raises(Exception, match="KeyError"):
        await store.writer.run(OTHER, fail)
    assert await store.fact("x") is None
    assert (await store.ingest([entry()]))[0].journal_id == 1


@only_sqlite
async def test_writer_finishes_what_is_queued_before_it_closes(store: SqliteStore) -> None:
    writes = [asyncio.create_task(store.ingest([entry()])) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*writes)) == 20


@only_sqlite
async def test_writer_moves_the_log_into_the_file_when_it_is_quiet(store: SqliteStore) -> None:
    await asyncio.sleep(0.5)
    before = store.path.stat().st_size
    await store.ingest([entry(b"x" * 50_000) for _ in range(20)])
    for _ in range(50):
        if store.path.stat().st_size > before + 900_000:
            break
        await asyncio.sleep(0.1)
    assert store.path.stat().st_size > before + 900_000


@only_sqlite
async def test_reader_sees_one_moment_while_the_writer_goes_on(store: SqliteStore) -> None:
    loop = asyncio.get_running_loop()

    def twice(connection: SqliteConnection) -> list[int]:
        counts = [connection.raw.execute("SELECT count(*) FROM journal").fetchone()[0]]
        asyncio.run_coroutine_threadsafe(store.ingest([entry()]), loop).result(10)
        return [*counts, connection.raw.execute("SELECT count(*) FROM journal").fetchone()[0]]

    assert await store.reading(twice) == [0, 0]
    assert await store.reading(lambda c: c.raw.execute("SELECT count(*) FROM journal").fetchone()[0]) == 1


@only_sqlite
async def test_reader_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(Exception, match="readonly"):
        await store.reading(lambda c: c.raw.execute("DELETE FROM gateway_state"))

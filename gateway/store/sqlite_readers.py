"""Read-only connections of a SQLite store, each used by one thread at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from gateway.store.ports import StoreUnavailable
from gateway.store.sqlite_connection import SqliteConnection, meaning, open_both

T = TypeVar("T")


class SqliteReaders:
    """Up to `count` queries at once, each in a transaction of its own: it sees one moment of the store."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count
        self._threads: ThreadPoolExecutor | None = None
        self._idle: SimpleQueue[SqliteConnection] = SimpleQueue()

    def open(self) -> None:
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="baton-sqlite-reader")

    async def run(self, query: Callable[[SqliteConnection], T]) -> T:
        if self._threads is None:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)

    def _query(self, query: Callable[[SqliteConnection], T]) -> T:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = open_both(self._path, read_only=True)
        try:
            connection.begin()
            try:
                return query(connection)
            finally:
                connection.rollback()
                self._idle.put(connection)
        except Exception as error:
            raise _reading_error(error) from None

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def _reading_error(error: Exception) -> Exception:
    """An outage is StoreUnavailable; anything else is a defect and stays what it is."""
    found = meaning(error)
    return found if isinstance(found, StoreUnavailable) else error

"""The one writer of a SQLite store: a thread, a connection, three priorities (decision 19).

Every job is one transaction: BEGIN IMMEDIATE, the job, COMMIT (which syncs).  Intake goes first, pipeline commits
second, everything else third; a job is never interrupted, so callers keep theirs short.

Checkpoints: when nobody waits, by the writer.  When enough was written under load, by a thread of its own, beside which
the writer goes on; what it wrote meanwhile it then moves itself, little as it is, so that the log begins anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.store.ports import StoreUnavailable
from gateway.store.sqlite_connection import SqliteConnection, connect, meaning, open_both

T = TypeVar("T")

INGEST, PIPELINE, OTHER = 0, 1, 2

CHECKPOINT_ROWS = 20_000  # changed rows after which a checkpoint is made even under load
IDLE_S = 0.2  # quiet for so long: a checkpoint costs nobody anything


@dataclass(slots=True)
class _Job:
    work: Callable[[SqliteConnection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class SqliteWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._queues: tuple[deque[_Job], ...] = (deque(), deque(), deque())
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._connection: SqliteConnection | None = None
        self._checkpointed_at = 0  # total_changes of the connection then
        self._checkpointer: threading.Thread | None = None

    def open(self) -> None:
        """Blocks for the first connection.  StoreUnavailable, UnsafeStore."""
        self._connection = open_both(self._path)
        self._stopping = False
        self._checkpointed_at = -1  # what a former run left in the log
        self._thread = threading.Thread(target=self._run, name="baton-sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, then close."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._checkpointer is not None:
            self._checkpointer.join()
            self._checkpointer = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def run(self, priority: int, work: Callable[[SqliteConnection], T]) -> T:
        """Run `work` in a transaction of its own.  A caller that is cancelled leaves the transaction to its end."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._wake:
            if self._stopping or self._thread is None:
                raise StoreUnavailable("the store is closed")
            self._queues[priority].append(_Job(work, loop, future))
            self._wake.notify()
        return await future

    def _run(self) -> None:
        while True:
            job = self._next()
            if job is None:
                if self._stopping:
                    return
                if self._checkpointer is not None:
                    self._checkpoint_under_load()
                elif self._written():
                    self._checkpoint()  # idle
                continue
            result, error = None, None
            try:
                result = self._transact(job.work)
            except Exception as caught:  # this loop must survive any job; the caller gets the error
                error = meaning(caught)
            try:
                job.loop.call_soon_threadsafe(_settle, job.future, result, error)
            except RuntimeError:  # the caller's loop is closed; what was committed stays
                pass
            self._checkpoint_under_load()

    def _next(self) -> _Job | None:
        """The next job by priority; None after a quiet while, or at the end."""
        with self._wake:
            if not any(self._queues) and not self._stopping:
                self._wake.wait(IDLE_S)
            return next((queue.popleft() for queue in self._queues if queue), None)

    def _transact(self, work: Callable[[SqliteConnection], T]) -> T:
        assert self._connection is not None
        self._connection.begin("IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        return result

    def _written(self) -> int:
        """Changed rows since the last checkpoint began."""
        assert self._connection is not None
        return self._connection.raw.total_changes - self._checkpointed_at

    def _checkpoint_under_load(self) -> None:
        if self._checkpointer is None:
            if self._written() >= CHECKPOINT_ROWS:
                assert self._connection is not None
                self._checkpointed_at = self._connection.raw.total_changes
                self._checkpointer = threading.Thread(target=_checkpoint_beside, args=(self._path,), daemon=True)
                self._checkpointer.start()
        elif not self._checkpointer.is_alive():
            self._checkpointer = None
            self._checkpoint()

    def _checkpoint(self) -> None:
        assert self._connection is not None
        self._checkpointed_at = self._connection.raw.total_changes
        _move_log(self._connection.raw)


def _checkpoint_beside(path: Path) -> None:
    try:
        connection = connect(path)
    except StoreUnavailable:
        return
    _move_log(connection)
    connection.close()


def _move_log(raw: sqlite3.Connection) -> None:
    """Move the log into the database, as far as no reader needs it; writers are not kept waiting."""
    try:
        raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error:  # a full disk shows at the next commit; the log still holds everything
        pass


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

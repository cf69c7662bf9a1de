"""One claimed batch on PostgreSQL: an open transaction that holds the advisory locks of its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.event_sinks import EventSink
from gateway.store.delivery import Numbering, unnumbered
from gateway.store.limits import CLOSED_TASKS, LIFE
from gateway.store.ports import Loaded, LoadRequest, WorkItem, WriteSet
from gateway.store.postgres_commit import CommitWriter
from gateway.store.postgres_connection import PostgresConnection, PostgresPool, Raw, translated
from gateway.store.postgres_load import claim, load


@dataclass(slots=True, frozen=True)
class Setting:
    """What a session's writes need to know beside the connection."""

    now: datetime
    sinks: tuple[EventSink, ...]
    slot: int  # of this process in the ledger
    numbering: Numbering = unnumbered
    seen_for: timedelta = LIFE  # how long a control number is remembered


class PostgresSession:
    """Use `async with`; leaving without `commit` rolls back."""

    def __init__(self, pool: PostgresPool, setting: Setting) -> None:
        self.items: Sequence[WorkItem] = ()
        self.lanes: frozenset[int] = frozenset()
        self.keeps_lanes = False  # they end with the transaction
        self._pool = pool
        self._setting = setting
        self._home: AbstractAsyncContextManager[PostgresConnection] = pool.connection()
        self._connection: PostgresConnection | None = None
        self._found: dict[str, set[str]] = {}

    async def begin(self) -> Raw:
        """Open the transaction, or a new one in place of the old: locks of lanes are never added to others."""
        if self._connection is None:
            self._connection = await self._home.__aenter__()
        else:
            await self._connection.raw.execute("ROLLBACK")
        await self._connection.raw.execute("BEGIN")
        return self._connection.raw

    async def load(self, request: LoadRequest) -> Loaded:
        """Read in a snapshot of its own, taken after the lanes were locked: an answer whose patient is in none of them
        must not see him half moved by a merge."""
        async with self._pool.transaction(snapshot=True) as connection:
            self._found, loaded = await load(
                connection.raw, request, self._setting.now - CLOSED_TASKS, self._setting.now - self._setting.seen_for
            )
        return loaded

    async def ahead(self, after: int, limit: int) -> Sequence[WorkItem]:
        async with self._pool.connection() as connection:
            return await claim(connection.raw, self.lanes, limit, after + 1, self._setting.seen_for)

    async def commit(self, writes: WriteSet) -> None:
        assert self._connection is not None
        setting = self._setting
        with translated():
            writer = CommitWriter(self._connection, setting.now, setting.sinks, setting.slot, setting.numbering)
            await writer.write(writes, self._found)
            await self._connection.raw.execute("COMMIT")

    async def __aenter__(self) -> PostgresSession:
        return self

    async def __aexit__(self, *exc: object) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.raw.is_closed() and connection.raw.is_in_transaction():
                with translated():
                    await connection.raw.execute("ROLLBACK")
        finally:
            await self._home.__aexit__(None, None, None)

"""PostgreSQL connections that are known to be safe, and what their errors mean.

Each connection has two forms on the same transaction: `raw` (asyncpg) takes statement text, `core` takes SQLAlchemy
Core.  SQLAlchemy is in AUTOCOMMIT, so that BEGIN and COMMIT are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.store.ports import StoreUnavailable, UnsafeStore, WriteRefused

T = TypeVar("T")

COMMAND_SECONDS = 30.0
_SETTINGS = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
)
_AWAY_CLASSES = ("08", "53", "57", "58", "XX", "25006", "40")
"""SQLSTATE prefixes of an outage: connection, resources, operator, system, internal, read-only, serialization."""


@dataclass(slots=True)
class PostgresConnection:
    raw: asyncpg.Connection[asyncpg.Record]
    core: AsyncConnection

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a function written for both engines on this connection, in its transaction."""
        return await self.core.run_sync(work)


class PostgresPool:
    """Connections of one store; every new one is asked whether its commits are synced (decision 30)."""

    def __init__(self, url: str, size: int) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            isolation_level="AUTOCOMMIT",
            pool_size=size,
            max_overflow=4,
            pool_timeout=10,
            connect_args={"command_timeout": COMMAND_SECONDS, "timeout": 5},
        )
        self._checked: set[int] = set()

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        """One connection, without a transaction.  StoreUnavailable; the connection of an outage is thrown away."""
        try:
            async with self._engine.connect() as core:
                raw = await self._raw(core)
                try:
                    yield PostgresConnection(raw, core)
                except Exception as error:
                    if isinstance(meaning(error), StoreUnavailable):
                        await core.invalidate()
                    raise
        except Exception as error:
            raise meaning(error) from None

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncIterator[PostgresConnection]:
        """One connection in a transaction: committed at the end, rolled back on an error."""
        async with self.connection() as connection:
            transaction = connection.raw.transaction(
                isolation="repeatable_read" if read_only else "read_committed", readonly=read_only
            )
            async with transaction:
                yield connection

    async def _raw(self, core: AsyncConnection) -> asyncpg.Connection[asyncpg.Record]:
        raw: asyncpg.Connection[asyncpg.Record] = (await core.get_raw_connection()).driver_connection  # type: ignore[assignment]
        if id(raw) not in self._checked:
            await check_settings(raw)
            self._checked.add(id(raw))
        return raw


async def check_settings(raw: asyncpg.Connection[asyncpg.Record]) -> None:
    """UnsafeStore when this server would acknowledge what is not on the disk."""
    row = await raw.fetchrow(_SETTINGS)
    assert row is not None
    fsync, synchronous_commit, full_page_writes = row
    if fsync != "on" or full_page_writes != "on" or synchronous_commit not in ("on", "remote_apply", "remote_write"):
        raise UnsafeStore(
            f"PostgreSQL answers fsync={fsync} synchronous_commit={synchronous_commit} "
            f"full_page_writes={full_page_writes}: all must be on for a durable commit"
        )


def meaning(error: Exception) -> Exception:
    """The store's word for what went wrong; a server's message may quote a value, so only its code is kept."""
    if isinstance(error, StoreUnavailable | UnsafeStore | WriteRefused):
        return error
    if isinstance(error, DBAPIError) and error.orig is not None:
        if error.connection_invalidated:
            return StoreUnavailable("the connection was lost")
        cause = error.orig.__cause__
        return meaning(cause if isinstance(cause, Exception) else RuntimeError(type(error.orig).__name__))
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state.startswith(_AWAY_CLASSES):
            return StoreUnavailable(f"PostgreSQL answers {state}")
        return WriteRefused(f"PostgreSQL answers {state}")
    if isinstance(error, asyncpg.InterfaceError | OSError | TimeoutError | asyncio.TimeoutError | ConnectionError):
        return StoreUnavailable(type(error).__name__)
    if type(error).__module__.startswith("sqlalchemy.exc"):
        return StoreUnavailable(type(error).__name__)
    return error

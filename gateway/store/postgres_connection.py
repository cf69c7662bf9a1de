"""PostgreSQL connections that are known to be safe, and what their errors mean.

Each connection has two forms on the same transaction: `raw` (asyncpg) takes statement text, `core` takes SQLAlchemy
Core.  SQLAlchemy is in AUTOCOMMIT, so that BEGIN and COMMIT are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.exceptions._base import DataError as ArgumentError  # exported under a name that the server's error takes
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.store.ports import StoreUnavailable, UnsafeStore, WriteRefused

if TYPE_CHECKING:
    Raw: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Raw = asyncpg.Connection

T = TypeVar("T")

COMMAND_SECONDS = 30.0
CONNECT_SECONDS = 5.0
POOL_SECONDS = 10.0  # waiting for a free connection
_SETTINGS = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
)
_REFUSED = ("21", "22", "23", "54")
"""SQLSTATE classes that are about the rows themselves: cardinality, data, integrity, program limits.  All others are an
outage of ours: the same rows are taken later."""


@dataclass(slots=True)
class PostgresConnection:
    raw: Raw
    core: AsyncConnection

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a function written for both engines on this connection, in its transaction."""
        return await self.core.run_sync(work)


class PostgresPool:
    """Connections of one store; every new one is asked whether its commits are synced (decision 30)."""

    def __init__(self, url: str, size: int) -> None:
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            isolation_level="AUTOCOMMIT",
            pool_size=size,
            max_overflow=4,
            pool_timeout=POOL_SECONDS,
            connect_args={"command_timeout": COMMAND_SECONDS, "timeout": CONNECT_SECONDS},
        )
        event.listen(self._engine.sync_engine, "connect", _ask_settings)
        event.listen(self._engine.sync_engine, "checkout", _leave_dead)
        self._open = False

    def open(self) -> None:
        """Give connections from now on."""
        self._open = True

    async def close(self) -> None:
        self._open = False
        await self._engine.dispose()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        """One connection, without a transaction.  StoreUnavailable.  One that comes back inside a transaction is cut:
        its locks must go.  So is one whose user was cancelled: a BEGIN on its way would open a transaction that the
        connection does not know of, and the next user would find himself in it."""
        if not self._open:
            raise StoreUnavailable("the store is closed")
        with translated():
            async with self._engine.connect() as core:
                raw: Any = (await core.get_raw_connection()).driver_connection
                try:
                    yield PostgresConnection(raw, core)
                except (asyncio.CancelledError, TimeoutError):
                    raw.terminate()
                    raise
                finally:
                    if not raw.is_closed() and raw.is_in_transaction():
                        raw.terminate()

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[PostgresConnection]:
        """One connection in a transaction: committed at the end, rolled back on an error.  `snapshot`: read only, and
        every statement sees the same moment."""
        async with self.connection() as connection:
            raw = connection.raw
            async with raw.transaction(isolation="repeatable_read", readonly=True) if snapshot else raw.transaction():
                yield connection


def _ask_settings(dbapi_connection: Any, record: object) -> None:
    dbapi_connection.run_async(check_settings)


def _leave_dead(dbapi_connection: Any, record: object, proxy: object) -> None:
    """A connection that ended while it lay in the pool is replaced before anybody meets it."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


async def check_settings(raw: Raw) -> None:
    """UnsafeStore, and the end of the connection, when this server would acknowledge what is not on the disk."""
    row = await raw.fetchrow(_SETTINGS)
    assert row is not None
    fsync, synchronous_commit, full_page_writes = row
    if fsync != "on" or full_page_writes != "on" or synchronous_commit not in ("on", "remote_apply", "remote_write"):
        raw.terminate()
        raise UnsafeStore(
            f"PostgreSQL answers fsync={fsync} synchronous_commit={synchronous_commit} "
            f"full_page_writes={full_page_writes}: all must be on for a durable commit"
        )


@contextmanager
def translated() -> Iterator[None]:
    """What goes wrong inside leaves as the store's own error, or as it came when it is none of the database."""
    try:
        yield
    except Exception as error:
        raise meaning(error) from None


def meaning(error: BaseException) -> BaseException:
    """The store's word for what went wrong; a server's message may quote a value, so only its code is kept."""
    if isinstance(error, StoreUnavailable | UnsafeStore | WriteRefused):
        return error
    if isinstance(error, DBAPIError) and error.orig is not None:
        return meaning(error.orig.__cause__ or StoreUnavailable(type(error.orig).__name__))
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        place = ".".join(name for name in (error.table_name, error.constraint_name or error.column_name) if name)
        said = f"PostgreSQL answers {state} {place}".rstrip()
        return WriteRefused(said) if state.startswith(_REFUSED) else StoreUnavailable(said)
    if isinstance(error, ArgumentError):  # the driver cannot encode the value
        return WriteRefused("a value does not fit its column")
    if isinstance(error, InvalidRequestError):  # a defect of ours, not the server's
        return error
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | SQLAlchemyError):
        return StoreUnavailable(type(error).__name__)  # OSError: also TimeoutError
    return error

"""Advisory locks: lanes for the length of a transaction, sinks for the life of a connection.

Lane locks end with the transaction: no leases, no clocks, a dead worker's lanes are free at once (decision 20).
They are always taken in ascending order, and never in place on top of others (merge protocol, rule 3).
Lanes are numbers from 0; everything else that is locked has a negative number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from hashlib import blake2b

from gateway.store.ports import StoreUnavailable
from gateway.store.postgres_connection import PostgresConnection, PostgresPool, Raw, translated

_TRY_LANES = "SELECT lane FROM unnest($1::bigint[]) AS lane WHERE pg_try_advisory_xact_lock(lane)"
_WAIT_FOR_LANE = "SELECT pg_advisory_xact_lock($1)"


def lock_number(name: str) -> int:
    """The lock of something that is no lane."""
    return -1 - (int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1)


async def try_lanes(raw: Raw, lanes: Iterable[int]) -> frozenset[int]:
    """Lock those of `lanes` that nobody holds.  In a statement of its own: later ones see the last holder's writes."""
    rows = await raw.fetch(_TRY_LANES, sorted(lanes))
    return frozenset(row[0] for row in rows)


async def wait_for_lanes(raw: Raw, lanes: Iterable[int]) -> None:
    for lane in sorted(lanes):
        await raw.execute(_WAIT_FOR_LANE, lane)


class SinkLocks:
    """The right to relay a sink, kept by one connection for all sinks of this process: it ends with the process.

    What a relay reads goes over the same connection, so a process that lost its right cannot read on.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._turn = asyncio.Lock()
        self._home: AbstractAsyncContextManager[PostgresConnection] | None = None
        self._connection: PostgresConnection | None = None
        self._held: set[str] = set()

    @asynccontextmanager
    async def of(self, sink: str) -> AsyncIterator[Raw | None]:
        """The connection that holds the right to `sink`; None: another process has it."""
        async with self._turn:
            raw = await self._open()
            try:
                if sink not in self._held and await raw.fetchval(
                    "SELECT pg_try_advisory_lock($1)", lock_number(f"relay|{sink}")
                ):
                    self._held.add(sink)
                yield raw if sink in self._held else None
            except BaseException:
                await self._cut()
                raise

    async def close(self) -> None:
        async with self._turn:
            if self._connection is not None and not self._connection.raw.is_closed():
                with suppress(StoreUnavailable), translated():
                    await self._connection.raw.execute("SELECT pg_advisory_unlock_all()")
            await self._cut()

    async def _open(self) -> Raw:
        if self._connection is not None and self._connection.raw.is_closed():
            await self._cut()
        if self._connection is None:
            self._home = self._pool.connection()
            self._connection = await self._home.__aenter__()
        return self._connection.raw

    async def _cut(self) -> None:
        connection, home = self._connection, self._home
        self._connection = self._home = None
        self._held.clear()
        if connection is not None and home is not None:
            connection.raw.terminate()  # the locks go with it
            await home.__aexit__(None, None, None)

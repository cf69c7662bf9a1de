"""Planted faults: each breaks one promise, and the proof must see it.  They exist in the test tree alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from gateway.bootstrap import Gateway
from gateway.compute.protocol import Configure
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.store import postgres_connection, sqlite_connection
from gateway.store.core_store import CoreStore
from gateway.store.ports import JournalEntry, Stored
from gateway.store.postgres import PostgresStore
from gateway.store.schema import outbox
from gateway.store.sqlite import SqliteStore

STORES: tuple[Any, ...] = (SqliteStore, PostgresStore)
_committing: set[asyncio.Task[list[Stored]]] = set()


def plant(name: str) -> None:
    """Change this process."""
    MUTANTS[name]()


def ack_before_commit() -> None:
    """The answer goes out while the commit is still under way."""

    def early(ingest: Any) -> Any:
        async def ingest_early(self: CoreStore, entries: Sequence[JournalEntry]) -> list[Stored]:
            task = asyncio.create_task(ingest(self, entries))
            _committing.add(task)
            task.add_done_callback(_committing.discard)
            return [Stored(journal_id=0) for _ in entries]

        return ingest_early

    for store in STORES:
        store.ingest = early(store.ingest)


def outbox_in_memory() -> None:
    """What is not published yet is gone with the process."""

    def forgetful(open_: Any) -> Any:
        async def open_forgetful(self: CoreStore) -> None:
            await open_(self)
            await self.execute_write(lambda connection: connection.execute(delete(outbox)))

        return open_forgetful

    for store in STORES:
        store.open = forgetful(store.open)


def sent_before_confirm() -> None:
    """The outbox row goes before the broker has confirmed the event."""

    async def deliver_once(self: Any) -> int:
        items = await self._store.outbox_claim(self._sink, self._times.batch)
        if items:
            await self._store.outbox_settle(self._sink, [(item.sequence, "confirmed") for item in items])
            await self._destination.deliver([self._render(item) for item in items])
        return len(items)

    Relay.deliver_once = deliver_once  # type: ignore[method-assign]


def synchronous_normal() -> None:
    """SQLite writes its log and does not sync it."""
    connect = sqlite_connection.connect

    def connect_unsafe(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    sqlite_connection.connect = connect_unsafe


def synchronous_commit_off() -> None:
    """PostgreSQL answers COMMIT before its log is synced, and nobody asks."""

    async def loosen(raw: Any) -> None:
        await raw.execute("SET synchronous_commit = off")

    postgres_connection.check_settings = loosen


def poisoned_mappings() -> None:
    """The compute process has the mappings of tests.support.poison."""
    configuration = Gateway.configuration

    def with_poison(self: Gateway, settings: Settings, salt: bytes) -> Configure:
        configured = configuration(self, settings, salt)
        configured.packages.append("tests.support.poison")
        return configured

    Gateway.configuration = with_poison  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "ack-before-commit": ack_before_commit,
    "outbox-in-memory": outbox_in_memory,
    "sent-before-confirm": sent_before_confirm,
    "synchronous-normal": synchronous_normal,
    "synchronous-commit-off": synchronous_commit_off,
    "poisoned-mappings": poisoned_mappings,
}

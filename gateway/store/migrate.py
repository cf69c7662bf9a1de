"""Brings a store's tables to this program's version."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.store.ports import SchemaMismatch
from gateway.store.schema import REVISION
from gateway.store.sqlite_connection import open_both

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6261746F6E  # one migration at a time on PostgreSQL
_WAIT_MS = 600_000  # ... and on SQLite: a migration that rewrites rows takes its time
_ALEMBIC = threading.Lock()  # its environment is the process's


def migrate(url: str) -> str:
    """Run what is missing on `sqlite:///path` or `postgresql+asyncpg://...`; returns the revision reached.

    Blocks, and on PostgreSQL runs an event loop of its own: call it in a thread from asynchronous code.  Safe to call
    from several processes at once.  SchemaMismatch when the store is newer than this program.
    """
    parsed = make_url(url)
    with _ALEMBIC:
        if parsed.get_backend_name() == "sqlite":
            assert parsed.database is not None
            _migrate_sqlite(Path(parsed.database))
        else:
            asyncio.run(_migrate_postgresql(parsed.set(drivername="postgresql+asyncpg").render_as_string(False)))
    return REVISION


def _migrate_sqlite(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = open_both(path)
    try:
        connection.raw.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
        connection.begin("IMMEDIATE")
        _upgrade(connection.core)  # Alembic ends the transaction
    finally:
        connection.rollback()
        connection.close()


async def _migrate_postgresql(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaMismatch(f"this store was made by another version of the program: {error}") from None

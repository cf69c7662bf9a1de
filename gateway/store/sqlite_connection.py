"""SQLite connections that are known to be safe, and what their errors mean.

A connection is asked for its settings after they were made (decision 30): SQLite ignores a pragma that it cannot obey
without saying so, for example WAL on a network file system.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, StaticPool, Table, create_engine

from gateway.store.ports import StoreUnavailable, UnsafeStore, WriteRefused
from gateway.store.statements import row_inserts

WAIT_MS = 5000  # for another process, such as a command, that holds the write lock
_SAFE = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}  # 2: FULL, a sync in every commit
_AWAY = {  # primary result codes of an outage: the disk or another process, not this row
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


@dataclass(slots=True)
class SqliteConnection:
    """One connection in two forms, on the same transaction: `raw` takes statement text, `core` takes Core."""

    raw: sqlite3.Connection
    core: Connection

    def begin(self, how: str = "") -> None:
        self.raw.execute(f"BEGIN {how}")

    def insert(self, table: Table, rows: Sequence[Sequence[Any]], conflict: str = "") -> int:
        """Whole rows in column order, by few statements; how many were written."""
        inserts = row_inserts(table, "sqlite", rows, conflict)
        return sum(self.raw.executemany(statement, values).rowcount for statement, values in inserts)

    def commit(self) -> None:
        self.raw.execute("COMMIT")
        self.core.rollback()  # its book-keeping only: the transaction is over

    def rollback(self) -> None:
        if self.raw.in_transaction:  # a full disk may have ended it already
            self.raw.execute("ROLLBACK")
        self.core.rollback()

    def close(self) -> None:
        engine = self.core.engine
        self.core.close()
        engine.dispose()


def open_both(path: Path, *, read_only: bool = False) -> SqliteConnection:
    raw = connect(path, read_only=read_only)
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, isolation_level="AUTOCOMMIT")
    return SqliteConnection(raw, engine.connect())


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open one connection, usable from any one thread at a time.  StoreUnavailable, UnsafeStore."""
    if not read_only:
        path.touch(mode=0o600)  # patients' data: nobody else reads it
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT_MS / 1000, cached_statements=256
        )
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # the writer does it, between transactions
        connection.execute("PRAGMA cache_size=-65536" if not read_only else "PRAGMA cache_size=-16384")
        connection.execute("PRAGMA temp_store=MEMORY")
        check_settings(connection)
    except sqlite3.Error as error:
        raise meaning(error) from None
    return connection


def check_settings(connection: sqlite3.Connection) -> None:
    """UnsafeStore when this connection would acknowledge what is not on the disk."""
    for pragma, wanted in _SAFE.items():
        (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        if found != wanted:
            raise UnsafeStore(f"SQLite answers {pragma}={found}, {wanted} is needed for a durable commit")


def meaning(error: Exception) -> Exception:
    """The store's word for what went wrong.  SQLite's messages name tables and columns; other texts may quote a value,
    so only their class name is kept."""
    if isinstance(error, StoreUnavailable | UnsafeStore | WriteRefused):
        return error
    if not isinstance(error, sqlite3.Error):
        return WriteRefused(type(error).__name__)
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _AWAY:
        return StoreUnavailable(str(error))
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreUnavailable("the connection is closed") if "closed" in str(error) else WriteRefused(str(error))
    return WriteRefused(str(error))

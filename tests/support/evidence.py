"""Reads a store from outside the gateway, by SQL that both engines understand."""

from __future__ import annotations

import sqlite3
from typing import Any

import asyncpg


class Evidence:
    """One store, by its URL (`sqlite:///path` or `postgresql://...`)."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self._url.startswith("sqlite:"):
            connection = sqlite3.connect(f"file:{self._url.removeprefix('sqlite:///')}?mode=ro", uri=True)
            try:
                return connection.execute(query).fetchall()
            finally:
                connection.close()
        server = await asyncpg.connect(self._url)
        try:
            return [tuple(row) for row in await server.fetch(query)]
        finally:
            await server.close()

    async def count(self, table: str) -> int:
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])

    async def unfinished(self) -> int:
        """Rows of work and of the outbox."""
        return await self.count("work") + await self.count("outbox")

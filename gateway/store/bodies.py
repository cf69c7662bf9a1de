"""The bytes of a journal row as they were received, a part at a time where they are kept in parts (decision 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import select

from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, seen_by
from gateway.store.schema import journal


class StoredBody:
    """The bytes of one journal row: `size`, and `chunks` of up to 1 MiB, one at a time."""

    def __init__(self, store: CoreStore, journal_id: int, size: int, whole: bytes | None) -> None:
        self.size = size
        self._store = store
        self._journal_id = journal_id
        self._whole = whole

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._whole is not None:
            yield self._whole
            return
        number = 0
        while (part := await self._store.body_part(self._journal_id, number)) is not None:
            yield part
            number += 1

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])


async def open_body(store: CoreStore, journal_id: int, facilities: Facilities = None) -> StoredBody | None:
    """The body of a row as received; of a copy that of the first one.  None: no such row, or past retention."""
    row = journal.c
    query = select(row.body, row.duplicate_of, row.size).where(row.journal_id == journal_id)
    rows = await store.fetch(seen_by(query, facilities, row.facility_id))
    if not rows:
        return None
    found = rows[0]
    if found["body"] is not None or await store.body_part(journal_id, 0) is not None:
        return StoredBody(store, journal_id, found["size"], found["body"])
    first = found["duplicate_of"]
    return await open_body(store, first, facilities) if first is not None else None

"""Keys and the audit trail: who may ask, who did and saw what (decision 25)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Page, page, seen_by
from gateway.store.schema import api_keys, audit


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as stored: never its secret, only the hash of it.  A facility `*` means all."""

    key_id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    facilities: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class NewAudit(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    action: str
    object: str
    key_id: str | None = None  # None: a command on the machine itself
    actor: str | None = None
    facility_id: str | None = None
    detail: str | None = None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    action: str | None = None
    object: str | None = None
    actor: str | None = None


async def create_key(store: CoreStore, key: ApiKey) -> None:
    row = msgspec.structs.asdict(key)
    row |= {"scopes_json": json.dumps(row.pop("scopes")), "facilities_json": json.dumps(row.pop("facilities"))}

    def write(connection: Connection) -> None:
        connection.execute(insert(api_keys).values(row))

    await store.execute_write(write)


async def revoke_key(store: CoreStore, key_id: str, at: datetime) -> bool:
    """False: no such key, or already revoked."""

    def write(connection: Connection) -> bool:
        active = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
        return bool(connection.execute(update(api_keys).where(active).values(revoked_at=at)).rowcount)

    return await store.execute_write(write)


async def find_key(store: CoreStore, hash_: str) -> ApiKey | None:
    rows = await store.fetch(select(api_keys).where(api_keys.c.hash == hash_))
    return _key(rows[0]) if rows else None


async def keys(store: CoreStore) -> list[ApiKey]:
    return [_key(row) for row in await store.fetch(select(api_keys).order_by(api_keys.c.created_at))]


async def add_audit(store: CoreStore, row: NewAudit) -> None:
    def write(connection: Connection) -> None:
        connection.execute(insert(audit).values(msgspec.structs.asdict(row)))

    await store.execute_write(write)


async def audit_rows(
    store: CoreStore, facilities: Facilities, chosen: AuditFilter, cursor: str | None, limit: int
) -> Page:
    """The newest first."""
    query = seen_by(select(audit), facilities, audit.c.facility_id)
    for name, value in msgspec.structs.asdict(chosen).items():
        if value is not None:
            query = query.where(audit.c[name] == value)
    return await page(store, query, [audit.c.audit_id], cursor, limit, newest_first=True)


def _key(row: dict[str, Any]) -> ApiKey:
    scopes, facilities = (tuple(json.loads(row.pop(name))) for name in ("scopes_json", "facilities_json"))
    return ApiKey(**row, scopes=scopes, facilities=facilities)

"""Webhook subscriptions as stored: where events are posted, and which.  Never a secret: those are derived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select, update

from gateway.store import delivery
from gateway.store.core_store import CoreStore
from gateway.store.schema import undelivered, webhooks
from gateway.store.statements import conflict_insert


class NameTaken(Exception):
    """There is a webhook of this name."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription.  `types` () and `facilities` None: all.  `secret_id` and `previous_secret_id` say which secrets
    are derived for it; the previous one is live until `previous_until`."""

    name: str
    url: str
    types: tuple[str, ...] = ()
    facilities: tuple[str, ...] | None = None
    payload: str = "reference"  # reference | full
    format: str = "event"  # event | fhir-notification
    restricted: bool = False
    origin: str = "api"  # api | settings
    state: str = "active"  # active | disabled
    reason: str | None = None  # why it is disabled: gone | by-person
    secret_id: str
    previous_secret_id: str | None = None
    previous_until: datetime | None = None
    created_at: datetime
    created_by: str | None = None
    changed_at: datetime


async def list_webhooks(store: CoreStore) -> list[Webhook]:
    return [_webhook(row) for row in await store.fetch(select(webhooks).order_by(webhooks.c.name))]


async def add_webhook(store: CoreStore, webhook: Webhook) -> None:
    """Raises NameTaken."""

    def write(connection: Connection) -> int:
        new = conflict_insert(webhooks, connection.dialect.name).values(_row(webhook)).on_conflict_do_nothing()
        return connection.execute(new).rowcount

    if not await store.execute_write(write):
        raise NameTaken(webhook.name)


async def change_webhook(store: CoreStore, webhook: Webhook) -> None:
    """Write what `webhook` says over the row of its name.  Disabled: what is pending for it is set aside."""

    def write(connection: Connection) -> None:
        connection.execute(update(webhooks).where(webhooks.c.name == webhook.name).values(_row(webhook)))
        if webhook.state == "disabled":
            delivery.set_aside(connection, webhook.name, webhook.changed_at)

    await store.execute_write(write)


async def remove_webhook(store: CoreStore, name: str, now: datetime) -> None:
    """The row goes, and with it what was still to be sent: its ledger says `parked`."""

    def write(connection: Connection) -> None:
        delivery.set_aside(connection, name, now)
        connection.execute(delete(undelivered).where(undelivered.c.sink == name))
        connection.execute(delete(webhooks).where(webhooks.c.name == name))

    await store.execute_write(write)


def _row(webhook: Webhook) -> dict[str, Any]:
    row = msgspec.structs.asdict(webhook)
    facilities = row.pop("facilities")
    lists = {"types_json": row.pop("types"), "facilities_json": ["*"] if facilities is None else facilities}
    return row | {name: json.dumps(value) for name, value in lists.items()}


def _webhook(row: Mapping[str, Any]) -> Webhook:
    given = dict(row)
    types, facilities = (tuple(json.loads(given.pop(name))) for name in ("types_json", "facilities_json"))
    return Webhook(**given, types=types, facilities=None if facilities == ("*",) else facilities)

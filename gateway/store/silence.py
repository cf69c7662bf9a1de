"""When each channel was last heard, by whichever gateway, and which tasks say that one is silent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from gateway.store import schema as s
from gateway.store.core_store import CoreStore


async def last_received(store: CoreStore) -> dict[str, datetime]:
    """Channel -> receipt of its newest message; those that never had one are not named."""
    ledger = s.ledger.c
    query = select(ledger.channel, func.max(ledger.at).label("at")).where(ledger.word == "received")
    return {row["channel"]: row["at"] for row in await store.fetch(query.group_by(ledger.channel))}


async def open_keys(store: CoreStore, rule_id: str) -> list[str]:
    """Keys of the open tasks of a rule that are about no patient."""
    task = s.tasks.c
    query = select(task.task_key).where(task.patient_id == "", task.rule_id == rule_id, task.closed_at.is_(None))
    return [row["task_key"] for row in await store.fetch(query.order_by(task.task_key))]

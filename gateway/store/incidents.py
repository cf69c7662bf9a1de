"""One row per payer that cannot answer: from the first 42 or 80 to the next answer that says something (Core, both
engines)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, update

from gateway.store.ports import PayerWord
from gateway.store.schema import payer_incidents
from gateway.store.statements import conflict_insert


def note(connection: Connection, words: Sequence[PayerWord], now: datetime) -> None:
    """Open, count or close; by payer in one order, so that two writers never wait for each other in a circle."""
    for word in sorted(words, key=lambda one: one.payer_id):
        if word.down:
            connection.execute(_opened(connection, word, now))
        else:
            table = payer_incidents.c
            ended = update(payer_incidents).where(table.payer_id == word.payer_id, table.closed_at.is_(None))
            connection.execute(ended.values(closed_at=now))


def _opened(connection: Connection, word: PayerWord, now: datetime) -> Any:
    row = {"payer_id": word.payer_id, "opened_at": now, "last_at": now, "count": word.answers, "closed_at": None}
    new = conflict_insert(payer_incidents, connection.dialect.name).values(row)
    known = payer_incidents.c
    goes_on = known.closed_at.is_(None)
    changed = {
        "opened_at": case((goes_on, known.opened_at), else_=new.excluded.opened_at),
        "last_at": new.excluded.last_at,
        "count": case((goes_on, known.count + word.answers), else_=word.answers),
        "closed_at": None,
    }
    return new.on_conflict_do_update(index_elements=[known.payer_id], set_=changed)

"""A reader of the API's cursor beside a transaction that stays open (decision 21)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open

pytestmark = pytest.mark.journey


async def test_a_reader_misses_nothing_behind_an_open_transaction(
    postgres_database: str, tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(Ground(tmp_path, postgres_database))
    await played.accepted("adt", sent.register("100", morning, "C1"))
    other = await asyncpg.connect(postgres_database)
    await other.execute("BEGIN")
    await other.execute("INSERT INTO events " + _copy("evt_held"))  # takes its number, and is not committed
    await played.accepted("adt", sent.register("200", morning, "C2"))  # committed behind it

    seen: list[str] = []
    async with played.api() as api:
        position = await _read_on(api, None, seen)
        assert "evt_held" not in seen and len(seen) == len(set(seen)) == 1
        await other.execute("COMMIT")
        await other.close()
        await _read_on(api, position, seen)

    stored = [row.event_id for row in await played.rows("SELECT event_id FROM events ORDER BY tx, seq")]
    assert seen == stored and len(stored) == 3


def _copy(event_id: str) -> str:
    """The first event again, under another id, by the transaction that runs this."""
    given = {"seq": "nextval(pg_get_serial_sequence('events', 'seq'))", "event_id": f"'{event_id}'"}
    given["tx"] = "pg_current_xact_id()::text::bigint"
    given["body"] = f"convert_to(replace(convert_from(body, 'UTF8'), event_id, '{event_id}'), 'UTF8')"
    columns = [
        "seq",
        "tx",
        "event_id",
        "type",
        "facility_id",
        "patient_id",
        "aggregate",
        "aggregate_id",
        "revision",
        "journal_id",
        "item",
        "lane",
        "routing_key",
        "occurred_at",
        "recorded_at",
        "emitted_at",
        "restricted",
        "body",
    ]
    chosen = ", ".join(given.get(name, name) for name in columns)
    return f"({', '.join(columns)}) SELECT {chosen} FROM events ORDER BY seq LIMIT 1"


async def _read_on(api: Any, position: str | None, seen: list[str]) -> str:
    """Page by page to the end; returns where to go on."""
    while True:
        given = {"limit": 1} | ({"cursor": position} if position else {})
        page = (await api.get("/api/v1/events", params=given)).raise_for_status().json()
        position = str(page["next"])
        if not page["items"]:
            return position
        seen += [str(event["id"]) for event in page["items"]]

"""The queries of docs/database.md run on what the day leaves, and the page names every table."""

from __future__ import annotations

import re
import sqlite3

import pytest

from gateway.store.schema import metadata
from scripts.database_document import JOURNEY, KNOWN, OWN
from scripts.generate_docs import DOCS
from tests.docs.played_day import PlayedDay

QUERIES = re.findall(r"```sql\n(.*?)```", (DOCS / "database.md").read_text("utf-8"), re.S)


@pytest.mark.parametrize("number", range(3))
def test_query_of_the_page_finds_something(day: PlayedDay, number: int) -> None:
    path = day.store_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert connection.execute(QUERIES[number]).fetchall()
    finally:
        connection.close()


def test_page_has_every_table_once() -> None:
    named = [*KNOWN, *JOURNEY, *OWN]
    assert sorted(named) == sorted(metadata.tables)

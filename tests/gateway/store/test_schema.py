from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Integer, Table
from sqlalchemy.schema import CreateTable

from gateway.coordination import records
from gateway.coordination.scope import STATE
from gateway.store import schema as s
from gateway.store.columns import UtcDateTime
from gateway.store.migrate import MIGRATIONS, migrate
from gateway.store.ports import EventRow, SchemaMismatch
from gateway.store.rows import from_stored_time, to_stored_time
from gateway.store.sqlite_connection import open_both
from gateway.store.statements import POSTGRESQL
from tests.gateway.store.samples import TABLES

RECORDS = sorted(((s.metadata.tables[name], record) for record, name in TABLES.items()), key=lambda pair: pair[0].name)


@pytest.mark.parametrize(("table", "record"), RECORDS, ids=lambda value: getattr(value, "name", ""))
def test_columns_are_the_record_fields_in_order(table: Table, record: type[records.Record]) -> None:
    fields = msgspec.structs.fields(record)
    assert [column.name for column in table.columns] == [field.name for field in fields]
    for column, field in zip(table.columns, fields, strict=True):
        assert column.nullable == ("None" in str(field.type)), column.name


def test_state_tables_are_those_of_the_scope_in_its_order() -> None:
    assert [table.name for table in s.STATE_TABLES] == [TABLES[record] for record in STATE]
    assert {table.name for table in s.APPENDED_TABLES} == set(TABLES.values()) - {t.name for t in s.STATE_TABLES}


def test_event_columns_follow_the_event_row() -> None:
    assert [column.name for column in s.events.columns] == ["seq", "tx", *EventRow.__struct_fields__]


@pytest.mark.parametrize("table", [t for t in s.metadata.sorted_tables if "facility_id" in t.columns], ids=str)
def test_facility_is_never_null_where_a_row_has_one(table: Table) -> None:
    assert not table.columns["facility_id"].nullable or table is s.audit  # an act may concern no facility


def test_every_state_task_event_outbox_and_journal_row_has_a_facility() -> None:
    tables = (*s.STATE_TABLES, *s.APPENDED_TABLES, s.events, s.outbox, s.journal, s.parked, s.replies, s.undelivered)
    assert [table.name for table in tables if "facility_id" not in table.columns] == []


def test_migrations_make_the_declared_tables_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "baton.db"
    assert migrate(f"sqlite:///{path}") == migrate(f"sqlite:///{path}") == s.REVISION
    connection = open_both(path)
    context = MigrationContext.configure(connection.core, opts={"compare_type": same_type_family})
    assert compare_metadata(context, s.metadata) == []
    connection.close()


def same_type_family(context: object, inspected: object, declared: object, found: object, wanted: object) -> bool:
    """True when the types differ.  SQLite has one integer; its names for it do not matter."""
    if isinstance(found, Integer) and isinstance(wanted, Integer | BigInteger):
        return False
    if isinstance(wanted, UtcDateTime):
        return str(found) != "TEXT"
    return type(found)._type_affinity is not type(wanted)._type_affinity


def test_column_that_may_be_null_is_null_when_it_is_left_out(tmp_path: Path) -> None:
    """Inserts leave out what no row fills."""
    path = tmp_path / "baton.db"
    migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        for table in s.metadata.tables.values():
            found = connection.execute("SELECT name, dflt_value FROM pragma_table_info(?)", (table.name,)).fetchall()
            assert [(name, value) for name, value in found if value is not None and table.c[name].nullable] == []


def test_revision_of_the_schema_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == s.REVISION


def test_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baton.db"
    migrate(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaMismatch):
        migrate(f"sqlite:///{path}")


async def test_migrations_at_once_leave_one_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'baton.db'}"
    assert await asyncio.gather(*(asyncio.to_thread(migrate, url) for _ in range(2))) == [s.REVISION] * 2


@pytest.mark.parametrize("table", s.metadata.sorted_tables, ids=str)
def test_every_table_can_be_made_on_postgresql(table: Table) -> None:
    assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=POSTGRESQL))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00.000000Z"),
        (datetime(2026, 3, 1, 12, 30, 1, 5, tzinfo=UTC), "2026-03-01T12:30:01.000005Z"),
        (datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=-5))), "2026-03-01T05:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_stored_time_is_utc_text_that_reads_back(moment: datetime, text: str) -> None:
    assert to_stored_time(moment) == text
    assert from_stored_time(text) == moment


def test_stored_time_of_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        to_stored_time(datetime(2026, 3, 1))

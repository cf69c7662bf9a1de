from __future__ import annotations

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from gateway.store import schema as s
from gateway.store.migrate import migrate
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_partitions import AHEAD, SIZE
from tests.gateway.store.conftest import Clock
from tests.gateway.store.samples import entry
from tests.support.postgres_server import PostgresServer


async def test_migration_makes_the_declared_tables_also_from_two_processes_at_once(
    postgres_database: str, clock: Clock
) -> None:
    reached = await asyncio.gather(*(asyncio.to_thread(migrate, postgres_database) for _ in range(2)))
    assert reached == [s.REVISION] * 2
    store = PostgresStore(postgres_database, clock=clock)
    await store.open()

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"include_name": _declared, "compare_type": True})
        return list(compare_metadata(context, s.metadata))

    assert await store.read(differences) == []
    await store.close()


def _declared(name: str | None, kind: str, parents: object) -> bool:
    return kind != "table" or name in s.metadata.tables


def test_bodies_are_compressed_by_lz4_in_every_partition(
    postgres_store_url: str, postgres_server: PostgresServer
) -> None:
    found = postgres_server.execute(
        "select count(*) filter (where attcompression = 'l'), count(*) from pg_attribute a join pg_class c "
        "on c.oid = attrelid where attname = 'body' and relkind in ('r', 'p') and (relname like 'journal%' "
        "or relname = 'events')",
        postgres_store_url.rpartition("/")[2],
    )
    compressed, all_of_them = found.split("|")
    assert compressed == all_of_them and int(all_of_them) >= 7


def test_queues_are_vacuumed_early(postgres_store_url: str, postgres_server: PostgresServer) -> None:
    for table in ("work", "outbox", "timer_queued"):
        options = postgres_server.execute(
            f"select reloptions from pg_class where relname = '{table}'", postgres_store_url.rpartition("/")[2]
        )
        assert "autovacuum_vacuum_threshold=20000" in options and "autovacuum_vacuum_scale_factor=0" in options


async def test_partitions_of_the_journal_are_made_ahead_at_open(
    postgres_store_url: str, postgres_server: PostgresServer, clock: Clock
) -> None:
    name = postgres_store_url.rpartition("/")[2]
    postgres_server.execute(f"select setval('arrival', {7 * SIZE - 1})", name)
    stores = [PostgresStore(postgres_store_url, clock=clock) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    stored = await stores[0].ingest([entry(), entry(), entry()])
    assert [one.journal_id for one in stored] == [7 * SIZE, 7 * SIZE + 1, 7 * SIZE + 2]
    where = await stores[0].read(
        lambda core: core.execute(text("SELECT DISTINCT tableoid::regclass::text FROM journal")).scalars().all()
    )
    assert where == ["journal_000007"]
    made = postgres_server.execute("select count(*) from pg_class where relname ~ '^journal_0000[0-9]{2}$'", name)
    assert int(made) >= 4 + AHEAD
    for store in stores:
        await store.close()


async def test_id_beyond_every_partition_is_kept_in_the_default_one(
    postgres_store_url: str, postgres_server: PostgresServer, clock: Clock
) -> None:
    store = PostgresStore(postgres_store_url, clock=clock)
    await store.open()
    postgres_server.execute(f"select setval('arrival', {90 * SIZE})", postgres_store_url.rpartition("/")[2])
    (stored,) = await store.ingest([entry(b"far")])
    await store.close()
    again = PostgresStore(postgres_store_url, clock=clock)
    await again.open()
    session = await again.claim(1)
    assert session is not None
    async with session:
        assert (session.items[0].journal_id, session.items[0].body) == (stored.journal_id, b"far")
    await again.close()

from __future__ import annotations

from pathlib import Path

from gateway.event_sinks import BUS, EventSink
from gateway.settings import Settings
from gateway.store.opening import open_store
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.conftest import Clock


def test_store_of_the_settings_is_a_file_without_a_bus(tmp_path: Path, clock: Clock) -> None:
    store = open_store(Settings(gateway={"data_dir": str(tmp_path)}), clock)  # type: ignore[arg-type]
    assert isinstance(store, SqliteStore)
    assert (store.path, store.sinks) == (tmp_path / "baton.db", ())


def test_store_of_the_settings_is_postgresql_with_a_bus(clock: Clock) -> None:
    section = {"url": "postgresql://baton@localhost/baton"}
    store = open_store(Settings(store=section, bus={"url": "amqp://localhost/"}), clock)  # type: ignore[arg-type]
    assert isinstance(store, PostgresStore)
    assert store.sinks == (BUS,)


def test_granted_queue_is_a_sink_of_its_own(clock: Clock) -> None:
    bus = {"url": "amqp://localhost/", "queue": [{"name": "all"}, {"name": "psychiatry", "restricted": True}]}
    section = {"url": "postgresql://baton@localhost/baton"}
    store = open_store(Settings(store=section, bus=bus), clock)  # type: ignore[arg-type]
    assert [(sink.name, sink.restricted) for sink in store.sinks] == [("bus", False), ("bus-granted", True)]


def test_store_queues_events_for_the_channels_that_are_sent_events(tmp_path: Path, clock: Clock) -> None:
    letters = EventSink("letters", ("task.*",))
    store = open_store(Settings(gateway={"data_dir": str(tmp_path)}), clock, (letters,))  # type: ignore[arg-type]
    assert store.sinks == (letters,)

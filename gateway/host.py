"""What those who work beside the way of messages may ask of the running gateway."""

from __future__ import annotations

from typing import Protocol

from gateway.clock import Clock
from gateway.coordination.changes import Command
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.store.ports import WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.telemetry import Metrics


class Host(Protocol):
    """A running gateway, as the desk and the webhooks know it."""

    settings: Settings
    clock: Clock
    relays: dict[str, Relay]
    metrics: Metrics

    @property
    def store(self) -> SqliteStore | PostgresStore: ...

    def channel_state(self, name: str) -> str: ...

    async def execute_command(self, command: Command, patient_id: str) -> WriteSet:
        """A person's act on a task.  Raises gateway.pipeline.Conflict."""
        ...

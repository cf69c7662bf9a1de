"""What both stores do alike, in Core: the ledger, parked items, small facts, retention.

A store gives two things: `read` runs a function on a snapshot, `execute_write` runs one in a transaction.
"""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, delete, insert, inspect, select, text, update

from gateway.event_sinks import EventSink
from gateway.store import delivery, forwarding, parking, staging
from gateway.store.forwarding import Replay
from gateway.store.ledger import COUNTED, IN_FLIGHT, PENDING, Ledger, balance
from gateway.store.ports import EventRow, Session
from gateway.store.pruning import Prunable, Pruned, Retention, candidates, prunable, remove
from gateway.store.schema import (
    channel_state,
    config_version,
    gateway_state,
    journal,
    journal_part,
    outbox,
    parked,
    patients,
)
from gateway.store.statements import conflict_insert

T = TypeVar("T")


NOBODYS_LANE = frozenset((0,))
"""In which the tasks that are about no patient change."""


class CoreStore(ABC):
    clock: Callable[[], datetime]
    sinks: tuple[EventSink, ...] = ()
    message_sinks: frozenset[str] = frozenset()
    """Sinks whose outbox rows are messages of the journal."""

    @abstractmethod
    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on one consistent snapshot."""

    @abstractmethod
    async def execute_write(self, write: Callable[[Connection], T]) -> T:
        """Run `write` in a transaction of its own, after intake and pipeline."""

    @abstractmethod
    async def read_events(
        self,
        after: str | None,
        limit: int,
        *,
        types: frozenset[str] | None = None,
        facilities: frozenset[str] | None = None,
    ) -> tuple[list[tuple[str, EventRow]], str]:
        """Events in commit order after position `after`, each with its position, and where to go on (decision 21)."""

    @abstractmethod
    async def hold(self, lanes: frozenset[int]) -> Session:
        """A session without items that holds these lanes, waiting for them."""

    async def patient_lanes(self, patient_id: str) -> frozenset[int]:
        """The lanes of a patient and of all that were merged into him; none when he is not known."""
        found = await self.fetch(select(patients.c.lanes_json).where(patients.c.patient_id == patient_id))
        return frozenset(json.loads(found[0]["lanes_json"])) if found else frozenset()

    async def claim_patient(self, patient_id: str, further: frozenset[int] = frozenset()) -> Session:
        """An empty session that holds the lanes of one patient and `further` ones, for a command: also when a merge
        gave him more while it waited.  What is nobody's has a lane of its own."""
        while True:
            lanes = await self.patient_lanes(patient_id) or NOBODYS_LANE
            session = await self.hold(lanes | further)
            if await self.patient_lanes(patient_id) <= lanes:
                return session
            await session.__aexit__(None, None, None)

    async def fetch(self, statement: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
        return await self.read(lambda connection: [dict(row) for row in connection.execute(statement).mappings()])

    async def body_part(self, journal_id: int, number: int) -> bytes | None:
        """One part of a body, counted from 0; None behind the last.  Of one that is not kept in parts it is all."""
        row, part = journal.c, journal_part.c
        found = await self.fetch(select(part.body).where(part.journal_id == journal_id, part.part == number))
        if number == 0 and not found:
            found = await self.fetch(select(row.body).where(row.journal_id == journal_id, row.body.is_not(None)))
        return bytes(found[0]["body"]) if found else None

    async def begin_body(self) -> int:
        """The number under which the parts of one body are kept ahead of its message."""
        now = self.clock()
        return await self.execute_write(lambda connection: staging.begin(connection, now))

    async def add_part(self, staged: int, number: int, part: bytes) -> None:
        await self.execute_write(lambda connection: staging.add(connection, staged, number, part))

    async def drop_body(self, staged: int) -> None:
        """Remove the parts of what became no message."""
        while await self.execute_write(lambda connection: staging.remove_some(connection, staged)):
            pass

    async def drop_left(self, before: datetime) -> None:
        """Remove what was staged by an intake that began before that moment and never ended."""
        for row in await self.fetch(staging.left(before)):
            await self.drop_body(row["journal_id"])

    async def ledger(self) -> Ledger:
        """Both equations of decision 7 at one moment."""

        def counted(connection: Connection) -> Ledger:
            rows = [connection.execute(query).all() for query in (COUNTED, IN_FLIGHT, PENDING)]
            return balance(*rows)

        return await self.read(counted)

    # -- parked items ----------------------------------------------------------------------------------------------

    async def retry_parked(self, parked_id: int, actor: str, reason: str | None = None) -> bool:
        """The item becomes work again; False: nothing is parked under this id."""
        now = self.clock()
        return await self.execute_write(
            lambda connection: parking.retry(connection, parked_id, now=now, actor=actor, why=reason)
        )

    async def discard_parked(self, parked_id: int, actor: str, reason: str | None = None) -> bool:
        """The item ends as filtered; what waited behind it goes on."""
        now = self.clock()
        async with await self._hold_item(parked_id):
            return await self.execute_write(
                lambda connection: parking.discard(connection, parked_id, now=now, actor=actor, why=reason)
            )

    async def edit_parked(self, parked_id: int, body: bytes, actor: str, reason: str | None = None) -> int | None:
        """A corrected body takes the item's place as a new journal row linked to the old; returns its id."""
        now = self.clock()
        async with await self._hold_item(parked_id):
            return await self.execute_write(
                lambda connection: parking.replace(connection, parked_id, body, now=now, actor=actor, why=reason)
            )

    async def _hold_item(self, parked_id: int) -> Session:
        """The lanes of a parked item: its patient's gap changes with it."""
        rows = await self.fetch(select(parked.c.lanes_json).where(parked.c.parked_id == parked_id))
        return await self.hold(frozenset(json.loads(rows[0]["lanes_json"])) if rows else frozenset())

    async def publish_again(self, sink: str) -> int:
        """What a sink did not route or refused becomes pending once more (decision 22); returns how much."""
        now = self.clock()
        return await self.execute_write(lambda connection: delivery.publish_again(connection, sink, now))

    async def set_aside(self, sink: str) -> int:
        """What is pending for a sink that is not there any more becomes parked; returns how much."""
        now = self.clock()
        return await self.execute_write(lambda connection: delivery.set_aside(connection, sink, now))

    async def send_again(self, sink: str, choose: Callable[[Connection], Replay], *, dry_run: bool) -> Replay:
        """What `choose` finds becomes pending for `sink` once more, each in its old place; `dry_run` only says it."""
        now = self.clock()

        def write(connection: Connection) -> Replay:
            found = choose(connection)
            forwarding.send_again(connection, sink, found, now)
            return found

        return await (self.read(choose) if dry_run else self.execute_write(write))

    # -- small facts of the installation ---------------------------------------------------------------------------

    async def fact(self, name: str) -> str | None:
        rows = await self.fetch(select(gateway_state.c.value).where(gateway_state.c.name == name))
        return rows[0]["value"] if rows else None

    async def set_fact(self, name: str, value: str) -> None:
        def write(connection: Connection) -> None:
            new = conflict_insert(gateway_state, connection.dialect.name).values(name=name, value=value)
            replaced = {"value": new.excluded.value}
            connection.execute(new.on_conflict_do_update(index_elements=[gateway_state.c.name], set_=replaced))

        await self.execute_write(write)

    async def salt(self) -> bytes:
        """Secret of this installation, made once: ids derived with it tell nothing about a patient."""

        def make(connection: Connection) -> bytes:
            row = {"name": "salt", "value": secrets.token_hex(32)}
            new = conflict_insert(gateway_state, connection.dialect.name).values(row).on_conflict_do_nothing()
            connection.execute(new)
            found = select(gateway_state.c.value).where(gateway_state.c.name == "salt")
            return bytes.fromhex(connection.execute(found).scalar_one())

        return await self.execute_write(make)

    # -- channels and configuration ------------------------------------------------------------------------------------

    async def channel_states(self) -> dict[str, str]:
        """Channel -> running | paused | draining, as a person last set it."""
        rows = await self.fetch(select(channel_state.c.channel, channel_state.c.state))
        return {row["channel"]: row["state"] for row in rows}

    async def set_channel_state(self, channel: str, state: str, actor: str) -> None:
        """Kept over a restart: what a person paused stays paused."""
        row = {"channel": channel, "state": state, "changed_at": self.clock(), "actor": actor}

        def write(connection: Connection) -> None:
            connection.execute(delete(channel_state).where(channel_state.c.channel == channel))
            connection.execute(insert(channel_state).values(**row))

        await self.execute_write(write)

    async def note_configuration(self, version: int, digest: str) -> None:
        """Messages carry the version of the settings they were taken in with; this says when it was applied."""
        row = {"version": version, "applied_at": self.clock(), "digest": digest}

        def write(connection: Connection) -> None:
            connection.execute(delete(config_version).where(config_version.c.version == version))
            connection.execute(insert(config_version).values(**row))

        await self.execute_write(write)

    async def outbox_postpone(self, sink: str, postponed: Sequence[tuple[int, int, datetime]]) -> None:
        row = outbox.c
        said = update(outbox).where(row.sink == sink, row.sequence == bindparam("number"))
        said = said.values(refusals=bindparam("refused"), due_at=bindparam("due"))
        rows = [{"number": number, "refused": refusals, "due": due} for number, refusals, due in postponed]

        def write(connection: Connection) -> None:
            connection.execute(said, rows)

        await self.execute_write(write)

    # -- retention -------------------------------------------------------------------------------------------------

    async def prune(self, now: datetime, retention: Retention, *, dry_run: bool = False) -> Pruned:
        """Remove what is past its retention, in bounded steps so that no writer waits long; returns how much went, or
        with `dry_run` would go."""
        counts: dict[str, int] = {}
        for name, kind in prunable(now, retention).items():
            counts[name] = await self._prune(kind, dry_run)
        return Pruned(**counts)

    async def _prune(self, kind: Prunable, dry_run: bool) -> int:
        gone, after = 0, None
        while keys := await self.read(partial(candidates, kind=kind, after=after)):
            gone += len(keys) if dry_run else await self.execute_write(partial(remove, kind=kind, keys=keys))
            after = keys[-1]
        return gone


def revision(connection: Connection) -> str | None:
    """The migration that the store is at; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found

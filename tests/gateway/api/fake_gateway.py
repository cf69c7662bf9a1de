"""The rest of the gateway as a fake at the API's port, and rows to look at."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.api.auth import SCOPES
from gateway.api.ports import ChannelStatus, Facts
from gateway.certificates import Certificates
from gateway.coordination.changes import Ask, Command, Undo
from gateway.coordination.records import Patient, PatientIdentifier, Task, TaskChange, Transition
from gateway.pipeline import Conflict
from gateway.relay import Relay
from gateway.replayer import Replayer
from gateway.settings import Settings
from gateway.store import access, queries
from gateway.store.ports import EventRow, ItemEnd, JournalEntry, Parked, WriteSet
from gateway.store.sqlite import SqliteStore
from gateway.store.webhooks import Webhook, add_webhook
from gateway.telemetry import Metrics
from gateway.webhooks import Webhooks

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ALL = tuple(SCOPES)
CANARY = "ZZCANARY"


def values(record: msgspec.Struct) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]


class FakeGateway:
    """A gateway whose channels are words and whose commands change the task row."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.settings = Settings(
            gateway={"data_dir": str(store.path.parent)},  # type: ignore[arg-type]
            webhooks={"allow": ["127.0.0.1"]},  # type: ignore[arg-type]
            facility=({"id": "main"}, {"id": "north"}),  # type: ignore[arg-type]
            channel=[
                {"name": "adt", "kind": "mllp-listener"},
                {"name": "adt-north", "kind": "mllp-listener", "port": 2576, "default_facility": "north"},
            ],  # type: ignore[arg-type]
        )
        self.metrics = Metrics()
        self.certificates = Certificates()
        self.relays: dict[str, Relay] = {}
        self.webhooks = Webhooks(self)  # type: ignore[arg-type]
        self.replayer = Replayer(store, dict, self.wake)
        self.states = {"adt": "running", "adt-north": "running"}
        self.ready = True
        self.woken = 0
        self.commands: list[Command] = []
        self.committed = asyncio.Event()

    def clock(self) -> datetime:
        return NOON

    async def execute_command(self, command: Command, patient_id: str) -> None:
        task = await queries.task(self.store, None, command.task_id)
        if task is None:
            raise Conflict("not-found: task")
        if command.revision not in (None, task["revision"]):
            raise Conflict(f"conflict: the task is at revision {task['revision']}")
        if command.name == "reassign" and not (command.owner or command.queue):
            raise Conflict("invalid: an owner or a queue is needed")
        self.commands.append(command)
        changed = Task(**task | {"revision": task["revision"] + 1, "owner": command.actor, "status": "accepted"})
        change = TaskChange(
            task_id=changed.task_id,
            revision=changed.revision,
            facility_id=changed.facility_id,
            at=NOON,
            actor=command.actor,
            change="claimed",
        )
        appended = {"task_changes": [values(change)]}
        if command.request is not None:
            appended["task_requests"] = [
                [command.request, changed.facility_id, command.task_id, command.request_digest, NOON]
            ]
        await write(self.store, WriteSet(rows={"tasks": [values(changed)]}, appended=appended))

    async def ask(self, question: Ask | Undo, *, dry_run: bool = False) -> WriteSet:
        raise Conflict("invalid: no partner takes questions for this payer")

    async def facts(self) -> Facts:
        return Facts(ready=self.ready, in_flight=5, feed_quiet_seconds={"adt": 3.0})

    async def channels(self) -> list[ChannelStatus]:
        return [
            ChannelStatus(
                name=channel.name,
                kind=channel.kind,
                stage=channel.stage,
                state=self.states[channel.name],
                facility_id=channel.default_facility,
            )
            for channel in self.settings.channel
        ]

    def channel_state(self, name: str) -> str:
        return self.states.get(name, "disabled")

    async def pause_channel(self, name: str, actor: str) -> None:
        self.states[name] = "paused"

    async def resume_channel(self, name: str, actor: str) -> None:
        self.states[name] = "running"

    async def drain_channel(self, name: str, actor: str) -> None:
        self.states[name] = "draining"

    def wake(self) -> None:
        self.woken += 1

    async def wait_for_events(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.committed.wait()
        except TimeoutError:
            pass
        self.committed.clear()


async def write(store: SqliteStore, writes: WriteSet) -> None:
    session = await store.claim_patient("pat_main")
    async with session:
        await session.commit(writes)


def make_task(task_id: str, facility_id: str, **given: Any) -> Task:
    fields: dict[str, Any] = {
        "task_id": task_id,
        "facility_id": facility_id,
        "revision": 1,
        "task_key": f"key-{task_id}",
        "rule_id": "discharge-contact-2bd",
        "rule_version": 1,
        "type": "contact",
        "title": "Call the patient",
        "priority": "routine",
        "due_at": NOON + timedelta(days=2),
        "queue": "transitions",
        "status": "requested",
        "patient_id": f"pat_{facility_id}",
        "reason": "Discharged home",
        "evidence_json": '[{"message_id": "m-1", "location": "PV1^1^45"}]',
        "opened_at": NOON,
        "updated_at": NOON,
    }
    return Task(**fields | given)


def make_webhook(name: str, **given: Any) -> Webhook:
    """Nobody listens at its address."""
    fields: dict[str, Any] = {"name": name, "url": "https://127.0.0.1:9/hook", "secret_id": "one"}
    fields |= {"state": "disabled", "reason": "by-person"}
    return Webhook(**fields | {"created_at": NOON, "changed_at": NOON} | given)


def event_row(number: int, facility_id: str, journal_id: int = 0) -> EventRow:
    return EventRow(
        event_id=f"evt_{facility_id}_{number}",
        type="task.created",
        facility_id=facility_id,
        patient_id=f"pat_{facility_id}",
        aggregate="task",
        aggregate_id=f"tsk_{facility_id}",
        revision=1,
        journal_id=journal_id,
        item=0,
        lane=1,
        routing_key=f"task.created.{facility_id}",
        occurred_at=NOON,
        recorded_at=NOON,
        emitted_at=NOON,
        restricted=False,
        body=b'{"id":"evt_%s_%d"}' % (facility_id.encode(), number),
    )


async def fill(store: SqliteStore) -> None:
    """One message, patient, task, event, transition, parked item and audit row per facility: ids end in its name."""
    for facility_id in ("main", "north"):
        channel = "adt" if facility_id == "main" else "adt-north"
        entries = [
            JournalEntry(
                channel=channel,
                kind="hl7v2",
                facility_id=facility_id,
                peer="10.0.0.1:1",
                received_at=NOON,
                body=b"MSH|^~\\&|" + CANARY.encode(),
                lanes=(1,),
                acknowledgement="AA",
                message_type="ADT^A01",
                control_id=f"{channel}-{number}",
                sender=f"EPIC|{channel}",
            )
            for number in range(2)
        ]
        first, second = [stored.journal_id for stored in await store.ingest(entries)]
        session = await store.claim(10)
        assert session is not None
        async with session:
            work = [item.work_id for item in session.items]
            await session.commit(_writes(facility_id, channel, first, second, work))
        await add_webhook(store, make_webhook(f"hook-{facility_id}", facilities=(facility_id,)))
        await access.add_audit(store, access.NewAudit(at=NOON, action="seed", object="x", facility_id=facility_id))


def _writes(facility_id: str, channel: str, first: int, second: int, work: list[int]) -> WriteSet:
    patient = Patient(
        patient_id=f"pat_{facility_id}",
        facility_id=facility_id,
        revision=1,
        authority="HOSP",
        mrn=f"{CANARY}-{facility_id}",
        family=CANARY,
        birth_date="1950-01-31",
        created_at=NOON,
        updated_at=NOON,
    )
    identifier = PatientIdentifier(
        authority="HOSP", value=patient.mrn, patient_id=patient.patient_id, facility_id=facility_id, since=NOON
    )
    transition = Transition(
        transition_id=f"trn_{facility_id}",
        facility_id=facility_id,
        patient_id=patient.patient_id,
        kind="encounter-status",
        aggregate="encounter",
        aggregate_id="enc_1",
        message_id=f"m-{first}",
        event_id="evt_1",
        occurred_at=NOON,
        at=NOON,
    )
    parked = Parked(
        journal_id=second,
        item=0,
        channel=channel,
        facility_id=facility_id,
        stage="map",
        reason="no-patient-id",
        detail="PID^1^3",
        attempts=1,
        kind="read",
        lanes=(1,),
    )
    return WriteSet(
        rows={
            "patients": [values(patient)],
            "patient_identifiers": [values(identifier)],
            "tasks": [values(make_task(f"tsk_{facility_id}", facility_id))],
        },
        appended={"transitions": [values(transition)]},
        events=[event_row(1, facility_id, first)],
        done=work,
        ends=[
            ItemEnd(journal_id=first, item=0, end="processed", channel=channel),
            ItemEnd(journal_id=second, item=0, end="parked", reason="no-patient-id", channel=channel),
        ],
        parked=[parked],
    )

"""The tables of both stores, declared once (SQLAlchemy Core).

Three families:
- the way of a message: `journal` is append-only and wide; what is pending lives in small tables whose rows go when done
  (`work`, `outbox`, `parked`, `seen`, `timer_queued`), so that claiming costs the same at any history;
- what is known: one table per record type of `gateway.coordination.records`, columns derived from its fields in order;
- the gateway's own facts: keys, audit, channel state, configuration versions (`schema_facts`).

Times are `timestamptz` on PostgreSQL and sortable ISO text in UTC on SQLite.  Columns named `*_json` hold JSON text.
Migrations build the tables (`gateway/store/migrations`); a test holds migrations and this module together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    Table,
    Text,
    text,
)

from gateway.coordination import records
from gateway.store.columns import BIGINT, UtcDateTime, record_columns, words
from gateway.store.columns import metadata as metadata
from gateway.store.ports import EventRow
from gateway.store.schema_exchange import exchange_table
from gateway.store.schema_facts import (
    absences as absences,
)
from gateway.store.schema_facts import (
    api_keys as api_keys,
)
from gateway.store.schema_facts import (
    audit as audit,
)
from gateway.store.schema_facts import (
    channel_state as channel_state,
)
from gateway.store.schema_facts import (
    config_version as config_version,
)
from gateway.store.schema_facts import (
    digests as digests,
)
from gateway.store.schema_facts import (
    gateway_state as gateway_state,
)
from gateway.store.schema_facts import (
    sequence_number as sequence_number,
)
from gateway.store.schema_facts import (
    task_filters as task_filters,
)
from gateway.store.schema_facts import (
    webhooks as webhooks,
)

REVISION = "0020"
"""The newest migration: it leaves these tables."""


arrival = Sequence("arrival", metadata=metadata)
"""PostgreSQL: the one sequence behind journal_id and work_id, so that order of work is order of receipt.  SQLite keeps
the same number in `gateway_state`."""

QUEUE_OPTIONS: dict[str, Any] = {  # limits.md section 5: dead rows of a queue must go before claims slow down
    "autovacuum_vacuum_threshold": 20000,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_cost_delay": 0,
}
SEEN_OPTIONS: dict[str, Any] = {  # plans are kept: one made for a handful of rows would scan what became many
    "autovacuum_analyze_threshold": 50000,
    "autovacuum_vacuum_threshold": 50000,
    "autovacuum_vacuum_insert_threshold": 50000,
}
STATE_OPTIONS: dict[str, Any] = {"fillfactor": 80}  # updates stay in the page


journal = Table(
    "journal",
    metadata,
    Column("journal_id", BIGINT, primary_key=True, autoincrement=False),
    *words("channel", "kind", "facility_id", "peer"),
    Column("received_at", UtcDateTime, nullable=False),
    *words("control_id", "message_type", "sender"),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the bytes as received
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary),  # null: duplicate, kept in journal_part, or pruned
    Column("duplicate_of", BigInteger),
    Column("rejected", Text),
    Column("acknowledgement", Text, nullable=False),
    Column("config_version", Integer, nullable=False),
    Column("replay_of", BigInteger),  # edited copy of that row (decision: who and why are kept)
    *words("edited_by", "edit_reason", nullable=True),
    Column("same_id_as", BigInteger),  # an earlier row of its sender with its control id and other content
    postgresql_partition_by="RANGE (journal_id)",
)

Index(
    "ix_journal_interchange",
    journal.c.sender,
    journal.c.control_id,
    sqlite_where=text("kind = 'x12'"),
    postgresql_where=text("kind = 'x12'"),
)

journal_part = Table(
    "journal_part",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

staged_body = Table(  # parts that are stored ahead of their journal row
    "staged_body",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("started_at", UtcDateTime, nullable=False),
)

seen = Table(
    "seen",
    metadata,
    Column("dedup_key", LargeBinary, primary_key=True),
    Column("journal_id", BigInteger, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
    postgresql_with=SEEN_OPTIONS,
)

work = Table(
    "work",
    metadata,
    Column("work_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_id", BigInteger, nullable=False),  # 0: a timer
    Column("item", Integer, nullable=False),
    *words("kind", "channel", "source_kind"),  # kind: read | event | timer
    Column("received_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("replayed", Boolean, nullable=False),
    Column("payload", LargeBinary),
    sqlite_with_rowid=False,
    postgresql_with=QUEUE_OPTIONS,
)
Index(
    "uq_work_event",  # hop 2: one work row per item and lane (decision 14)
    work.c.journal_id,
    work.c.item,
    work.c.lane,
    unique=True,
    sqlite_where=text("kind = 'event'"),
    postgresql_where=text("kind = 'event'"),
)

item_end = Table(
    "item_end",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("word", Text, nullable=False),  # processed | filtered | duplicate | rejected | parked
    Column("reason", Text),
    Column("channel", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

ledger = Table(
    "ledger",
    metadata,
    Column("channel", Text, primary_key=True),  # or "sink:<name>"
    Column(
        "slot", Integer, primary_key=True, autoincrement=False
    ),  # writers of different slots never wait for each other
    Column("word", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),  # of the newest one: a channel's last received, last processed
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},
)

parked = Table(
    "parked",
    metadata,
    Column("parked_id", BIGINT, primary_key=True),
    Column("journal_id", BigInteger, nullable=False),
    Column("item", Integer, nullable=False),
    *words("channel", "facility_id", "stage", "reason", "detail"),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", UtcDateTime, nullable=False),
    *words("kind", "lanes_json"),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("uq_parked_item", parked.c.journal_id, parked.c.item, unique=True)

match_key = Table(
    "match_key",
    metadata,
    Column("key", Text, primary_key=True),
    Column("parked_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

parked_history = Table(
    "parked_history",
    metadata,
    Column("parked_id", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_id", BigInteger, nullable=False, index=True),
    Column("item", Integer, nullable=False),
    *words("channel", "facility_id", "stage", "reason"),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime, nullable=False),
    *words("resolution", "actor"),  # retried | discarded | edited
    Column("why", Text),
)


def _record_table(name: str, record: type[records.Record], *key: str) -> Table:
    return Table(name, metadata, *record_columns(record, key), postgresql_with=STATE_OPTIONS)


patients = _record_table("patients", records.Patient, "patient_id")
Index("ix_patients_birth", patients.c.birth_date)
_GAP = text("gap_since IS NOT NULL")
Index("ix_patients_gap", patients.c.gap_since, sqlite_where=_GAP, postgresql_where=_GAP)
patient_identifiers = _record_table("patient_identifiers", records.PatientIdentifier, "authority", "value")
Index("ix_patient_identifiers_patient", patient_identifiers.c.patient_id)
Index("ix_patient_identifiers_value", patient_identifiers.c.value)
encounters = _record_table("encounters", records.Encounter, "encounter_id")
Index("ix_encounters_patient", encounters.c.patient_id)
Index("ix_encounters_visit", encounters.c.visit_number)
encounter_locations = _record_table("encounter_locations", records.EncounterLocation, "encounter_id", "sequence")
appointments = _record_table("appointments", records.Appointment, "appointment_id")
Index("ix_appointments_patient", appointments.c.patient_id)
Index("ix_appointments_schedule", appointments.c.facility_id, appointments.c.status, appointments.c.start_at)
coverages = _record_table("coverages", records.Coverage, "coverage_id")
Index("ix_coverages_patient", coverages.c.patient_id)
Index("ix_coverages_member", coverages.c.member_id)
authorizations = _record_table("authorizations", records.Authorization, "authorization_id")
Index("ix_authorizations_patient", authorizations.c.patient_id)
Index("ix_authorizations_trace", authorizations.c.trace)
Index("ix_authorizations_number", authorizations.c.number)
Index("ix_authorizations_tracking", authorizations.c.tracking_number)
tasks = _record_table("tasks", records.Task, "task_id")
Index("uq_tasks_key", tasks.c.task_key, unique=True)
Index("ix_tasks_patient", tasks.c.patient_id)
Index("ix_tasks_queue", tasks.c.queue, tasks.c.status, tasks.c.due_at)
Index("ix_tasks_facility", tasks.c.facility_id, tasks.c.status, tasks.c.due_at)
Index("ix_tasks_due", tasks.c.due_at, tasks.c.task_id)
_OPEN = text("closed_at IS NULL")
Index("ix_tasks_owner", tasks.c.owner, sqlite_where=_OPEN, postgresql_where=_OPEN)
timers = _record_table("timers", records.Timer, "timer_id")
Index("ix_timers_patient", timers.c.patient_id)
Index("ix_timers_fire", timers.c.fire_at)
inquiries = _record_table("inquiries", records.Inquiry, "inquiry_id")
Index("ix_inquiries_patient", inquiries.c.patient_id)
Index("ix_inquiries_trace", inquiries.c.trace)
Index("ix_inquiries_reference", inquiries.c.reference)
Index("ix_inquiries_due", inquiries.c.due_at)
Index("ix_inquiries_asked", inquiries.c.asked_at, inquiries.c.inquiry_id)

task_changes = _record_table("task_changes", records.TaskChange)  # several changes may share one revision: no key
Index("ix_task_changes_task", task_changes.c.task_id, task_changes.c.revision)
Index("ix_task_changes_cause", task_changes.c.cause)
transitions = _record_table("transitions", records.Transition, "transition_id")
Index("ix_transitions_patient", transitions.c.patient_id, transitions.c.at)
Index("ix_transitions_message", transitions.c.message_id)
merges = _record_table("merges", records.Merge, "merge_id")
Index("ix_merges_survivor", merges.c.survivor_id)
Index("ix_merges_prior", merges.c.prior_id)
task_requests = _record_table("task_requests", records.TaskRequest, "request_id")
Index("ix_task_requests_at", task_requests.c.at)

STATE_TABLES: tuple[Table, ...] = (
    patients,
    patient_identifiers,
    encounters,
    encounter_locations,
    appointments,
    coverages,
    authorizations,
    tasks,
    timers,
    inquiries,
)
"""Loaded, changed, upserted by primary key; the order of `scope.STATE`."""
APPENDED_TABLES: tuple[Table, ...] = (task_changes, transitions, merges, task_requests)

timer_queued = Table(
    "timer_queued",
    metadata,
    Column("timer_id", Text, primary_key=True),
    Column("work_id", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
    postgresql_with=QUEUE_OPTIONS,
)

events = Table(
    "events",
    metadata,
    Column("seq", BIGINT, primary_key=True),
    Column(
        "tx", BigInteger, nullable=False
    ),  # PostgreSQL: pg_current_xact_id(), for reading in commit order; SQLite: 0
    *record_columns(EventRow),
    sqlite_autoincrement=True,
)
Index("uq_events_event", events.c.event_id, unique=True)
Index("ix_events_position", events.c.tx, events.c.seq)
Index("ix_events_patient", events.c.patient_id, events.c.seq)
Index("ix_events_journal", events.c.journal_id)
_REFUSED = text("type = 'eligibility.rejected'")  # figures ask for these alone; the others cost nothing
Index("ix_events_refused", events.c.emitted_at, sqlite_where=_REFUSED, postgresql_where=_REFUSED)

replies = Table(
    "replies",
    metadata,
    Column("reply_id", BIGINT, primary_key=True),
    Column("journal_id", BigInteger, nullable=False, index=True),
    *words("channel", "partner", "kind", "facility_id"),
    Column("control_number", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("inquiry_id", Text),  # of a 270 or 278 of ours; null: it answers an interchange
    sqlite_autoincrement=True,
)
Index("ix_replies_control", replies.c.partner, replies.c.control_number)

exchange = exchange_table(metadata)

payer_incidents = Table(
    "payer_incidents",
    metadata,
    Column("payer_id", Text, primary_key=True),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("count", Integer, nullable=False),  # answers that said so since it was opened
    Column("closed_at", UtcDateTime),
)

control_number = Table(
    "control_number",
    metadata,
    Column("partner", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),  # the last one given out
)


def _delivery_columns() -> list[Column[Any]]:
    return [
        Column("sink", Text, primary_key=True),  # "bus" and other event sinks, or the channel of a reply
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),  # events.seq, or replies.reply_id
        Column("key", Text, nullable=False),  # orders deliveries: patient id, or partner
        Column("lane", BigInteger, nullable=False),
        Column("facility_id", Text, nullable=False),
        Column("queued_at", UtcDateTime, nullable=False),
    ]


outbox = Table(
    "outbox",
    metadata,
    *_delivery_columns(),
    Column("refusals", Integer, nullable=False, server_default=text("0")),  # by the endpoint of a webhook
    Column("due_at", UtcDateTime),  # it is tried again; null: at once
    sqlite_with_rowid=False,
    postgresql_with=QUEUE_OPTIONS,
)

undelivered = Table(  # settled as unrouted or parked: kept so that it can be published again (decision 22)
    "undelivered",
    metadata,
    *_delivery_columns(),
    Column("outcome", Text, nullable=False),  # unrouted | parked
    Column("settled_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

"""The first tables.

Frozen text: a later change of `gateway/store/schema.py` gets a migration of its own.  What the engines call differently
stands in braces.  One statement per `;`.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

PARTITION = 5_000_000
"""Journal ids per partition on PostgreSQL."""

SQLITE = {
    "timestamp": "TEXT",
    "bytes": "BLOB",
    "key": "INTEGER",
    "numbered": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "keyed": "WITHOUT ROWID",
    "queue": "",
    "state": "",
    "ledger": "",
    "partitioned": "",
}

POSTGRESQL = {
    "timestamp": "TIMESTAMPTZ",
    "bytes": "BYTEA",
    "key": "BIGINT",
    "numbered": "BIGSERIAL NOT NULL PRIMARY KEY",
    "keyed": "",
    "queue": "WITH (autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0, "
    "autovacuum_vacuum_cost_delay = 0)",
    "state": "WITH (fillfactor = 80)",
    "ledger": "WITH (fillfactor = 50)",
    "partitioned": "PARTITION BY RANGE (journal_id)",
}

TABLES = """
CREATE TABLE journal (
    journal_id {key} NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL, facility_id TEXT NOT NULL,
    peer TEXT NOT NULL, received_at {timestamp} NOT NULL, control_id TEXT NOT NULL, message_type TEXT NOT NULL,
    sender TEXT NOT NULL, digest {bytes} NOT NULL, size BIGINT NOT NULL, body {bytes}, duplicate_of BIGINT,
    rejected TEXT, acknowledgement TEXT NOT NULL, config_version INTEGER NOT NULL, replay_of BIGINT, edited_by TEXT,
    edit_reason TEXT, PRIMARY KEY (journal_id)
) {partitioned};
CREATE TABLE journal_part (
    journal_id BIGINT NOT NULL, part INTEGER NOT NULL, body {bytes} NOT NULL, PRIMARY KEY (journal_id, part)
);
CREATE TABLE seen (
    dedup_key {bytes} NOT NULL, journal_id BIGINT NOT NULL, seen_at {timestamp} NOT NULL, PRIMARY KEY (dedup_key)
) {keyed};
CREATE TABLE work (
    work_id BIGINT NOT NULL, lane BIGINT NOT NULL, journal_id BIGINT NOT NULL, item INTEGER NOT NULL,
    kind TEXT NOT NULL, channel TEXT NOT NULL, source_kind TEXT NOT NULL, received_at {timestamp} NOT NULL,
    attempts INTEGER NOT NULL, replayed BOOLEAN NOT NULL, payload {bytes}, PRIMARY KEY (work_id, lane)
) {keyed} {queue};
CREATE UNIQUE INDEX uq_work_event ON work (journal_id, item, lane) WHERE kind = 'event';
CREATE TABLE item_end (
    journal_id BIGINT NOT NULL, item INTEGER NOT NULL, word TEXT NOT NULL, reason TEXT, channel TEXT NOT NULL,
    at {timestamp} NOT NULL, PRIMARY KEY (journal_id, item)
) {keyed};
CREATE TABLE ledger (
    channel TEXT NOT NULL, slot INTEGER NOT NULL, word TEXT NOT NULL, count BIGINT NOT NULL,
    at {timestamp} NOT NULL, PRIMARY KEY (channel, slot, word)
) {keyed} {ledger};
CREATE TABLE parked (
    parked_id {numbered}, journal_id BIGINT NOT NULL, item INTEGER NOT NULL, channel TEXT NOT NULL,
    facility_id TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    attempts INTEGER NOT NULL, parked_at {timestamp} NOT NULL, kind TEXT NOT NULL, lanes_json TEXT NOT NULL,
    payload {bytes} NOT NULL
);
CREATE UNIQUE INDEX uq_parked_item ON parked (journal_id, item);
CREATE TABLE match_key (
    key TEXT NOT NULL, parked_id BIGINT NOT NULL, PRIMARY KEY (key, parked_id)
) {keyed};
CREATE INDEX ix_match_key_parked_id ON match_key (parked_id);
CREATE TABLE parked_history (
    parked_id BIGINT NOT NULL, journal_id BIGINT NOT NULL, item INTEGER NOT NULL, channel TEXT NOT NULL,
    facility_id TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL,
    parked_at {timestamp} NOT NULL, resolved_at {timestamp} NOT NULL, resolution TEXT NOT NULL, actor TEXT NOT NULL,
    why TEXT, PRIMARY KEY (parked_id)
);
CREATE INDEX ix_parked_history_journal_id ON parked_history (journal_id);
CREATE TABLE patients (
    patient_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, authority TEXT NOT NULL,
    mrn TEXT NOT NULL, family TEXT, given TEXT, birth_date TEXT, sex TEXT, language TEXT, phone TEXT, address TEXT,
    pcp_id TEXT, pcp_name TEXT, deceased_at {timestamp}, deceased_source TEXT, restricted BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL, merged_into TEXT, lanes_json TEXT NOT NULL, gap_since TEXT, recorded_at {timestamp},
    created_at {timestamp} NOT NULL, updated_at {timestamp} NOT NULL, PRIMARY KEY (patient_id)
) {state};
CREATE INDEX ix_patients_birth ON patients (birth_date);
CREATE INDEX ix_patients_gap ON patients (gap_since) WHERE gap_since IS NOT NULL;
CREATE TABLE patient_identifiers (
    authority TEXT NOT NULL, value TEXT NOT NULL, patient_id TEXT NOT NULL, facility_id TEXT NOT NULL, type TEXT,
    key BOOLEAN NOT NULL, since {timestamp} NOT NULL, PRIMARY KEY (authority, value)
) {state};
CREATE INDEX ix_patient_identifiers_patient ON patient_identifiers (patient_id);
CREATE INDEX ix_patient_identifiers_value ON patient_identifiers (value);
CREATE TABLE encounters (
    encounter_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, patient_id TEXT NOT NULL,
    visit_number TEXT, visit_authority TEXT, aliases_json TEXT NOT NULL, account_number TEXT, status TEXT NOT NULL,
    status_at {timestamp}, prior_status TEXT, class_ TEXT, patient_class TEXT, via_conversion BOOLEAN NOT NULL,
    instance INTEGER NOT NULL, discharge_number INTEGER NOT NULL, point_of_care TEXT, room TEXT, bed TEXT,
    attending_id TEXT, attending_name TEXT, hospital_service TEXT, admission_type TEXT, admit_source TEXT,
    readmission BOOLEAN NOT NULL, financial_class TEXT, self_pay BOOLEAN NOT NULL, newborn BOOLEAN NOT NULL,
    restricted BOOLEAN NOT NULL, started_at {timestamp}, inpatient_at {timestamp}, discharged_at {timestamp},
    discharged_precision TEXT, disposition TEXT, disposition_category TEXT, planned_readmission BOOLEAN NOT NULL,
    expected_admit_at {timestamp}, expected_discharge_at {timestamp}, expected_disposition TEXT,
    diagnoses_json TEXT NOT NULL, tombstones_json TEXT NOT NULL, recorded_at {timestamp} NOT NULL,
    created_at {timestamp} NOT NULL, updated_at {timestamp} NOT NULL, PRIMARY KEY (encounter_id)
) {state};
CREATE INDEX ix_encounters_patient ON encounters (patient_id);
CREATE INDEX ix_encounters_visit ON encounters (visit_number);
CREATE TABLE encounter_locations (
    encounter_id TEXT NOT NULL, facility_id TEXT NOT NULL, sequence INTEGER NOT NULL, point_of_care TEXT, room TEXT,
    bed TEXT, from_at {timestamp}, to_at {timestamp}, message_id TEXT NOT NULL, cancelled BOOLEAN NOT NULL,
    PRIMARY KEY (encounter_id, sequence)
) {state};
CREATE TABLE appointments (
    appointment_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, patient_id TEXT NOT NULL,
    filler_id TEXT, placer_id TEXT, occurrence TEXT, parent_id TEXT, status TEXT NOT NULL,
    instance INTEGER NOT NULL, reschedules INTEGER NOT NULL, start_at {timestamp}, end_at {timestamp}, reason TEXT,
    type TEXT, event_reason TEXT, service TEXT, provider_id TEXT, provider_name TEXT, point_of_care TEXT,
    location_type TEXT, visit_number TEXT, booked_at {timestamp}, cancelled_at {timestamp},
    recorded_at {timestamp} NOT NULL, created_at {timestamp} NOT NULL, updated_at {timestamp} NOT NULL,
    PRIMARY KEY (appointment_id)
) {state};
CREATE INDEX ix_appointments_patient ON appointments (patient_id);
CREATE TABLE coverages (
    coverage_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, patient_id TEXT NOT NULL,
    payer_id TEXT, payer_name TEXT, plan_id TEXT, group_number TEXT, member_id TEXT, priority INTEGER,
    relationship TEXT, plan_type TEXT, effective_on TEXT, expires_on TEXT, active BOOLEAN NOT NULL,
    verified_at {timestamp}, eligibility TEXT, eligibility_as_of {timestamp}, inactive_since {timestamp},
    authorization_required TEXT, answer_json TEXT, recorded_at {timestamp} NOT NULL,
    created_at {timestamp} NOT NULL, updated_at {timestamp} NOT NULL, PRIMARY KEY (coverage_id)
) {state};
CREATE INDEX ix_coverages_member ON coverages (member_id);
CREATE INDEX ix_coverages_patient ON coverages (patient_id);
CREATE TABLE authorizations (
    authorization_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, patient_id TEXT NOT NULL,
    payer_id TEXT, number TEXT, tracking_number TEXT, trace TEXT, reference TEXT, source TEXT NOT NULL,
    status TEXT NOT NULL, request_category TEXT, certification_type TEXT, service_type TEXT,
    urgent BOOLEAN NOT NULL, encounter_id TEXT, appointment_id TEXT, requested_at {timestamp},
    clock_started_at {timestamp}, clock_assumed BOOLEAN NOT NULL, decided_at {timestamp}, decision INTEGER NOT NULL,
    event_begins_on TEXT, event_ends_on TEXT, effective_on TEXT, expires_on TEXT, decisions_json TEXT NOT NULL,
    rejections_json TEXT NOT NULL, recorded_at {timestamp} NOT NULL, created_at {timestamp} NOT NULL,
    updated_at {timestamp} NOT NULL, PRIMARY KEY (authorization_id)
) {state};
CREATE INDEX ix_authorizations_number ON authorizations (number);
CREATE INDEX ix_authorizations_patient ON authorizations (patient_id);
CREATE INDEX ix_authorizations_trace ON authorizations (trace);
CREATE INDEX ix_authorizations_tracking ON authorizations (tracking_number);
CREATE TABLE tasks (
    task_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, task_key TEXT NOT NULL,
    rule_id TEXT NOT NULL, rule_version INTEGER NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL,
    priority TEXT NOT NULL, due_at {timestamp} NOT NULL, queue TEXT NOT NULL, status TEXT NOT NULL,
    business_status TEXT, status_reason TEXT, owner TEXT, patient_id TEXT NOT NULL, encounter_id TEXT,
    appointment_id TEXT, coverage_id TEXT, authorization_id TEXT, reason TEXT NOT NULL, evidence_json TEXT NOT NULL,
    overdue BOOLEAN NOT NULL, escalations INTEGER NOT NULL, late BOOLEAN NOT NULL, closed_by TEXT,
    opened_at {timestamp} NOT NULL, closed_at {timestamp}, updated_at {timestamp} NOT NULL, PRIMARY KEY (task_id)
) {state};
CREATE INDEX ix_tasks_due ON tasks (due_at, task_id);
CREATE INDEX ix_tasks_facility ON tasks (facility_id, status, due_at);
CREATE INDEX ix_tasks_patient ON tasks (patient_id);
CREATE INDEX ix_tasks_queue ON tasks (queue, status, due_at);
CREATE UNIQUE INDEX uq_tasks_key ON tasks (task_key);
CREATE TABLE timers (
    timer_id TEXT NOT NULL, facility_id TEXT NOT NULL, patient_id TEXT NOT NULL, lane BIGINT NOT NULL,
    channel TEXT NOT NULL, rule_id TEXT NOT NULL, kind TEXT NOT NULL, task_id TEXT, encounter_id TEXT,
    appointment_id TEXT, coverage_id TEXT, authorization_id TEXT, cycle TEXT NOT NULL, fire_at {timestamp} NOT NULL,
    set_at {timestamp} NOT NULL, message_id TEXT NOT NULL, PRIMARY KEY (timer_id)
) {state};
CREATE INDEX ix_timers_fire ON timers (fire_at);
CREATE INDEX ix_timers_patient ON timers (patient_id);
CREATE TABLE task_changes (
    task_id TEXT NOT NULL, revision INTEGER NOT NULL, facility_id TEXT NOT NULL, at {timestamp} NOT NULL,
    actor TEXT NOT NULL, change TEXT NOT NULL, from_status TEXT, to_status TEXT, reason TEXT, cause TEXT
) {state};
CREATE INDEX ix_task_changes_cause ON task_changes (cause);
CREATE INDEX ix_task_changes_task ON task_changes (task_id, revision);
CREATE TABLE transitions (
    transition_id TEXT NOT NULL, facility_id TEXT NOT NULL, patient_id TEXT NOT NULL, kind TEXT NOT NULL,
    aggregate TEXT NOT NULL, aggregate_id TEXT NOT NULL, from_value TEXT, to_value TEXT, message_id TEXT NOT NULL,
    event_id TEXT NOT NULL, occurred_at {timestamp} NOT NULL, at {timestamp} NOT NULL, PRIMARY KEY (transition_id)
) {state};
CREATE INDEX ix_transitions_message ON transitions (message_id);
CREATE INDEX ix_transitions_patient ON transitions (patient_id, at);
CREATE TABLE merges (
    merge_id TEXT NOT NULL, facility_id TEXT NOT NULL, survivor_id TEXT NOT NULL, prior_id TEXT NOT NULL,
    "trigger" TEXT NOT NULL, message_id TEXT NOT NULL, moved_json TEXT NOT NULL, at {timestamp} NOT NULL,
    PRIMARY KEY (merge_id)
) {state};
CREATE INDEX ix_merges_prior ON merges (prior_id);
CREATE INDEX ix_merges_survivor ON merges (survivor_id);
CREATE TABLE timer_queued (
    timer_id TEXT NOT NULL, work_id BIGINT NOT NULL, PRIMARY KEY (timer_id)
) {keyed} {queue};
CREATE INDEX ix_timer_queued_work_id ON timer_queued (work_id);
CREATE TABLE events (
    seq {numbered}, tx BIGINT NOT NULL, event_id TEXT NOT NULL, type TEXT NOT NULL, facility_id TEXT NOT NULL,
    patient_id TEXT NOT NULL, aggregate TEXT NOT NULL, aggregate_id TEXT NOT NULL, revision INTEGER NOT NULL,
    journal_id BIGINT NOT NULL, item INTEGER NOT NULL, lane BIGINT NOT NULL, routing_key TEXT NOT NULL,
    occurred_at {timestamp} NOT NULL, recorded_at {timestamp} NOT NULL, emitted_at {timestamp} NOT NULL,
    restricted BOOLEAN NOT NULL, body {bytes} NOT NULL
);
CREATE INDEX ix_events_journal ON events (journal_id);
CREATE INDEX ix_events_patient ON events (patient_id, seq);
CREATE INDEX ix_events_position ON events (tx, seq);
CREATE UNIQUE INDEX uq_events_event ON events (event_id);
CREATE TABLE replies (
    reply_id {numbered}, journal_id BIGINT NOT NULL, channel TEXT NOT NULL, partner TEXT NOT NULL,
    kind TEXT NOT NULL, facility_id TEXT NOT NULL, control_number BIGINT NOT NULL, body {bytes} NOT NULL,
    created_at {timestamp} NOT NULL
);
CREATE INDEX ix_replies_journal_id ON replies (journal_id);
CREATE TABLE control_number (
    partner TEXT NOT NULL, kind TEXT NOT NULL, value BIGINT NOT NULL, PRIMARY KEY (partner, kind)
);
CREATE TABLE outbox (
    sink TEXT NOT NULL, sequence BIGINT NOT NULL, key TEXT NOT NULL, lane BIGINT NOT NULL,
    facility_id TEXT NOT NULL, queued_at {timestamp} NOT NULL, PRIMARY KEY (sink, sequence)
) {keyed} {queue};
CREATE TABLE undelivered (
    sink TEXT NOT NULL, sequence BIGINT NOT NULL, key TEXT NOT NULL, lane BIGINT NOT NULL,
    facility_id TEXT NOT NULL, queued_at {timestamp} NOT NULL, outcome TEXT NOT NULL,
    settled_at {timestamp} NOT NULL, PRIMARY KEY (sink, sequence)
) {keyed};
CREATE TABLE api_keys (
    key_id TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, scopes_json TEXT NOT NULL,
    facilities_json TEXT NOT NULL, created_at {timestamp} NOT NULL, revoked_at {timestamp},
    last_used_at {timestamp}, PRIMARY KEY (key_id)
);
CREATE UNIQUE INDEX uq_api_keys_hash ON api_keys (hash);
CREATE TABLE audit (
    audit_id {numbered}, at {timestamp} NOT NULL, key_id TEXT, actor TEXT, action TEXT NOT NULL,
    object TEXT NOT NULL, facility_id TEXT, detail TEXT
);
CREATE INDEX ix_audit_at ON audit (at);
CREATE TABLE channel_state (
    channel TEXT NOT NULL, state TEXT NOT NULL, changed_at {timestamp} NOT NULL, actor TEXT, PRIMARY KEY (channel)
);
CREATE TABLE gateway_state (
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name)
);
CREATE TABLE config_version (
    version INTEGER NOT NULL, applied_at {timestamp} NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (version)
);
"""

POSTGRESQL_ONLY = """
CREATE SEQUENCE arrival;
ALTER TABLE journal ALTER COLUMN body SET COMPRESSION lz4;
ALTER TABLE journal_part ALTER COLUMN body SET COMPRESSION lz4;
ALTER TABLE events ALTER COLUMN body SET COMPRESSION lz4;
CREATE TABLE journal_default PARTITION OF journal DEFAULT;
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    _run(TABLES.format(**(SQLITE if sqlite else POSTGRESQL)))
    if sqlite:
        op.execute("INSERT INTO gateway_state (name, value) VALUES ('last_id', '0')")
        return
    _run(POSTGRESQL_ONLY)
    for number in range(4):
        first, end = number * PARTITION, (number + 1) * PARTITION
        op.execute(f"CREATE TABLE journal_{number:06d} PARTITION OF journal FOR VALUES FROM ({first}) TO ({end})")


def downgrade() -> None:
    raise NotImplementedError("there is no way back to before the first tables: restore a backup")


def _run(statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            op.execute(statement)

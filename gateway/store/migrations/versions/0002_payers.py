"""What payers say in full, what is asked of them, and which of them is down.

Frozen text, like the first migration.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

COVERAGES = (
    "insurance_type TEXT", "plan_name TEXT", "answer_begins_on TEXT", "answer_ends_on TEXT",
    "pending BOOLEAN NOT NULL DEFAULT FALSE", "pcp_id TEXT", "pcp_name TEXT",
    "services_json TEXT NOT NULL DEFAULT '[]'", "remaining_json TEXT NOT NULL DEFAULT '[]'",
    "other_payers_json TEXT NOT NULL DEFAULT '[]'",
    "rejections_json TEXT NOT NULL DEFAULT '[]'", "rejected_at {timestamp}", "asked_at {timestamp}",
)  # fmt: skip
AUTHORIZATIONS = (
    "provisional BOOLEAN NOT NULL DEFAULT FALSE", "issued_on TEXT", "admission_on TEXT", "previous_number TEXT",
    "quantity TEXT", "unit TEXT", "remaining TEXT", "requested_json TEXT NOT NULL DEFAULT '[]'",
    "documents_json TEXT NOT NULL DEFAULT '[]'", "provider_id TEXT", "provider_name TEXT",
    "contacts_json TEXT NOT NULL DEFAULT '[]'", "messages_json TEXT NOT NULL DEFAULT '[]'",
    "overturned BOOLEAN NOT NULL DEFAULT FALSE", "appealed_at {timestamp}", "transport TEXT",
    "inquired_at {timestamp}",
)  # fmt: skip
TABLES = """
CREATE TABLE inquiries (
    inquiry_id TEXT NOT NULL, facility_id TEXT NOT NULL, revision INTEGER NOT NULL, patient_id TEXT NOT NULL,
    kind TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, payer_id TEXT, payer_name TEXT, member_id TEXT,
    coverage_id TEXT, authorization_id TEXT, encounter_id TEXT, appointment_id TEXT, trace TEXT, reference TEXT,
    service_on TEXT, service_types TEXT NOT NULL, channel TEXT NOT NULL, request_json TEXT NOT NULL,
    status TEXT NOT NULL, attempts INTEGER NOT NULL, asked_at {timestamp} NOT NULL, due_at {timestamp},
    acknowledged_at {timestamp}, acknowledgement TEXT, answered_at {timestamp}, answer TEXT,
    created_at {timestamp} NOT NULL, updated_at {timestamp} NOT NULL, PRIMARY KEY (inquiry_id)
) {state};
CREATE INDEX ix_inquiries_patient ON inquiries (patient_id);
CREATE INDEX ix_inquiries_trace ON inquiries (trace);
CREATE INDEX ix_inquiries_reference ON inquiries (reference);
CREATE INDEX ix_inquiries_due ON inquiries (due_at);
CREATE TABLE payer_incidents (
    payer_id TEXT NOT NULL, opened_at {timestamp} NOT NULL, last_at {timestamp} NOT NULL, count INTEGER NOT NULL,
    closed_at {timestamp}, PRIMARY KEY (payer_id)
);
ALTER TABLE replies ADD COLUMN inquiry_id TEXT;
CREATE INDEX ix_replies_control ON replies (partner, control_number)
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    words = (
        {"timestamp": "TEXT", "state": ""}
        if sqlite
        else {"timestamp": "TIMESTAMPTZ", "state": "WITH (fillfactor = 80)"}
    )
    for table, columns in (("coverages", COVERAGES), ("authorizations", AUTHORIZATIONS)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column.format(**words)}")
    for statement in TABLES.format(**words).split(";"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("there is no way back to before these columns: restore a backup")

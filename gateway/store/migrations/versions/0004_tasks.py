"""Tasks in work: snooze, attempts, checklist, team and cover; requests done once; filters, absences, digests."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
ALTER TABLE tasks ADD COLUMN snoozed_until {timestamp};
ALTER TABLE tasks ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN checklist_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN team TEXT;
ALTER TABLE tasks ADD COLUMN covering_for TEXT;
CREATE INDEX ix_tasks_owner ON tasks (owner) WHERE closed_at IS NULL;
ALTER TABLE task_changes ADD COLUMN detail_json TEXT;
CREATE TABLE task_requests (
    request_id TEXT NOT NULL, facility_id TEXT NOT NULL, task_id TEXT NOT NULL, digest TEXT NOT NULL,
    at {timestamp} NOT NULL, PRIMARY KEY (request_id)
) {state};
CREATE INDEX ix_task_requests_at ON task_requests (at);
CREATE TABLE task_filters (
    actor TEXT NOT NULL, name TEXT NOT NULL, filter_json TEXT NOT NULL, saved_at {timestamp} NOT NULL,
    PRIMARY KEY (actor, name)
);
CREATE TABLE absences (
    absence_id TEXT NOT NULL, person TEXT NOT NULL, begins_at {timestamp} NOT NULL, ends_at {timestamp},
    substitute TEXT, actor TEXT NOT NULL, reason TEXT, entered_at {timestamp} NOT NULL,
    handed_back_at {timestamp}, PRIMARY KEY (absence_id)
);
CREATE INDEX ix_absences_person ON absences (person);
CREATE TABLE digests (
    person TEXT NOT NULL, day TEXT NOT NULL, made_at {timestamp} NOT NULL, body_json TEXT NOT NULL,
    PRIMARY KEY (person, day)
);
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    words = {"timestamp": "TEXT" if sqlite else "TIMESTAMPTZ", "state": "" if sqlite else "WITH (fillfactor = 80)"}
    for statement in STATEMENTS.format(**words).split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("nothing is taken away from tasks: restore a backup")

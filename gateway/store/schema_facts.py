"""Tables of the gateway's own facts: who may ask and who asked, what people keep for themselves, how channels stand."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from gateway.store.columns import BIGINT, UtcDateTime, metadata, words

task_filters = Table(
    "task_filters",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("filter_json", Text, nullable=False),
    Column("saved_at", UtcDateTime, nullable=False),
)

absences = Table(
    "absences",
    metadata,
    Column("absence_id", Text, primary_key=True),
    Column("person", Text, nullable=False, index=True),
    Column("begins_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),  # null: until somebody ends it
    Column("substitute", Text),
    *words("actor"),  # who entered it
    Column("reason", Text),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("handed_back_at", UtcDateTime),  # it is over, and what was covered went back to its owner
)

digests = Table(
    "digests",
    metadata,
    Column("person", Text, primary_key=True),
    Column("day", Text, primary_key=True),  # ISO date, local
    Column("made_at", UtcDateTime, nullable=False),
    Column("body_json", Text, nullable=False),  # gateway.coordination.people.Digest
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    *words("name", "hash", "scopes_json", "facilities_json"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)
Index("uq_api_keys_hash", api_keys.c.hash, unique=True)

webhooks = Table(
    "webhooks",
    metadata,
    Column("name", Text, primary_key=True),  # of the sink too
    *words("url", "types_json", "facilities_json"),
    *words("payload", "format"),  # reference | full; event | fhir-notification
    Column("restricted", Boolean, nullable=False),
    *words("origin", "state"),  # api | settings; active | disabled
    Column("reason", Text),
    Column("secret_id", Text, nullable=False),  # of the derived secret; the secret itself is not stored
    Column("previous_secret_id", Text),
    Column("previous_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text),
    Column("changed_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", BIGINT, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    *words("key_id", "actor", nullable=True),
    *words("action", "object"),
    *words("facility_id", "detail", nullable=True),
    sqlite_autoincrement=True,
)

channel_state = Table(
    "channel_state",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("state", Text, nullable=False),  # running | paused | draining
    Column("changed_at", UtcDateTime, nullable=False),
    Column("actor", Text),
)

sequence_number = Table(  # of channels that use the sequence number protocol (MSH-13)
    "sequence_number",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("sender", Text, primary_key=True),  # MSH-3|MSH-4
    Column("last", BigInteger),  # the last one accepted; null: the next one is taken as it comes
    Column("dedup_key", LargeBinary),  # of the message that had it
    Column("at", UtcDateTime, nullable=False),
)

gateway_state = Table(
    "gateway_state",
    metadata,
    Column("name", Text, primary_key=True),  # salt, last_alive, last_id (SQLite's sequence of journal and work ids)
    Column("value", Text, nullable=False),
)

config_version = Table(
    "config_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", UtcDateTime, nullable=False),
    Column("digest", Text, nullable=False),
)

"""The statements of the SQLite store, compiled once at import."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    select,
)

from gateway.store import schema as s
from gateway.store.limits import WHOLE
from gateway.store.statements import SQLITE, add_to_ledger, boolean_positions, compiled, insert, load_statements


class JsonKeys:
    """Many keys as one JSON text, spread by json_each."""

    dialect: Dialect = SQLITE

    def rows(self, name: str) -> Select[tuple[str]]:
        spread = func.json_each(bindparam(name, type_=Text)).table_valued(column("value", Text))
        return select(spread.c.value.label("key"))

    def listed(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        return column.in_(self.rows(name))

    def pairs(self) -> FromClause:
        spread = func.json_each(bindparam("keys", type_=Text)).table_valued(column("value", Text))
        return select(
            func.json_extract(spread.c.value, literal_column("'$[0]'"), type_=Text).label("authority"),
            func.json_extract(spread.c.value, literal_column("'$[1]'"), type_=Text).label("value"),
        ).subquery("pair")


LOAD = load_statements(JsonKeys())
PATIENT_LANES = list(s.patients.c.keys()).index("lanes_json")
BOOLEANS = {table.name: boolean_positions(table) for table in s.STATE_TABLES}
INSERT_PART = insert(s.journal_part, "sqlite")
UNSTAGE = "DELETE FROM staged_body WHERE journal_id = ?"
END_ONCE = insert(s.item_end, "sqlite", ignore=True)
INSERT_PARKED = insert(s.parked, "sqlite", "parked_id")
INSERT_MATCH_KEY = insert(s.match_key, "sqlite", ignore=True)
INSERT_REPLY = insert(s.replies, "sqlite", "reply_id")
INSERT_OUTBOX = insert(s.outbox, "sqlite", "refusals", "due_at")
INSERT_TIMER_QUEUED = insert(s.timer_queued, "sqlite")


_OF_THESE = "journal_id IN (SELECT value FROM json_each(?)) AND item >= ?"
FURTHER_ITEMS = (
    f"SELECT journal_id, item FROM work WHERE kind = 'event' AND {_OF_THESE} "  # noqa: S608
    f"UNION SELECT journal_id, item FROM item_end WHERE {_OF_THESE}"
)

ADD_COUNT = add_to_ledger("sqlite")
NEXT_IDS = (
    "UPDATE gateway_state SET value = CAST(value AS INTEGER) + ? WHERE name = 'last_id' "
    "RETURNING CAST(value AS INTEGER)"
)
SEEN = "SELECT journal_id FROM seen WHERE dedup_key = ?"


GO_ON = "UPDATE work SET payload = ?, item = 0, attempts = 0 WHERE work_id = ?"


@cache
def see(count: int) -> str:
    """Claim `count` keys: as many rows change as keys were free."""
    rows = ", ".join(["(?, ?, ?)"] * count)
    return (
        f"INSERT INTO seen (dedup_key, journal_id, seen_at) VALUES {rows} ON CONFLICT (dedup_key) DO UPDATE "  # noqa: S608
        "SET journal_id = excluded.journal_id, seen_at = excluded.seen_at WHERE seen.seen_at < ?"
    )


@cache
def same_ids(count: int) -> str:
    """Of `count` (first, last, journal id): whose range of keys holds one of an earlier row."""
    rows = ", ".join(["(?, ?, ?)"] * count)
    return (
        f"WITH mine(first, last, journal_id) AS (VALUES {rows}) SELECT mine.journal_id, max(seen.journal_id) FROM mine "  # noqa: S608
        "CROSS JOIN seen ON seen.dedup_key BETWEEN mine.first AND mine.last AND seen.journal_id < mine.journal_id "
        "AND seen.seen_at >= ? GROUP BY mine.journal_id"
    )


HERE = and_(s.work.c.kind == "read", s.journal.c.size <= literal_column(str(WHOLE)))
CLAIM = compiled(
    select(
        s.work.c.work_id,
        s.work.c.journal_id,
        s.work.c.item,
        s.work.c.kind,
        func.group_concat(s.work.c.lane),
        s.work.c.channel,
        s.work.c.source_kind,
        s.work.c.received_at,
        s.work.c.attempts,
        func.coalesce(s.journal.c.config_version, 0),
        func.coalesce(s.journal.c.control_id, ""),
        func.coalesce(case((HERE, s.journal.c.body)), s.work.c.payload),
        s.work.c.replayed,
        case((s.work.c.kind == "read", s.journal.c.size), else_=0),
    )
    .select_from(s.work.outerjoin(s.journal, s.journal.c.journal_id == s.work.c.journal_id))
    .where(s.work.c.work_id > bindparam("after", type_=BigInteger))
    .group_by(s.work.c.work_id)
    .order_by(s.work.c.work_id)
    .limit(bindparam("limit")),
    SQLITE,
)
"""All about the next work ids in order; lanes as text.  One pass over the key (work_id, lane), no sort."""
PARTS = "SELECT body FROM journal_part WHERE journal_id = ? ORDER BY part"

PART = (
    "SELECT body FROM journal_part WHERE journal_id = ?1 AND part = ?2 UNION ALL "
    "SELECT body FROM journal WHERE journal_id = ?1 AND ?2 = 0 AND body IS NOT NULL"
)
RELEASE = "PRAGMA shrink_memory"
"""A connection forgets the pages that it holds: those of a large body are not looked at again."""

REPEATS = """
SELECT 1 FROM journal one JOIN journal earlier ON earlier.kind = 'x12' AND earlier.sender = one.sender
    AND earlier.control_id = one.control_id AND earlier.channel = one.channel
WHERE one.journal_id = ?1 AND one.control_id <> '' AND earlier.journal_id < one.journal_id
    AND earlier.received_at >= ?2 AND earlier.duplicate_of IS NULL AND earlier.rejected IS NULL
    AND NOT EXISTS (SELECT 1 FROM item_end e WHERE e.journal_id = earlier.journal_id AND e.reason LIKE 'envelope:%')
LIMIT 1
"""
"""Whether an earlier interchange of the sender of row ?1 has its control number; one whose envelope was refused may
come again under its number."""

USED = """
SELECT 1 FROM seen o WHERE o.dedup_key BETWEEN ?1 AND ?2 AND o.journal_id < ?3 AND o.seen_at >= ?4
AND NOT EXISTS (SELECT 1 FROM item_end e WHERE e.journal_id = o.journal_id AND e.reason LIKE 'envelope:%') LIMIT 1
"""
"""Whether an interchange taken in before row ?3 has a control number, by its first and last key."""

SEE_FURTHER = "INSERT OR IGNORE INTO seen (dedup_key, journal_id, seen_at) VALUES (?, ?, ?)"

NEXT_CONTROL_NUMBER = (
    "INSERT INTO control_number (partner, kind, value) VALUES (?, 'interchange', 1) ON CONFLICT (partner, kind) "
    "DO UPDATE SET value = CASE WHEN value >= 999999999 THEN 1 ELSE value + 1 END RETURNING value"
)
QUEUE_EVENTS = (
    "INSERT INTO outbox (sink, sequence, key, lane, facility_id, queued_at) "
    "SELECT ?, seq, patient_id, lane, facility_id, ? FROM events WHERE seq > ?"
)
QUEUE_CHOSEN_EVENTS = (
    "INSERT INTO outbox (sink, sequence, key, lane, facility_id, queued_at) "
    "SELECT ?, seq, patient_id, lane, facility_id, ? FROM events WHERE seq IN (SELECT value FROM json_each(?))"
)
UNDELIVERED = (
    "INSERT OR IGNORE INTO undelivered (sink, sequence, key, lane, facility_id, queued_at, outcome, settled_at) "
    "SELECT sink, sequence, key, lane, facility_id, queued_at, ?, ? FROM outbox WHERE sink = ? AND sequence = ?"
)
PENDING_EVENTS = (
    "SELECT o.sink, o.sequence, e.event_id, o.key, e.routing_key, e.type, o.facility_id, e.body, e.restricted, "
    "'', '', o.refusals, o.due_at FROM outbox o JOIN events e ON e.seq = o.sequence WHERE o.sink = ? "
    "ORDER BY o.sequence LIMIT ?"
)
PENDING_MESSAGES = (  # a body in parts, or one that retention removed, is empty here
    "SELECT o.sink, o.sequence, 'm-' || o.sequence, o.key, '', COALESCE(j.message_type, ''), o.facility_id, "
    "COALESCE(j.body, x''), 0, COALESCE(j.peer, ''), COALESCE(j.sender, '') FROM outbox o "
    "LEFT JOIN journal j ON j.journal_id = o.sequence WHERE o.sink = ? ORDER BY o.sequence LIMIT ?"
)
PENDING_REPLIES = (
    "SELECT o.sink, o.sequence, 'r-' || o.sequence, o.key, '', r.kind, o.facility_id, r.body, 0, "
    "COALESCE(j.peer, ''), COALESCE(j.sender, '') FROM outbox o JOIN replies r ON r.reply_id = o.sequence "
    "LEFT JOIN journal j ON j.journal_id = r.journal_id WHERE o.sink = ? ORDER BY o.sequence LIMIT ?"
)
QUEUE_TIMER = (  # not when it was set anew, cleared or queued since it was read
    "INSERT INTO work (work_id, lane, journal_id, item, kind, channel, source_kind, received_at, attempts, replayed, "
    "payload) SELECT ?, lane, 0, 0, 'timer', channel, '', ?, 0, 0, CAST(timer_id AS BLOB) FROM timers "
    "WHERE timer_id = ? AND fire_at = ? AND timer_id NOT IN (SELECT timer_id FROM timer_queued)"
)

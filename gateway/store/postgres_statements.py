"""The statements of the PostgreSQL store, compiled once at import."""

from __future__ import annotations

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Text, any_, bindparam, column, func, select
from sqlalchemy.dialects import postgresql

from gateway.store import schema as s
from gateway.store.statements import insert, load_statements

DIALECT = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]


class ArrayKeys:
    """Many keys as one text array."""

    dialect = DIALECT

    def rows(self, name: str) -> Select[tuple[str]]:
        spread = func.unnest(bindparam(name, type_=ARRAY(Text))).table_valued(column("key", Text)).render_derived()
        return select(spread.c.key.label("key"))

    def listed(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(Text)))

    def pairs(self) -> FromClause:
        first, second = bindparam("authorities", type_=ARRAY(Text)), bindparam("values", type_=ARRAY(Text))
        spread = (
            func.unnest(first, second).table_valued(column("authority", Text), column("value", Text)).render_derived()
        )
        return select(spread.c.authority.label("authority"), spread.c.value.label("value")).subquery("pair")


LOAD = load_statements(ArrayKeys())
PATIENT_LANES = list(s.patients.c.keys()).index("lanes_json")
STATE = {table.name: table for table in s.STATE_TABLES}
APPENDED = {table.name: table for table in s.APPENDED_TABLES}
INSERT_WORK = insert(s.work, "postgresql")
END_ONCE = insert(s.item_end, "postgresql", ignore=True)
FURTHER_ITEMS = """
SELECT journal_id, item FROM work WHERE kind = 'event' AND journal_id = ANY($1::bigint[]) AND item >= $2
UNION SELECT journal_id, item FROM item_end WHERE journal_id = ANY($1::bigint[]) AND item >= $2
"""
INSERT_MATCH_KEY = insert(s.match_key, "postgresql", ignore=True)
INGEST = """
WITH input AS (
    SELECT nextval('arrival') AS journal_id, ordered.* FROM (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
            $8::text[], $9::bytea[], $10::bigint[], $11::bytea[], $12::text[], $13::text[], $14::int[], $15::bytea[],
            $16::int[], $28::bytea[], $29::bytea[], $30::int[])
        WITH ORDINALITY AS u(channel, kind, facility_id, peer, received_at, control_id, message_type, sender, digest,
            size, body, rejected, acknowledgement, config_version, dedup_key, copy_of, first_key, last_key, namesake,
            ord) ORDER BY ord
    ) ordered
), claimed AS (
    INSERT INTO seen (dedup_key, journal_id, seen_at)
    SELECT dedup_key, journal_id, $20 FROM input WHERE dedup_key IS NOT NULL AND copy_of = 0 ORDER BY dedup_key
    ON CONFLICT (dedup_key) DO UPDATE SET journal_id = excluded.journal_id, seen_at = excluded.seen_at
        WHERE seen.seen_at < $21
    RETURNING journal_id
), judged AS (
    SELECT i.*, CASE
        WHEN i.dedup_key IS NULL THEN NULL
        WHEN i.copy_of > 0 THEN COALESCE(
            (SELECT o.journal_id FROM seen o WHERE o.dedup_key = i.dedup_key AND o.seen_at >= $21),
            (SELECT f.journal_id FROM input f WHERE f.ord = i.copy_of))
        WHEN EXISTS (SELECT 1 FROM claimed c WHERE c.journal_id = i.journal_id) THEN NULL
        ELSE COALESCE((SELECT o.journal_id FROM seen o WHERE o.dedup_key = i.dedup_key), 0)
    END AS duplicate_of FROM input i
), named AS (
    SELECT j.*, CASE WHEN j.duplicate_of IS NULL AND j.dedup_key IS NOT NULL AND j.kind = 'hl7v2' AND j.control_id <> ''
        THEN COALESCE(
            CASE WHEN j.namesake > 0 THEN (SELECT f.journal_id FROM input f WHERE f.ord = j.namesake) END,
            (SELECT o.journal_id FROM seen o WHERE o.dedup_key BETWEEN j.first_key AND j.last_key
                AND o.dedup_key <> j.dedup_key AND o.seen_at >= $21 ORDER BY o.dedup_key LIMIT 1))
    END AS same_id_as FROM judged j
), stored AS (
    INSERT INTO journal (journal_id, channel, kind, facility_id, peer, received_at, control_id, message_type, sender,
        digest, size, body, duplicate_of, rejected, acknowledgement, config_version, same_id_as)
    SELECT journal_id, channel, kind, facility_id, peer, received_at, control_id, message_type, sender, digest, size,
        CASE WHEN duplicate_of IS NULL THEN body END, duplicate_of, rejected, acknowledgement, config_version,
        same_id_as
    FROM named
), parts AS (
    INSERT INTO journal_part (journal_id, part, body)
    SELECT j.journal_id, p.part, p.body FROM unnest($17::int[], $18::int[], $19::bytea[]) AS p(ord, part, body)
    JOIN judged j ON j.ord = p.ord WHERE j.duplicate_of IS NULL
), queued AS (
    INSERT INTO work (work_id, lane, journal_id, item, kind, channel, source_kind, received_at, attempts, replayed)
    SELECT j.journal_id, l.lane, j.journal_id, 0, 'read', j.channel, j.kind, j.received_at, 0, false
    FROM judged j JOIN unnest($22::int[], $23::bigint[]) AS l(ord, lane) ON l.ord = j.ord
    WHERE j.duplicate_of IS NULL AND j.rejected IS NULL
), ended AS (
    INSERT INTO item_end (journal_id, item, word, reason, channel, at)
    SELECT journal_id, 0, CASE WHEN duplicate_of IS NULL THEN 'rejected' ELSE 'duplicate' END,
        CASE WHEN duplicate_of IS NULL THEN rejected ELSE 'm-' || duplicate_of END, channel, $20
    FROM judged WHERE duplicate_of IS NOT NULL OR rejected IS NOT NULL
), forwarded AS (
    INSERT INTO outbox (sink, sequence, key, lane, facility_id, queued_at)
    SELECT f.sink, j.journal_id, f.key, 0, j.facility_id, $20
    FROM judged j JOIN unnest($25::int[], $26::text[], $27::text[]) AS f(ord, sink, key) ON f.ord = j.ord
    WHERE j.duplicate_of IS NULL AND j.rejected IS NULL
    RETURNING sink
), counted AS (
    INSERT INTO ledger (channel, slot, word, count, at)
    SELECT channel, $24::int, word, count(*), $20 FROM (
        SELECT channel, 'received' AS word FROM judged
        UNION ALL
        SELECT channel, CASE WHEN duplicate_of IS NULL THEN 'rejected' ELSE 'duplicate' END
        FROM judged WHERE duplicate_of IS NOT NULL OR rejected IS NOT NULL
        UNION ALL
        SELECT channel, 'control-id-reused' FROM named WHERE same_id_as IS NOT NULL
        UNION ALL
        SELECT 'sink:' || sink, 'committed' FROM forwarded
    ) words GROUP BY channel, word ORDER BY channel COLLATE "C", word COLLATE "C"
    ON CONFLICT (channel, slot, word) DO UPDATE SET count = ledger.count + excluded.count, at = excluded.at
)
SELECT journal_id, duplicate_of, same_id_as FROM named ORDER BY ord
"""
"""A whole batch in one statement, so in one round trip and one synced commit.

`copy_of`: the ordinal of an equal unit earlier in the batch, 0 for none.  `namesake`: of one with the same control id
and other content; the keys of such are between `first_key` and `last_key`.  A key that another row holds is a duplicate
of that row; 0 stands for one that was committed since this statement began.  Ledger rows are taken in the order of
Python's sort, as everywhere.
"""
NAME_ORIGINAL = """
WITH original AS (
    SELECT copy.journal_id, seen.journal_id AS first
    FROM unnest($1::bigint[], $2::bytea[]) AS copy(journal_id, dedup_key) JOIN seen USING (dedup_key)
), ended AS (
    UPDATE item_end SET reason = 'm-' || o.first FROM original o WHERE item_end.journal_id = o.journal_id
), stored AS (
    UPDATE journal SET duplicate_of = o.first FROM original o WHERE journal.journal_id = o.journal_id
)
SELECT journal_id, first FROM original
"""

LANES_WITH_WORK = """
SELECT lane, min(work_id) FROM (
    SELECT lane, work_id FROM work WHERE work_id >= $2 AND lane <> ALL($3::bigint[]) ORDER BY work_id, lane LIMIT $1
) w GROUP BY lane ORDER BY 2, 1
"""

CLAIM = """
WITH mine AS (
    SELECT DISTINCT work_id FROM work WHERE lane = ANY($1::bigint[]) AND work_id >= $3 ORDER BY work_id LIMIT $2
), whole AS (
    SELECT work_id, array_agg(lane ORDER BY lane) AS lanes FROM mine JOIN work USING (work_id) GROUP BY work_id
), sized AS (
    SELECT w.*, o.lanes, j.config_version, j.control_id, j.body,
        CASE WHEN w.kind = 'read' THEN COALESCE(j.size, 0) ELSE 0 END AS size,
        CASE WHEN w.kind = 'read' AND j.size <= $5 THEN j.size ELSE 0 END AS here
    FROM whole o JOIN work w ON w.work_id = o.work_id AND w.lane = o.lanes[1]
    LEFT JOIN journal j ON j.journal_id = w.journal_id
), running AS (
    SELECT sized.*, sum(here) OVER (ORDER BY work_id) AS total FROM sized
)
SELECT work_id, journal_id, item, kind, lanes, channel, source_kind, received_at, attempts,
    COALESCE(config_version, 0), COALESCE(control_id, ''),
    COALESCE(CASE WHEN kind = 'read' AND size <= $5 THEN body END, payload), replayed, size
FROM running WHERE total <= $4 OR total = here ORDER BY work_id
"""
"""The oldest work of the lanes $1 from id $3 on, as much as $4 bytes of bodies allow, but one item in any case."""

PARTS = "SELECT body FROM journal_part WHERE journal_id = $1 ORDER BY part"

REPEATS = """
SELECT 1 FROM journal one JOIN journal earlier ON earlier.kind = 'x12' AND earlier.sender = one.sender
    AND earlier.control_id = one.control_id AND earlier.channel = one.channel
WHERE one.journal_id = $1 AND one.control_id <> '' AND earlier.journal_id < one.journal_id
    AND earlier.received_at >= $2 AND earlier.duplicate_of IS NULL AND earlier.rejected IS NULL
    AND NOT EXISTS (SELECT 1 FROM item_end e WHERE e.journal_id = earlier.journal_id AND e.reason LIKE 'envelope:%')
LIMIT 1
"""
"""Whether an earlier interchange of the sender of row $1 has its control number; one whose envelope was refused may
come again under its number."""

GO_ON = "UPDATE work SET payload = $1, item = 0, attempts = 0 WHERE work_id = $2"

MOVE_PARTS = "UPDATE journal_part SET journal_id = $2 WHERE journal_id = $1"
UNSTAGE = "DELETE FROM staged_body WHERE journal_id = $1"

USED = """
SELECT 1 FROM seen o WHERE o.dedup_key BETWEEN $1 AND $2 AND o.journal_id < $3 AND o.seen_at >= $4
AND NOT EXISTS (SELECT 1 FROM item_end e WHERE e.journal_id = o.journal_id AND e.reason LIKE 'envelope:%') LIMIT 1
"""
"""Whether an interchange taken in before row $3 has a control number, by its first and last key."""

SEE_FURTHER = """
INSERT INTO seen (dedup_key, journal_id, seen_at) SELECT k, j, $3 FROM unnest($1::bytea[], $2::bigint[]) AS u(k, j)
ON CONFLICT DO NOTHING
"""

END_MANY = """
INSERT INTO item_end (journal_id, item, word, reason, channel, at)
SELECT j, i, $4, r, $5, $6 FROM unnest($1::bigint[], $2::int[], $3::text[]) AS u(j, i, r) ON CONFLICT DO NOTHING
"""
UNQUEUE_TIMERS = """
WITH gone AS (DELETE FROM timer_queued WHERE timer_id = ANY($1::text[]) RETURNING work_id)
DELETE FROM work USING gone WHERE work.work_id = gone.work_id
"""
PENDING_HOPS = """
SELECT DISTINCT journal_id, item FROM work JOIN unnest($1::bigint[], $2::int[]) AS u(journal_id, item)
USING (journal_id, item) WHERE kind = 'event'
"""
SOURCE_KINDS = "SELECT journal_id, kind FROM journal WHERE journal_id = ANY($1::bigint[])"
TAKE_IDS = "SELECT nextval('arrival') FROM generate_series(1, $1)"
EVENT_IDS = """
SELECT nextval(pg_get_serial_sequence('events', 'seq')), pg_current_xact_id()::text::bigint FROM generate_series(1, $1)
"""
QUEUE_EVENTS = """
INSERT INTO outbox (sink, sequence, key, lane, facility_id, queued_at)
SELECT $1, seq, patient_id, lane, facility_id, $2 FROM events WHERE seq = ANY($3::bigint[])
"""
ANY_WAITING = "SELECT EXISTS (SELECT FROM match_key WHERE key = ANY($1::text[]))"
INSERT_PARKED = """
INSERT INTO parked (journal_id, item, channel, facility_id, stage, reason, detail, attempts, parked_at, kind,
    lanes_json, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING parked_id
"""
ADD_COUNT = """
INSERT INTO ledger (channel, slot, word, count, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, slot, word) DO UPDATE SET count = ledger.count + excluded.count, at = excluded.at
"""
NEXT_CONTROL_NUMBER = """
INSERT INTO control_number (partner, kind, value) VALUES ($1, 'interchange', 1) ON CONFLICT (partner, kind)
DO UPDATE SET value = CASE WHEN control_number.value >= 999999999 THEN 1 ELSE control_number.value + 1 END
RETURNING value
"""
INSERT_REPLY = """
INSERT INTO replies (journal_id, channel, partner, kind, facility_id, control_number, body, created_at, inquiry_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING reply_id
"""
INSERT_OUTBOX = """
INSERT INTO outbox (sink, sequence, key, lane, facility_id, queued_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
QUEUE_TIMERS = """
WITH due AS (
    INSERT INTO timer_queued (timer_id, work_id)
    SELECT timer_id, nextval('arrival') FROM (
        SELECT t.timer_id FROM timers t
        JOIN unnest($1::text[], $2::timestamptz[]) AS d(timer_id, fire_at) USING (timer_id, fire_at)
        ORDER BY t.fire_at, t.timer_id
    ) still
    ON CONFLICT DO NOTHING RETURNING timer_id, work_id
)
INSERT INTO work (work_id, lane, journal_id, item, kind, channel, source_kind, received_at, attempts, replayed, payload)
SELECT due.work_id, t.lane, 0, 0, 'timer', t.channel, '', $3, 0, false, convert_to(t.timer_id, 'UTF8')
FROM due JOIN timers t USING (timer_id)
"""
"""Not those that were set anew, cleared or queued since they were read."""

PENDING_EVENTS = """
SELECT o.sink, o.sequence, e.event_id, o.key, e.routing_key, e.type, o.facility_id, e.body, e.restricted,
    '', '', o.refusals, o.due_at
FROM outbox o JOIN events e ON e.seq = o.sequence WHERE o.sink = $1 ORDER BY o.sequence LIMIT $2
"""
PENDING_MESSAGES = """
SELECT o.sink, o.sequence, 'm-' || o.sequence, o.key, '', COALESCE(j.message_type, ''), o.facility_id,
    COALESCE(j.body, ''::bytea), false, COALESCE(j.peer, ''), COALESCE(j.sender, '')
FROM outbox o LEFT JOIN journal j ON j.journal_id = o.sequence WHERE o.sink = $1 ORDER BY o.sequence LIMIT $2
"""
"""A body in parts, or one that retention removed, is empty here."""
PENDING_REPLIES = """
SELECT o.sink, o.sequence, 'r-' || o.sequence, o.key, '', r.kind, o.facility_id, r.body, false,
    COALESCE(j.peer, ''), COALESCE(j.sender, '')
FROM outbox o JOIN replies r ON r.reply_id = o.sequence LEFT JOIN journal j ON j.journal_id = r.journal_id
WHERE o.sink = $1 ORDER BY o.sequence LIMIT $2
"""
UNDELIVERED = """
INSERT INTO undelivered (sink, sequence, key, lane, facility_id, queued_at, outcome, settled_at)
SELECT sink, sequence, key, lane, facility_id, queued_at, $3, $4 FROM outbox
WHERE sink = $1 AND sequence = ANY($2::bigint[]) ON CONFLICT DO NOTHING
"""
SETTLE = "DELETE FROM outbox WHERE sink = $1 AND sequence = ANY($2::bigint[]) RETURNING sequence"

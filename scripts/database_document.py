"""Writes docs/database.md from the tables of the store and the comments beside their columns."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text

from gateway.coordination import records
from gateway.store import ports, schema, schema_facts

KNOWN = {
    "patients": "one row per person as one authority knows him; a merged one stays, with `merged_into`",
    "patient_identifiers": "every identifier, and whose it is now",
    "encounters": "stays and visits",
    "encounter_locations": "where the patient was, in order; `cancelled` rows were taken back (A12)",
    "appointments": "bookings",
    "coverages": "insurances, and the newest payer's answer about each",
    "authorizations": "what a payer decided",
    "tasks": "the worklist and everything that was ever on it",
    "timers": "moments at which a rule looks again",
    "inquiries": "every 270 and 278 that went to a payer, and what became of it",
    "task_changes": "history of tasks, append-only",
    "transitions": "what changed about a patient, append-only",
    "merges": "merges, append-only",
    "task_requests": "acts on tasks that were done under an Idempotency-Key",
    "absences": "who is away from when to when, and who stands in",
    "digests": "what each coordinator was told on each day",
    "task_filters": "filters of the worklist, as people saved them",
    "events": "everything published, as it was published",
}
JOURNEY = {
    "journal": "every unit received, append-only; `m-<journal_id>` is its message id",
    "journal_part": "bodies over 1 MiB, in parts",
    "staged_body": "bodies of which parts are stored and no message yet",
    "seen": "dedup keys",
    "work": "what is pending; a row goes when it is done",
    "item_end": "how each item ended",
    "ledger": "counters, by channel or sink",
    "parked": "items that need a person",
    "match_key": "what a parked payer's answer waits for",
    "parked_history": "parked items that were retried, edited or discarded",
    "timer_queued": "timers that are work now",
    "replies": "X12 files that leave: TA1, 999, and our own 270 and 278",
    "exchange": "requests over CAQH CORE, ours and partners', with their answers and times",
    "payer_incidents": "payers that answered with 42 or 80: one row from the first such answer to the next good one",
    "control_number": "last control number given out, by partner",
    "outbox": "deliveries not confirmed yet; a row goes when it is",
    "undelivered": "deliveries that no queue wanted, or that were refused",
}
OWN = {
    "api_keys": "API keys, hashed",
    "webhooks": "where events are posted, and which; secrets are derived, not stored",
    "audit": "who did and saw what",
    "channel_state": "what a person last did with a channel; it holds over a restart",
    "sequence_number": "the last MSH-13 of each sender, where the sequence number protocol is in use",
    "gateway_state": "facts of the installation",
    "config_version": "when each version of the settings was applied",
}

_TEXT = """\
# Database

Made from `gateway/store/schema.py`, `schema_facts.py` and `gateway/coordination/records.py` by `make docs`; a test
compares the two, and runs the queries below.

The tables are for reading. Write through the API only: a task that is changed by SQL publishes no event and keeps no
history. Column names are stable within a migration; `baton migrate` tells you when they change. On PostgreSQL give
your reports a role that can only `SELECT`, keep its transactions short (a long one keeps PostgreSQL from cleaning the
small queue tables) and read from a replica where you have one. On SQLite open the file with `mode=ro`.

Conventions:

- moments are `timestamptz` on PostgreSQL and ISO text in UTC, 27 characters that sort, on SQLite;
- dates are ISO text (`1948-02-17`, or `1948` when only that was sent);
- columns `*_json` hold JSON text;
- `revision` counts the changes of a row;
- ids are ours: a kind (`pat_`, `enc_`, `apt_`, `cov_`, `aut_`, `tsk_`, `tmr_`, `trn_`, `evt_`, `mrg_`,
  `inq_`), the number
  of the message behind it and a keyed digest; nothing in them comes from the patient;
- `facility_id` is in every row about a patient.

## Three queries

Open tasks, the most urgent first, with the patient's initials:

```sql
SELECT t.queue, t.title, t.priority, t.due_at, substr(p.given, 1, 1) || substr(p.family, 1, 1) AS initials, t.reason
FROM tasks t
LEFT JOIN patients p ON p.patient_id = t.patient_id
WHERE t.closed_at IS NULL
ORDER BY t.due_at, t.task_id
```

Who is in the house, and where:

```sql
SELECT p.mrn, e.class_ AS class, e.point_of_care, e.room, e.bed, e.started_at
FROM encounters e
JOIN patients p ON p.patient_id = e.patient_id
WHERE e.status IN ('inpatient', 'observation', 'emergency')
ORDER BY e.point_of_care, e.room, e.bed
```

Tasks by rule: how many were made, how many closed by themselves, how many by a person:

```sql
SELECT rule_id,
       count(*) AS made,
       sum(CASE WHEN business_status = 'auto-resolved' THEN 1 ELSE 0 END) AS resolved_by_message,
       sum(CASE WHEN business_status = 'retracted' THEN 1 ELSE 0 END) AS retracted,
       sum(CASE WHEN closed_at IS NULL THEN 1 ELSE 0 END) AS still_open
FROM tasks
GROUP BY rule_id
ORDER BY made DESC
```
"""

_OWN_WORDS = {
    ("encounters", "status"): "preadmitted, outpatient, emergency, observation, inpatient, on-leave, discharged, "
    "expired, cancelled, deleted",
    ("appointments", "status"): "proposed, pending, waitlist, booked, arrived, checked-in, fulfilled, cancelled, "
    "entered-in-error, noshow",
    ("authorizations", "status"): "requested, accepted, transport-failed, pended, info-requested, certified, "
    "partially-certified, modified, denied, appealed, contact-payer, not-required, cancelled, rejected, superseded",
    ("tasks", "type"): "kind of work, as in docs/rules.md",
    ("tasks", "status"): "requested, accepted, in-progress, on-hold, completed, failed, cancelled, entered-in-error",
    ("journal", "replay_of"): "the row of which this is the edited copy",
    ("journal", "kind"): "hl7v2 or x12",
    ("work", "kind"): "read: to be read; event: read, and going to its patient's lane; timer",
    ("parked", "stage"): "parse, map, match, decide or compute",
    ("patients", "deceased_source"): "PID, or the encounter whose discharge said so; null: alive",
}
_SOURCE = re.compile(r" \(decision \d+\)")
"""Where a comment has it from: for the reader of the code."""

_FIELD = re.compile(r"^    (\w+): [^#]+?(?:  # (.*))?$")
_COLUMN = re.compile(r'Column\(\s*"(\w+)".*?\)?,?\s*(?:# (.*))?$')


def database_markdown() -> str:
    tables = schema.metadata.tables
    groups = (("What is known", KNOWN), ("The way of a message", JOURNEY), ("The gateway's own", OWN))
    parts = [_TEXT]
    for title, named in groups:
        parts.append(f"## {title}\n")
        parts += [_section(tables[name], text) for name, text in named.items()]
    return "\n".join(parts)


def _section(table: Table, text: str) -> str:
    notes = _notes(table.name)
    lines = [f"### `{table.name}`", "", f"{text[:1].upper()}{text[1:]}.", "", "| column | type | |", "|---|---|---|"]
    for column in table.columns:
        note = _OWN_WORDS.get((table.name, column.name)) or notes.get(column.name, "")
        marks = "; ".join(mark for mark in ("key" if column.primary_key else "", note) if mark)
        nullable = "" if column.primary_key or not column.nullable else ", may be null"
        lines.append(f"| `{column.name}` | {_kind(column)}{nullable} | {marks.replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


def _kind(column: Column[object]) -> str:
    kinds = (
        (Boolean, "yes or no"),
        (LargeBinary, "bytes"),
        (Text, "text"),
        (BigInteger, "number"),
        (Integer, "number"),
    )
    return next((word for kind, word in kinds if isinstance(column.type, kind)), "moment")


def _notes(table: str) -> dict[str, str]:
    """Comments beside the fields of the record behind a table, else beside its columns."""
    record = {r: n for r, n in ((_table_of(name), name) for name in KNOWN) if r}
    for owner, name in record.items():
        if name == table:
            return _comments(inspect.getsource(owner), _FIELD)
    source = inspect.getsource(schema) + inspect.getsource(schema_facts)
    block = re.search(rf"^{table} = Table\((.*?)^\)", source, re.S | re.M)
    return _comments(block.group(1), _COLUMN) if block else {}


def _table_of(name: str) -> type | None:
    if name == "events":
        return ports.EventRow
    wanted = name.replace("_", "").removesuffix("s")
    wanted = {"encounterlocation": "EncounterLocation", "coverage": "Coverage"}.get(wanted, wanted)
    return next((kind for kind in _kinds(records) if kind.__name__.lower() == wanted.lower()), None)


def _kinds(module: ModuleType) -> list[type]:
    return [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]


def _comments(source: str, pattern: re.Pattern[str]) -> dict[str, str]:
    found = (pattern.search(line) for line in source.splitlines())
    return {match[1]: _SOURCE.sub("", match[2]).strip() for match in found if match and match[2]}

"""Statement text for the raw drivers: built with SQLAlchemy Core, compiled once per engine.

What differs between engines is only how a list of keys is passed: `Keys` says it.  SQLite takes JSON text, PostgreSQL
an array.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Protocol

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    FromClause,
    Select,
    Table,
    bindparam,
    cast,
    exists,
    select,
    union,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from gateway.store.columns import UtcDateTime
from gateway.store.ports import PATIENTS_AT_ONCE, ScheduleQuery
from gateway.store.schema import (
    STATE_TABLES,
    appointments,
    authorizations,
    coverages,
    encounter_locations,
    encounters,
    inquiries,
    ledger,
    patient_identifiers,
    patients,
    replies,
    tasks,
    timers,
    work,
)

SQLITE: Dialect = sqlite.dialect(paramstyle="qmark")
POSTGRESQL: Dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]


@dataclass(slots=True, frozen=True)
class Statement:
    """Text for a driver, and the names of its parameters in their order."""

    text: str
    names: tuple[str, ...]
    fixed: dict[str, Any]  # values of the statement itself

    def arguments(self, **values: Any) -> tuple[Any, ...]:
        given = self.fixed | values
        return tuple(given[name] for name in self.names)


def compiled(statement: ClauseElement, dialect: Dialect) -> Statement:
    done = statement.compile(dialect=dialect)
    return Statement(str(done), tuple(getattr(done, "positiontup", None) or ()), dict(done.params))


class Keys(Protocol):
    """How an engine is given many keys in one parameter."""

    @property
    def dialect(self) -> Dialect: ...

    def listed(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """`column` is one of the texts in parameter `name`."""
        ...

    def rows(self, name: str) -> Select[tuple[str]]:
        """One row per text in parameter `name`."""
        ...

    def pairs(self) -> FromClause:
        """Columns `authority` and `value`: one row per pair of the parameter(s)."""
        ...


def conflict_insert(table: Table, engine: str) -> Any:
    """The engine's own INSERT: both have ON CONFLICT, with the same verbs."""
    return sqlite.insert(table) if engine == "sqlite" else postgresql.insert(table)


def row_inserts(
    table: Table, engine: str, rows: Sequence[Sequence[Any]], conflict: str = ""
) -> Iterator[tuple[str, list[list[Any]]]]:
    """(statement, the values of each run of it) until all `rows`, whole and in column order, are in one.

    `conflict`: what becomes of a row whose primary key is there, "replace" or "ignore"; "": an error.
    On SQLite, where a wide row costs by the columns it names, those that no row fills become null by themselves; on
    PostgreSQL they cost little, and a statement that is new has to be prepared there."""
    filled = tuple(range(len(table.columns)))
    if engine == "sqlite":
        columns, optional = list(zip(*rows, strict=True)), _optional(table)
        filled = tuple(i for i, column in enumerate(columns) if i not in optional or column.count(None) < len(column))
        if len(filled) < len(columns):
            rows = list(zip(*(columns[i] for i in filled), strict=True))
    for size, values in in_groups(rows, engine):
        yield _insert_rows(table, engine, size, conflict, filled), values


@cache
def _optional(table: Table) -> frozenset[int]:
    """Where in a row of `table` there may be nothing.  None of these columns has a default but null."""
    return frozenset(i for i, column in enumerate(table.columns) if column.nullable)


@lru_cache(maxsize=512)
def _insert_rows(table: Table, engine: str, count: int, conflict: str, filled: tuple[int, ...]) -> str:
    """Insert `count` rows that have these columns, their values one after the other."""
    columns = list(table.columns)
    names = ", ".join(columns[i].name for i in filled)
    width = len(filled)
    marks = [f"${n}" if engine == "postgresql" else "?" for n in range(1, count * width + 1)]
    rows = (", ".join(marks[at : at + width]) for at in range(0, len(marks), width))
    text = f"INSERT INTO {table.name} ({names}) VALUES ({'), ('.join(rows)})"  # noqa: S608 - names of the schema
    if conflict == "ignore":
        return f"{text} ON CONFLICT DO NOTHING"
    if conflict == "replace":
        key = ", ".join(column.name for column in table.primary_key.columns)
        changed = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
        return f"{text} ON CONFLICT ({key}) DO UPDATE SET {changed}"
    return text


SIZES = {"postgresql": (16, 1), "sqlite": (128, 32, 8, 1)}
"""Rows of one INSERT: many rows by few statements.  On SQLite each statement also hands the interpreter over, and a
thread that waits to get it back waits behind the event loop."""


def in_groups(rows: Sequence[Sequence[Any]], engine: str) -> Iterator[tuple[int, list[list[Any]]]]:
    """(rows of one statement, the values of each such statement) until all rows are in one."""
    at = 0
    for size in SIZES[engine]:
        whole = (len(rows) - at) // size * size
        if whole:
            starts = range(at, at + whole, size)
            yield size, [list(chain.from_iterable(rows[start : start + size])) for start in starts]
            at += whole


@cache
def insert(table: Table, engine: str, *omitted: str, ignore: bool = False) -> str:
    """Insert whole rows in column order, but the `omitted` columns; `ignore`: a row that conflicts is left out."""
    statement = conflict_insert(table, engine).values(_named(table, *omitted))
    return compiled((statement.on_conflict_do_nothing() if ignore else statement).inline(), _dialect(engine)).text


def adding_counts(engine: str) -> Any:
    """Add to a counter of the ledger; its `at` is that of the newest addition."""
    statement = conflict_insert(ledger, engine)
    return statement.on_conflict_do_update(
        index_elements=list(ledger.primary_key.columns),
        set_={"count": ledger.c.count + statement.excluded.count, "at": statement.excluded.at},
    )


@cache
def add_to_ledger(engine: str) -> str:
    return compiled(adding_counts(engine).values(_named(ledger)), _dialect(engine)).text


def _named(table: Table, *omitted: str) -> dict[str, Any]:
    return {c.name: bindparam(c.name) for c in table.columns if c.name not in omitted}


def _dialect(engine: str) -> Dialect:
    return SQLITE if engine == "sqlite" else POSTGRESQL


@dataclass(slots=True, frozen=True)
class LoadStatements:
    """The queries of `Session.load`.

    `resolve`: field of the LoadRequest -> patient ids; `closure`: those and whom they were merged into; `rows`: table
    -> every row of these patients (parameters `keys`, for tasks and inquiries also `since`); `sent`: whose each of our
    own interchanges is, by partner and control number; `schedule`: whom a ScheduleQuery finds; `behind`: whether it
    came too early."""

    resolve: dict[str, Statement]
    closure: Statement
    rows: dict[str, Statement]
    sent: Statement
    schedule: Statement
    behind: Statement


def load_statements(keys: Keys) -> LoadStatements:
    return LoadStatements(
        resolve={name: compiled(query, keys.dialect) for name, query in _resolving(keys).items()},
        closure=compiled(_closure(keys), keys.dialect),
        rows={table.name: compiled(_state_rows(table, keys), keys.dialect) for table in STATE_TABLES},
        sent=compiled(
            _sent(keys, replies.c.partner, replies.c.control_number, inquiries.c.inquiry_id, inquiries.c.patient_id),
            keys.dialect,
        ),
        schedule=compiled(_schedule(keys), keys.dialect),
        behind=compiled(_BEHIND, keys.dialect),
    )


def naming(names: Sequence[str]) -> list[str]:
    """Patterns of `resources_json` in which one of these names is a key."""
    quoted = [msgspec.json.encode(name).decode() for name in names]
    escaped = (re.sub("([/%_])", r"/\1", text) for text in quoted)
    return [f"%{text}%" for text in escaped]


def _schedule(keys: Keys) -> Select[Any]:
    """Two look-ups by facility, status and time; none of them where nothing is named."""
    visit, patient = appointments.c, patients.c
    moment = {name: bindparam(name, type_=UtcDateTime) for name in ("earliest", "start", "end")}
    ahead = (visit.start_at > moment["earliest"]) & (visit.start_at < moment["end"])
    lasts = (visit.start_at >= moment["start"]) | (visit.end_at > moment["start"])

    def of(status: str, names: str, *more: ColumnElement[bool]) -> Select[Any]:
        pattern = keys.rows(names).subquery(names)
        named = exists().where(visit.resources_json.like(next(iter(pattern.c)), escape="/"))
        here = (visit.facility_id == bindparam("facility_id")) & (visit.status == status)
        return select(visit.patient_id).where(here, *more, named)

    found = union(of("booked", "booked", ahead, lasts), of("waitlist", "waiting")).subquery("found")
    chosen = select(patient.patient_id, patient.lanes_json).join(found, found.c.patient_id == patient.patient_id)
    behind = patient.patient_id > bindparam("after")
    return chosen.where(behind).order_by(patient.patient_id).limit(PATIENTS_AT_ONCE)


_BEHIND = (
    select(work.c.work_id)
    .where(
        work.c.work_id < bindparam("work_id"),
        work.c.journal_id < bindparam("journal_id"),
        work.c.kind == "read",
        work.c.channel == bindparam("channel"),
    )
    .limit(1)
)


def schedule_arguments(query: ScheduleQuery) -> dict[str, Any]:
    """The parameters of `LoadStatements.schedule` and `behind`, but that the engine says how patterns are passed."""
    given = msgspec.structs.asdict(query)
    return given | {"booked": naming(query.booked), "waiting": naming(query.waiting)}


def _resolving(keys: Keys) -> dict[str, Any]:
    pairs = keys.pairs()
    named = (
        *(authorizations.c[name] for name in ("trace", "number", "tracking_number")),
        inquiries.c.trace,
    )
    # a BHT03 is no number of its own: of a question that was answered it finds nobody any more
    open_question = (inquiries.c.kind != "eligibility") | (inquiries.c.status != "answered")
    referred = select(inquiries.c.patient_id).where(keys.listed(inquiries.c.reference, "keys"), open_question)
    return {
        "identifiers": select(patient_identifiers.c.patient_id).select_from(
            pairs.join(
                patient_identifiers,
                (patient_identifiers.c.authority == pairs.c.authority) & (patient_identifiers.c.value == pairs.c.value),
            )
        ),
        "members": select(coverages.c.patient_id).where(keys.listed(coverages.c.member_id, "keys")),
        "traces": union_all(*(select(c.table.c.patient_id).where(keys.listed(c, "keys")) for c in named), referred),
        "controls": _sent(keys, inquiries.c.patient_id),
        "timers": select(timers.c.patient_id).where(keys.listed(timers.c.timer_id, "keys")),
    }


def _sent(keys: Keys, *columns: ColumnElement[Any]) -> Select[Any]:
    pairs = keys.pairs()
    numbered = (replies.c.partner == pairs.c.authority) & (replies.c.control_number == cast(pairs.c.value, BigInteger))
    return select(*columns).select_from(
        pairs.join(replies, numbered).join(inquiries, inquiries.c.inquiry_id == replies.c.inquiry_id)
    )


def _closure(keys: Keys) -> Select[tuple[str]]:
    known = keys.rows("keys").cte("known", recursive=True)
    key = next(iter(known.c))
    survivors = select(patients.c.merged_into).join(known, patients.c.patient_id == key)
    both = known.union(survivors.where(patients.c.merged_into.is_not(None)))
    return select(next(iter(both.c)))


def _state_rows(table: Table, keys: Keys) -> Select[Any]:
    if table is encounter_locations:
        stays = select(encounters.c.encounter_id).where(keys.listed(encounters.c.patient_id, "keys"))
        return select(table).where(table.c.encounter_id.in_(stays))
    rows = select(table).where(keys.listed(table.c.patient_id, "keys"))
    if table is inquiries:
        return rows.where(inquiries.c.asked_at >= bindparam("since", type_=inquiries.c.asked_at.type))
    if table is tasks:
        open_stays = select(encounters.c.encounter_id).where(
            keys.listed(encounters.c.patient_id, "keys"), encounters.c.discharged_at.is_(None)
        )
        recent = tasks.c.closed_at >= bindparam("since", type_=tasks.c.closed_at.type)
        # keys that name what has no end: a patient, a coverage, a payer's answer (of whatever stay)
        lasting = tasks.c.encounter_id.is_(None) | tasks.c.authorization_id.is_not(None)
        rows = rows.where(tasks.c.closed_at.is_(None) | recent | lasting | tasks.c.encounter_id.in_(open_stays))
    return rows


def moment_positions(table: Table) -> tuple[int, ...]:
    """Where in a row of `table` the moments are."""
    return tuple(i for i, column in enumerate(table.columns) if isinstance(column.type, UtcDateTime))


def boolean_positions(table: Table) -> tuple[int, ...]:
    """Where in a row of `table` the booleans are: SQLite gives them back as 0 and 1."""
    return tuple(i for i, column in enumerate(table.columns) if isinstance(column.type, Boolean))

"""The read side: what the API and the commands show.  Rows are plain dictionaries, columns by name.

Every query takes `facilities`, the reader's; `paging.seen_by` applies them.  What a reader may not see is not there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, Table, exists, func, select

from gateway.store import schema as s
from gateway.store.bodies import StoredBody, open_body
from gateway.store.casework import TaskFilter, filtered
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Page, Row, page, seen_by
from gateway.store.patient_log import messages_about

SEARCH_LIMIT = 50
TIMELINE_LIMIT = 500
TRACE_LIMIT = 1000
"""Rows of each kind that a message's trace shows: a file may hold a hundred thousand items."""


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    channel: str | None = None
    message_type: str | None = None
    end: str | None = None  # an item ended so
    control_id: str | None = None  # MSH-10 or ISA13, as sent
    sender: str | None = None
    patient_ids: tuple[str, ...] = ()  # it had an effect on one of these
    received_after: datetime | None = None
    received_before: datetime | None = None


class ParkedFilter(msgspec.Struct, frozen=True, kw_only=True):
    channel: str | None = None
    reason: str | None = None


# -- messages ----------------------------------------------------------------------------------------------------------

_MESSAGE: list[Any] = [column for column in s.journal.columns if column is not s.journal.c.body]


async def messages(
    store: CoreStore, facilities: Facilities, chosen: MessageFilter, cursor: str | None, limit: int
) -> Page:
    """Journal rows without their bodies, the newest first."""
    query = _equal(
        _seen(_MESSAGE, s.journal, facilities),
        s.journal,
        channel=chosen.channel,
        message_type=chosen.message_type,
        control_id=chosen.control_id,
        sender=chosen.sender,
    )
    if chosen.patient_ids:
        about = await messages_about(store, chosen.patient_ids, chosen.received_before)
        query = query.where(s.journal.c.journal_id.in_(about))
    if chosen.end is not None:
        ended = s.item_end.c.journal_id == s.journal.c.journal_id
        query = query.where(exists().where(ended, s.item_end.c.word == chosen.end))
    if chosen.received_after is not None:
        query = query.where(s.journal.c.received_at >= chosen.received_after)
    if chosen.received_before is not None:
        query = query.where(s.journal.c.received_at < chosen.received_before)
    return await page(store, query, [s.journal.c.journal_id], cursor, limit, newest_first=True)


async def message(store: CoreStore, facilities: Facilities, journal_id: int) -> Row | None:
    return await _one(store, _seen(_MESSAGE, s.journal, facilities).where(s.journal.c.journal_id == journal_id))


async def message_body(store: CoreStore, facilities: Facilities, journal_id: int) -> StoredBody | None:
    """The bytes as received; of a copy those of the first one.  None: no such message, or past retention."""
    return await open_body(store, journal_id, facilities)


async def message_trace(store: CoreStore, facilities: Facilities, journal_id: int) -> dict[str, Any] | None:
    """A message and what came of it: `message`, `ends`, `pending`, `parked`, `events`, `transitions`, `tasks`, of each
    the first TRACE_LIMIT; `more`: of which there are further ones."""
    found = await message(store, facilities, journal_id)
    if found is None:
        return None
    end, event, change = s.item_end.c, s.events.c, s.transitions.c
    made = select(event.aggregate_id).where(event.journal_id == journal_id, event.aggregate == "task")
    lists: dict[str, Select[Any]] = {
        "ends": select(end.item, end.word.label("end"), end.reason, end.at)
        .where(end.journal_id == journal_id)
        .order_by(end.item),
        "pending": select(*_without(s.work, "payload")).where(s.work.c.journal_id == journal_id),
        "parked": _seen(_PARKED, s.parked, facilities).where(s.parked.c.journal_id == journal_id),
        "events": _seen(_without(s.events, "body"), s.events, facilities)
        .where(event.journal_id == journal_id)
        .order_by(event.seq),
        "transitions": _seen([s.transitions], s.transitions, facilities)
        .where(change.message_id == f"m-{journal_id}")
        .order_by(change.at, change.transition_id),
        "tasks": _seen([s.tasks], s.tasks, facilities).where(s.tasks.c.task_id.in_(made)).order_by(s.tasks.c.due_at),
    }
    rows = {name: await store.fetch(query.limit(TRACE_LIMIT + 1)) for name, query in lists.items()}
    more = [name for name, found_rows in rows.items() if len(found_rows) > TRACE_LIMIT]
    return {"message": found, "more": more, **{name: found_rows[:TRACE_LIMIT] for name, found_rows in rows.items()}}


# -- parked items ------------------------------------------------------------------------------------------------------


async def parked_items(
    store: CoreStore, facilities: Facilities, chosen: ParkedFilter, cursor: str | None, limit: int
) -> Page:
    """What needs a person, the oldest first."""
    query = _equal(_seen(_PARKED, s.parked, facilities), s.parked, channel=chosen.channel, reason=chosen.reason)
    return await page(store, query, [s.parked.c.parked_id], cursor, limit)


async def parked_item(store: CoreStore, facilities: Facilities, parked_id: int) -> Row | None:
    return await _one(store, _seen(_PARKED, s.parked, facilities).where(s.parked.c.parked_id == parked_id))


# -- tasks -------------------------------------------------------------------------------------------------------------


async def list_tasks(
    store: CoreStore, facilities: Facilities, chosen: TaskFilter, cursor: str | None, limit: int
) -> Page:
    """The worklist, the earliest due first."""
    query = filtered(_seen([s.tasks], s.tasks, facilities), chosen)
    return await page(store, query, [s.tasks.c.due_at, s.tasks.c.task_id], cursor, limit)


async def task(store: CoreStore, facilities: Facilities, task_id: str) -> Row | None:
    return await _one(store, _seen([s.tasks], s.tasks, facilities).where(s.tasks.c.task_id == task_id))


async def task_history(store: CoreStore, facilities: Facilities, task_id: str) -> list[Row]:
    """Every change of a task in order."""
    change = s.task_changes.c
    query = _seen([s.task_changes], s.task_changes, facilities).where(change.task_id == task_id)
    return await store.fetch(query.order_by(change.revision, change.at))


# -- patients ----------------------------------------------------------------------------------------------------------

_OF_PATIENT: dict[str, tuple[Table, str]] = {  # what is shown -> its table and order
    "identifiers": (s.patient_identifiers, "since"),
    "encounters": (s.encounters, "created_at"),
    "appointments": (s.appointments, "created_at"),
    "coverages": (s.coverages, "created_at"),
    "authorizations": (s.authorizations, "created_at"),
    "tasks": (s.tasks, "due_at"),
}


async def patient_state(store: CoreStore, facilities: Facilities, patient_id: str) -> dict[str, Any] | None:
    """`patient` and lists of everything known about him; `timeline`: his newest transitions, newest first."""
    query = _seen([s.patients], s.patients, facilities).where(s.patients.c.patient_id == patient_id)
    patient = await _one(store, query)
    if patient is None:
        return None
    found: dict[str, Any] = {"patient": patient}
    for name, (table, order) in _OF_PATIENT.items():
        query = _seen([table], table, facilities).where(table.c.patient_id == patient_id)
        found[name] = await store.fetch(query.order_by(table.c[order]))
    places = s.encounter_locations
    stays = select(s.encounters.c.encounter_id).where(s.encounters.c.patient_id == patient_id)
    query = _seen([places], places, facilities).where(places.c.encounter_id.in_(stays))
    found["locations"] = await store.fetch(query.order_by(places.c.encounter_id, places.c.sequence))
    change = s.transitions.c
    query = _seen([s.transitions], s.transitions, facilities).where(change.patient_id == patient_id)
    newest = query.order_by(change.at.desc(), change.transition_id).limit(TIMELINE_LIMIT)
    found["timeline"] = await store.fetch(newest)
    return found


async def search_patients(
    store: CoreStore,
    facilities: Facilities,
    *,
    identifier: str | None = None,
    authority: str | None = None,
    family: str | None = None,
    birth_date: str | None = None,
) -> list[Row]:
    """Patients by identifier (of one authority, or any), or by family name and birth date; at most 50.

    Names compare without case here: SQLite's lower() knows ASCII only, and a birth date leaves few to compare."""
    if identifier is None and birth_date is None:
        return []
    query = _seen([s.patients], s.patients, facilities)
    if identifier is not None:
        named = select(s.patient_identifiers.c.patient_id).where(s.patient_identifiers.c.value == identifier)
        query = query.where(s.patients.c.patient_id.in_(_equal(named, s.patient_identifiers, authority=authority)))
    rows = await store.fetch(_equal(query, s.patients, birth_date=birth_date).order_by(s.patients.c.patient_id))
    if family is not None:
        rows = [row for row in rows if (row["family"] or "").casefold() == family.casefold()]
    return rows[:SEARCH_LIMIT]


# -- channels ----------------------------------------------------------------------------------------------------------


async def channel_facts(store: CoreStore) -> dict[str, Row]:
    """Channel -> `last_received_at`, `last_processed_at`, `oldest_pending_at` (None: never, nothing)."""
    ledger, work = s.ledger.c, s.work.c
    last = select(ledger.channel, ledger.word, func.max(ledger.at).label("at"))
    last = last.where(ledger.word.in_(("received", "processed"))).group_by(ledger.channel, ledger.word)
    oldest = select(work.channel, func.min(work.received_at).label("at"))
    counted = await store.fetch(last)
    pending = await store.fetch(oldest.where(work.kind != "timer").group_by(work.channel))
    facts: dict[str, Row] = {}
    for row in counted:
        _facts_of(facts, row["channel"])[f"last_{row['word']}_at"] = row["at"]
    for row in pending:
        _facts_of(facts, row["channel"])["oldest_pending_at"] = row["at"]
    return facts


def _facts_of(facts: dict[str, Row], channel: str) -> Row:
    return facts.setdefault(channel, dict.fromkeys(("last_received_at", "last_processed_at", "oldest_pending_at")))


# -- how queries are put together --------------------------------------------------------------------------------------


def _without(table: Table, name: str) -> list[Any]:
    return [column for column in table.columns if column.name != name]


_PARKED = _without(s.parked, "payload")


def _seen(columns: list[Any], table: Table, facilities: Facilities) -> Select[Any]:
    return seen_by(select(*columns), facilities, table.c.facility_id)


def _equal(query: Select[Any], table: Table, **values: str | None) -> Select[Any]:
    """`query` where each column that is given has its value."""
    return query.where(*(table.c[name] == value for name, value in values.items() if value is not None))


async def _one(store: CoreStore, query: Select[Any]) -> Row | None:
    rows = await store.fetch(query)
    return rows[0] if rows else None

"""What a person finds in the morning, and which rules tire people.

A digest names tasks, never patients; whoever shows it leaves out the facilities that its reader may not see.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from gateway.coordination.people import People
from gateway.store import schema as s
from gateway.store.core_store import CoreStore
from gateway.store.paging import Facilities, Row, seen_by
from gateway.store.statements import conflict_insert

MOST = 200
"""Tasks of one section."""

NO_ACTION = ("no-action", "not-needed", "cancelled", "duplicate")
"""Endings by which a person says that there was nothing to do."""

_BY_RULES = ("auto-resolved", "retracted", "merged")
_SHOWN = ("task_id", "facility_id", "title", "priority", "due_at", "queue", "status", "owner", "covering_for")


class Section(msgspec.Struct, kw_only=True):
    """`name`: overdue | due-today | new | covering | withdrawn | handed-back | while-away | escalated."""

    name: str
    tasks: list[Row]


class Digest(msgspec.Struct, kw_only=True):
    person: str
    since: datetime
    sections: list[Section]

    def seen_by(self, facilities: Facilities) -> Digest:
        """Without what the reader may not see."""
        kept = [
            Section(name=one.name, tasks=[t for t in one.tasks if facilities is None or t["facility_id"] in facilities])
            for one in self.sections
        ]
        return Digest(person=self.person, since=self.since, sections=kept)


async def digest(store: CoreStore, people: People, person: str, now: datetime, since: datetime) -> Digest:
    """What is this person's, and what became of it since."""
    task, away_from = s.tasks.c, await _away_from(store, person, now, since)
    mine = (task.owner == person) & task.closed_at.is_(None)
    closed = (task.closed_at >= since) & (task.closed_at <= now)
    led = sorted({queue for team in people.teams if team.lead == person for queue in team.queues})
    chosen: dict[str, ColumnElement[bool]] = {
        "overdue": mine & (task.due_at < now),
        "due-today": mine & (task.due_at >= now) & (task.due_at < now + timedelta(hours=24)),
        "new": mine & _changed(since, "placed", "updated"),
        "covering": mine & task.covering_for.is_not(None),
        "withdrawn": (task.owner == person) & closed & task.business_status.in_(("retracted", "merged")),
        "handed-back": mine & _changed(since, "placed", reason=f"handed back to {person}"),
        "escalated": task.queue.in_(led) & task.closed_at.is_(None) & (task.escalations > 0),
    }
    if away_from is not None:
        chosen["while-away"] = (task.covering_for == person) & (task.closed_at >= away_from) & (task.closed_at <= now)
    sections = [Section(name=name, tasks=await _tasks(store, condition)) for name, condition in chosen.items()]
    return Digest(person=person, since=since, sections=[one for one in sections if one.tasks])


async def _away_from(store: CoreStore, person: str, now: datetime, since: datetime) -> datetime | None:
    """When the absence began from which he came back since then."""
    absence = s.absences.c
    query = select(func.min(absence.begins_at).label("began")).where(
        absence.person == person, absence.ends_at >= since, absence.ends_at <= now
    )
    began: datetime | None = (await store.fetch(query))[0]["began"]
    return began


def _changed(since: datetime, *changes: str, reason: str | None = None) -> ColumnElement[bool]:
    change = s.task_changes.c
    conditions = [change.task_id == s.tasks.c.task_id, change.change.in_(changes), change.at >= since]
    if reason is not None:
        conditions.append(change.reason == reason)
    return exists().where(and_(*conditions))


async def _tasks(store: CoreStore, condition: ColumnElement[bool]) -> list[Row]:
    task = s.tasks.c
    query = select(*(task[name] for name in _SHOWN)).where(condition).order_by(task.due_at, task.task_id)
    return await store.fetch(query.limit(MOST))


async def make_digest(store: CoreStore, people: People, person: str, day: date, now: datetime) -> bool:
    """Keep the digest of a day; False: it was made before."""
    kept = s.digests.c
    rows = await store.fetch(
        select(kept.day, kept.made_at).where(kept.person == person).order_by(kept.day.desc()).limit(1)
    )
    if rows and rows[0]["day"] >= day.isoformat():
        return False
    since = rows[0]["made_at"] if rows else now - timedelta(hours=24)
    made = await digest(store, people, person, now, since)
    body = msgspec.json.encode(made).decode()
    row = {"person": person, "day": day.isoformat(), "made_at": now, "body_json": body}

    def write(connection: Connection) -> None:
        connection.execute(conflict_insert(s.digests, connection.dialect.name).values(row).on_conflict_do_nothing())

    await store.execute_write(write)
    return True


async def kept_digest(store: CoreStore, person: str, day: str | None) -> tuple[str, Digest] | None:
    """(day, digest) as it was made; without a day the newest."""
    query = select(s.digests).where(s.digests.c.person == person)
    if day is not None:
        query = query.where(s.digests.c.day == day)
    rows = await store.fetch(query.order_by(s.digests.c.day.desc()).limit(1))
    return (rows[0]["day"], msgspec.json.decode(rows[0]["body_json"], type=Digest)) if rows else None


# -- fatigue -----------------------------------------------------------------------------------------------------------


async def fatigue(store: CoreStore, facilities: Facilities, since: datetime, until: datetime) -> list[Row]:
    """Per rule, of the tasks opened in that time: `raised`, `open`, `done`, `resolved`, `withdrawn`, `no_action`,
    `untouched` (closed before anybody took them), and `per_person`: tasks raised per owner and day."""
    task = s.tasks.c
    names = ("rule_id", "owner", "status", "business_status", "opened_at", "closed_at")
    query = select(*(task[name] for name in names)).where(task.opened_at >= since, task.opened_at < until)
    days = max((until - since) / timedelta(days=1), 1.0)
    rules: dict[str, list[Row]] = {}
    for row in await store.fetch(seen_by(query, facilities, task.facility_id)):
        rules.setdefault(row["rule_id"], []).append(row)
    figures = [{"rule": rule_id, **_figures(rows, days)} for rule_id, rows in rules.items()]
    return sorted(figures, key=lambda row: (-row["no_action"] - row["untouched"], row["rule"]))


def _figures(rows: list[Row], days: float) -> Row:
    closed = [row for row in rows if row["closed_at"] is not None]
    by_rules = [row for row in closed if row["business_status"] in _BY_RULES]
    by_people = [row for row in closed if row["business_status"] not in _BY_RULES]
    no_action = sum(row["business_status"] in NO_ACTION or row["status"] == "entered-in-error" for row in by_people)
    resolved = sum(row["business_status"] == "auto-resolved" for row in by_rules)
    owners = {row["owner"] for row in rows if row["owner"] is not None}
    return {
        "raised": len(rows),
        "open": len(rows) - len(closed),
        "done": len(by_people) - no_action,
        "resolved": resolved,
        "withdrawn": len(by_rules) - resolved,
        "no_action": no_action,
        "untouched": sum(row["owner"] is None for row in by_rules),
        "no_action_share": round(no_action / len(closed), 3) if closed else None,
        "per_person": round(len(rows) / len(owners) / days, 2) if owners else None,
    }

"""The desk: sees that every task has somebody.  Places what is new, covers who is away, gives back who returns.

Apart from the way of messages: it reads what was committed and acts through the same command as a person, in the
patient's lane, so that nothing about a message waits for it.  Whose a task is, says `gateway.coordination.people`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.coordination import people as staff
from gateway.coordination.changes import Command
from gateway.coordination.people import Desk, People, Work
from gateway.host import Host
from gateway.outcomes import ALL, all_figures
from gateway.pipeline import Conflict
from gateway.store import casework, digests, staffing
from gateway.store.outcome_rows import outcome_rows
from gateway.store.ports import StoreUnavailable

log = logging.getLogger(__name__)

STEP = 200
"""Tasks of one look."""

ACTOR = "desk"


FIGURES_EVERY = timedelta(hours=1)
OUTCOMES_OF = timedelta(days=30)
SOON = timedelta(hours=4)


class DeskClerk:
    """Runs until stopped."""

    def __init__(self, gateway: Host) -> None:
        self._gateway = gateway
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._known: People | None = None  # the staff with which every open task was looked at
        self._digested: date | None = None
        self._figured: datetime | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="desk")

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def tick(self) -> int:
        """One look; returns how many tasks were placed or moved."""
        store, now = self._gateway.store, self._gateway.clock()
        await self._show_figures(now)
        people = self._gateway.settings.staff
        if not people.teams:
            return 0
        absences = await staffing.unsettled_absences(store)
        desk = Desk(people, absences, await staffing.loads(store), now)
        moved = 0
        if people != self._known:
            moved += await self._sweep(desk)
            self._known = people
        everybody = await staffing.owners(store)
        here = sorted(person for person in everybody if desk.is_here(person))
        gone = sorted(everybody.difference(here))
        balanced = [team.id for team in people.teams if team.assign == staff.BALANCE]
        for condition, wanted in (
            (staffing.unplaced(), True),
            (staffing.held_by(gone), bool(gone) and self._covers),
            (staffing.covered_for(here), bool(here)),
            (staffing.waiting_in(balanced), bool(balanced)),
        ):
            if wanted:
                moved += await self._place(desk, await staffing.open_work(store, condition, STEP))
        over = [one.absence_id for one in absences if one.ends_at is not None and one.ends_at <= now]
        if over:
            await staffing.settle_absences(store, over, now)
        await self._make_digests(people)
        return moved

    @property
    def _covers(self) -> bool:
        return staff.ABSENT_RULE not in self._gateway.settings.coordination.disabled_rules

    async def _sweep(self, desk: Desk) -> int:
        """Every open task once: the staff has changed."""
        moved, after = 0, ""
        while found := await staffing.open_work(self._gateway.store, None, STEP, after):
            moved += await self._place(desk, found)
            after = found[-1].task_id
        return moved

    async def _place(self, desk: Desk, found: Iterable[Work]) -> int:
        moved = 0
        for work in found:
            placed = desk.place(work)
            if (placed.team, placed.owner, placed.covering_for) == (work.team, work.owner, work.covering_for):
                continue
            command = Command(
                name="place",
                task_id=work.task_id,
                actor=ACTOR,
                revision=work.revision,
                owner=placed.owner,
                team=placed.team,
                covering_for=placed.covering_for,
                reason=placed.because,
            )
            try:
                await self._gateway.execute_command(command, work.patient_id)
            except Conflict:
                continue  # somebody was faster: it is looked at again
            moved += 1
            if placed.owner is not None and placed.owner != work.owner:
                desk.gave(placed.owner)
        return moved

    async def _make_digests(self, people: People) -> None:
        """Once a day, when the hour has come: what each person finds in the morning."""
        settings, now = self._gateway.settings, self._gateway.clock()
        local = now.astimezone(ZoneInfo(settings.facility[0].zone))
        if local.strftime("%H:%M") < settings.people.digest_at:
            return
        if self._digested == local.date():
            return
        for person in sorted(staff_of(people)):
            await digests.make_digest(self._gateway.store, people, person, local.date(), now)
        self._digested = local.date()

    async def _show_figures(self, now: datetime) -> None:
        """Counts of open tasks at every look, outcomes once an hour: as metrics, which hold no patient."""
        store, metrics = self._gateway.store, self._gateway.metrics
        metrics.tasks_open.clear()
        for row in await casework.counts(store, None, now, SOON):
            for how in ("open", "unowned", "on_hold", "overdue", "due_soon", "escalated"):
                metrics.tasks_open.labels(row["queue"], how).set(row[how])
        if self._figured is not None and now - self._figured < FIGURES_EVERY:
            return
        self._figured = now
        rows = await outcome_rows(store, None, now - OUTCOMES_OF, now)
        figures = await asyncio.to_thread(all_figures, rows, now - OUTCOMES_OF, now, now)
        metrics.outcome.clear()
        for figure in figures:
            if figure.of == ALL and figure.value is not None:
                metrics.outcome.labels(figure.measure, figure.name).set(figure.value)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.tick()
            except StoreUnavailable:
                log.debug("store away: tasks wait to be placed")
            except Exception:  # the loop must survive a look: what was not placed is looked at again
                log.exception("tasks could not be placed")
            try:
                async with asyncio.timeout(self._gateway.settings.people.desk_seconds):
                    await self._stopping.wait()
            except TimeoutError:
                pass


def staff_of(people: People) -> frozenset[str]:
    """Everybody who is named anywhere and has not left."""
    named = {person for team in people.teams for person in (*team.members, *filter(None, (team.lead,)))}
    named |= {panel.coordinator for panel in people.panels} | set(people.coordinators)
    return frozenset(
        person for person in named if person not in people.coordinators or people.coordinators[person].active
    )

"""State of the patients of a shadow run, in memory: loaded and written as a store does it, by the same keys."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from gateway.compute.collect import TABLES
from gateway.compute.protocol import StateRows
from gateway.coordination.keys import Key, key_of
from gateway.coordination.records import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Inquiry,
    Patient,
    PatientIdentifier,
    Record,
    Task,
    Timer,
)
from gateway.coordination.transitions.keyed_set import keyed_set
from gateway.store.ports import PATIENTS_AT_ONCE, LoadRequest, ScheduleQuery, WriteSet

Named = tuple[type[Record], Key]

_TABLE_OF = {name: kind for kind, name in TABLES.items()}


class Memory:
    """Records by patient, with the indexes that a LoadRequest asks for.  Nothing here scans."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self._records: dict[str, dict[Named, Record]] = defaultdict(dict)  # by patient, locations by encounter
        self._home: dict[Named, str] = {}
        self._identifiers: dict[tuple[str, str], str] = {}
        self._members: dict[str, set[str]] = defaultdict(set)
        self._traces: dict[str, set[str]] = defaultdict(set)
        self._visits: dict[tuple[str, str], dict[str, Appointment]] = defaultdict(dict)  # by facility and resource
        self._timers: dict[str, Timer] = {}
        self._due: list[tuple[datetime, str]] = []

    # -- reading ---------------------------------------------------------------------------------------------------

    def load(self, request: LoadRequest) -> StateRows:
        """Everything about the patients whom the keys name, and whom those were merged into."""
        named = set(request.patient_ids)
        named |= {self._identifiers[key] for key in request.identifiers if key in self._identifiers}
        for member in request.members:
            named |= self._members.get(member, set())
        for trace in request.traces:
            named |= self._traces.get(trace, set())
        named |= {self._timers[timer_id].patient_id for timer_id in request.timers if timer_id in self._timers}
        if not named and not request.schedule:
            return StateRows()
        rows: dict[str, list[Any]] = {name: [] for name in _TABLE_OF}
        rows["schedule"] = [found for query in request.schedule for found in self._concerned(query)]
        for patient_id in self._closure(named):
            for (kind, _), record in self._records.get(patient_id, {}).items():
                rows[TABLES[kind]].append(record)
                if isinstance(record, Encounter):
                    places = self._records.get(record.encounter_id, {})
                    rows["encounter_locations"].extend(places.values())
        return StateRows(**rows)

    def _concerned(self, query: ScheduleQuery) -> list[tuple[int, str, str]]:
        named: set[str] = set()
        for name in query.booked:
            for visit in self._visits.get((query.facility_id, name), {}).values():
                if visit.status == "booked" and visit.start_at and query.earliest < visit.start_at < query.end:
                    named.add(visit.patient_id)
        for name in query.waiting:
            visits = self._visits.get((query.facility_id, name), {}).values()
            named.update(visit.patient_id for visit in visits if visit.status == "waitlist")
        chosen = sorted(one for one in named if one > query.after)[:PATIENTS_AT_ONCE]
        return [(query.work_id, patient_id, "[]") for patient_id in chosen]

    def _closure(self, named: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        waiting = sorted(named)
        while waiting:
            patient_id = waiting.pop()
            if patient_id in found:
                continue
            found[patient_id] = None
            patient = self._records.get(patient_id, {}).get((Patient, patient_id))
            if isinstance(patient, Patient) and patient.merged_into is not None:
                waiting.append(patient.merged_into)
        return list(found)

    def next_timer(self, until: datetime) -> Timer | None:
        """The earliest timer that is due by then."""
        while self._due and self._due[0][0] <= until:
            fire_at, timer_id = self._due[0]
            timer = self._timers.get(timer_id)
            if timer is not None and timer.fire_at == fire_at:
                return timer
            heapq.heappop(self._due)  # moved or gone
        return None

    def timers(self) -> list[Timer]:
        """Those that have not fired."""
        return list(self._timers.values())

    def drop_timer(self, timer_id: str) -> None:
        timer = self._timers.pop(timer_id, None)
        if timer is not None:
            self._forget((Timer, timer_id))

    def patient_named(self, authority: str, value: str) -> str | None:
        """The surviving patient of an identifier."""
        patient_id = self._identifiers.get((authority, value))
        return self._closure([patient_id])[-1] if patient_id is not None else None

    # -- writing ---------------------------------------------------------------------------------------------------

    def apply(self, writes: WriteSet) -> None:
        for name, rows in writes.rows.items():
            kind = _TABLE_OF[name]
            for record in rows:
                assert isinstance(record, kind)
                self._put(kind, record)
        for timer_id in writes.deleted_timers:
            self.drop_timer(timer_id)

    def _put(self, kind: type[Record], record: Any) -> None:
        key = (kind, key_of(record))
        home: str = record.encounter_id if kind is EncounterLocation else record.patient_id
        before = self._home.get(key)
        if before is not None and before != home:
            del self._records[before][key]
        self._home[key] = home
        self._records[home][key] = record
        if (enter := _INDEXES.get(kind)) is not None:
            enter(self, record)

    def _enter_task(self, task: Task) -> None:
        self.tasks[task.task_id] = task

    def _enter_timer(self, timer: Timer) -> None:
        self._timers[timer.timer_id] = timer
        heapq.heappush(self._due, (timer.fire_at, timer.timer_id))

    def _enter_identifier(self, one: PatientIdentifier) -> None:
        self._identifiers[one.authority, one.value] = one.patient_id

    def _enter_visit(self, visit: Appointment) -> None:
        for name in keyed_set(visit.resources_json).items:
            self._visits[visit.facility_id, name][visit.appointment_id] = visit

    def _enter_coverage(self, coverage: Coverage) -> None:
        if coverage.member_id:
            self._members[coverage.member_id].add(coverage.patient_id)

    def _enter_authorization(self, one: Authorization) -> None:
        self._enter_traces(one.patient_id, one.trace, one.number, one.tracking_number)

    def _enter_inquiry(self, one: Inquiry) -> None:
        self._enter_traces(one.patient_id, one.trace, one.reference)

    def _enter_traces(self, patient_id: str, *texts: str | None) -> None:
        for text in texts:
            if text:
                self._traces[text].add(patient_id)

    def _forget(self, key: Named) -> None:
        home = self._home.pop(key, None)
        if home is not None:
            self._records[home].pop(key, None)


_INDEXES: dict[type[Record], Callable[[Memory, Any], None]] = {
    Task: Memory._enter_task,
    Timer: Memory._enter_timer,
    PatientIdentifier: Memory._enter_identifier,
    Appointment: Memory._enter_visit,
    Coverage: Memory._enter_coverage,
    Authorization: Memory._enter_authorization,
    Inquiry: Memory._enter_inquiry,
}

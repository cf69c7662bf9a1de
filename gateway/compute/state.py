"""Rows become scopes: who an event is about, by decision 9, and what is known about them."""

from __future__ import annotations

from gateway.compute.protocol import StateRows
from gateway.compute.unmatched import NOBODY, nobody
from gateway.coordination.records import PatientIdentifier
from gateway.coordination.scope import PatientScope, Scope
from mappings.events import CanonicalEvent, PatientFacts
from mappings.profile import FeedProfile


class State:
    """The patients that a batch concerns, indexed by id and by identifier.  Grows as the batch creates patients."""

    def __init__(self, rows: StateRows, before: State | None = None) -> None:
        """`before` wins over `rows`: it was decided on since they were read."""
        self.patients: dict[str, PatientScope] = {
            patient.patient_id: PatientScope(patient=patient) for patient in rows.patients
        }
        self.identifiers: dict[tuple[str, str], PatientIdentifier] = {}
        self.behind = frozenset(rows.behind)
        self.concerned: dict[int, list[tuple[str, str]]] = {}
        for work_id, patient_id, lanes in rows.schedule:
            self.concerned.setdefault(work_id, []).append((patient_id, lanes))
        self.used: dict[int, set[int]] = {}  # journal id -> places of interchanges whose numbers were used before
        for journal_id, place in rows.used:
            self.used.setdefault(journal_id, set()).add(place)
        self.sent = {(partner, number): (inquiry, patient) for partner, number, inquiry, patient in rows.sent}
        self._fill(rows)
        if before is not None:
            self.patients.update(before.patients)
            self.identifiers.update(before.identifiers)

    def _fill(self, rows: StateRows) -> None:
        patients = self.patients
        for identifier in rows.patient_identifiers:
            key = (identifier.authority, identifier.value)
            self.identifiers[key] = identifier
            if (home := patients.get(identifier.patient_id)) is not None:
                home.identifiers[key] = identifier
        if any(task.patient_id == NOBODY for task in rows.tasks):
            patients[NOBODY] = nobody()
        for encounter in rows.encounters:
            patients[encounter.patient_id].encounters[encounter.encounter_id] = encounter
        owners = {e.encounter_id: e.patient_id for e in rows.encounters}
        for location in rows.encounter_locations:
            if (owner := owners.get(location.encounter_id)) is not None:
                patients[owner].locations[location.encounter_id, location.sequence] = location
        for appointment in rows.appointments:
            patients[appointment.patient_id].appointments[appointment.appointment_id] = appointment
        for coverage in rows.coverages:
            patients[coverage.patient_id].coverages[coverage.coverage_id] = coverage
        for authorization in rows.authorizations:
            patients[authorization.patient_id].authorizations[authorization.authorization_id] = authorization
        for task in rows.tasks:
            if (home := patients.get(task.patient_id)) is not None:
                home.tasks[task.task_id] = task
        for timer in rows.timers:
            if (home := patients.get(timer.patient_id)) is not None:
                home.timers[timer.timer_id] = timer
        for inquiry in rows.inquiries:
            patients[inquiry.patient_id].inquiries[inquiry.inquiry_id] = inquiry

    def root(self, patient_id: str) -> PatientScope | None:
        """The surviving patient behind an id; merges are chains, never cycles (domain reference 2.3 b)."""
        home = self.patients.get(patient_id)
        for _ in range(32):
            if home is None or home.patient.merged_into is None:
                return home
            home = self.patients.get(home.patient.merged_into)
        return None

    def find(self, facts: PatientFacts, profile: FeedProfile) -> tuple[PatientScope | None, tuple[str, ...]]:
        """(patient, further patient ids in conflict).  The keying identifier decides; only identifiers of trusted
        authorities may stand in for it, and what else resolves elsewhere is a conflict, never a merge."""
        found: PatientScope | None = None
        elsewhere: set[str] = set()
        if facts.key is not None:
            found = self._by_identifier(facts.key.authority or profile.authority, facts.key.value, any_kind=False)
        trusted = profile.trusted_links
        for identifier in facts.identifiers:
            if identifier.authority is None or identifier.authority not in trusted:
                continue
            other = self._by_identifier(identifier.authority, identifier.value, any_kind=True)
            if other is None:
                continue
            if found is None:
                found = other
            elif other is not found:
                elsewhere.add(other.patient.patient_id)
        return found, tuple(sorted(elsewhere))

    def _by_identifier(self, authority: str, value: str, *, any_kind: bool) -> PatientScope | None:
        identifier = self.identifiers.get((authority, value))
        if identifier is None or not (identifier.key or any_kind):
            return None
        return self.root(identifier.patient_id)

    def scope_of(self, event: CanonicalEvent, profile: FeedProfile) -> Scope:
        """The scope of a message that names its patient."""
        if event.patient is None:
            return Scope()
        subject, conflict = self.find(event.patient, profile)
        others: dict[str, PatientScope] = {}
        for prior in event.prior:
            home, _ = self.find(prior, profile)
            if home is not None and home is not subject:
                others[home.patient.patient_id] = home
        return Scope(subject=subject, others=others, conflict=conflict)

    def absorb(self, scope: Scope) -> None:
        """Make what a decision created or moved findable for the rest of the batch."""
        homes = [scope.subject, *scope.others.values()]
        for home in homes:
            if home is None or home.patient.patient_id == NOBODY:
                continue
            self.patients[home.patient.patient_id] = home
            self.identifiers.update(home.identifiers)

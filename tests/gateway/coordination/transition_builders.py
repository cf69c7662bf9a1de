"""Events and a scope to tell them to, for the tests of transitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gateway.compute.protocol import StateRows
from gateway.compute.state import State
from gateway.coordination.changes import Cause, CoordinationSettings, Ids
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Authorization, Coverage, Encounter, Patient
from gateway.coordination.scope import PatientScope, Scope
from gateway.coordination.transitions import apply_event
from mappings.codes import EVENTS
from mappings.events import (
    AppointmentFacts,
    AuthorizationFacts,
    CanonicalEvent,
    CoverageFacts,
    EligibilityFacts,
    EncounterFacts,
    Identifier,
    MemberFacts,
    PatientFacts,
)
from mappings.profile import FeedProfile

PROFILE = FeedProfile(channel="adt", default_authority="GENHOSP")
START = datetime(2026, 11, 5, 14, 0, tzinfo=UTC)
SETTINGS = CoordinationSettings(facilities={"main": ("America/New_York", "us-federal")})
ADT = {
    "A01": "encounter.admitted", "A02": "encounter.transferred", "A03": "encounter.discharged",
    "A04": "encounter.registered", "A05": "encounter.preadmitted", "A06": "encounter.class-changed",
    "A07": "encounter.class-changed", "A08": "encounter.updated", "A11": "encounter.admit-cancelled",
    "A12": "encounter.transfer-cancelled", "A13": "encounter.discharge-cancelled", "A28": "patient.created",
    "A31": "patient.updated", "A40": "patient.merged", **{
        trigger.removeprefix("ADT^"): type_ for trigger, type_ in EVENTS.items()
        if trigger.startswith("ADT^") and trigger > "ADT^A08"
    },
}  # fmt: skip
SIU = {
    "S12": "appointment.booked", "S13": "appointment.rescheduled", "S14": "appointment.updated",
    "S15": "appointment.cancelled", "S17": "appointment.deleted", "S26": "appointment.no-showed",
    **{f"S{number}": EVENTS[f"SIU^S{number}"] for number in (16, 18, 19, 20, 21, 22)},
}  # fmt: skip


def after(hours: float) -> datetime:
    """So many hours after the first message."""
    return START + timedelta(hours=hours)


def person(mrn: str = "900123", **facts: object) -> PatientFacts:
    key = Identifier(value=mrn, authority="GENHOSP", type="MR")
    return PatientFacts(key=key, identifiers=(key,), **facts)


ANNA = person(family="TESTER", given="ANNA", birth_date="1948-02-17", sex="F")


def stay(number: str | None = "V1", **facts: object) -> EncounterFacts:
    key = Identifier(value=number, authority="GENHOSP") if number else None
    return EncounterFacts(key=key, visit_number=number, **facts)


def adt(trigger: str, hours: float = 0, **given: object) -> CanonicalEvent:
    """ADT message recorded (and, unless given, occurred) so many hours after START; `encounter` facts by default V1 of
    the class that the trigger suggests."""
    at = after(hours)
    if "encounter" not in given and trigger not in ("A28", "A29", "A31", "A40", "A60"):
        given["encounter"] = stay(**_class_for(trigger))
    made: dict[str, object] = {"patient": ANNA, "occurred_at": at, "recorded_at": at, "facility": "main", **given}
    return CanonicalEvent(type=ADT[trigger], trigger=f"ADT^{trigger}", **made)


def _class_for(trigger: str) -> dict[str, str]:
    if trigger in ("A01", "A06"):
        return {"class_": "inpatient", "patient_class": "I"}
    if trigger in ("A04", "A07"):
        return {"class_": "outpatient", "patient_class": "O"}
    return {}


def siu(
    trigger: str, hours: float = 0, start: datetime | None = None, *, patient: PatientFacts = ANNA, **facts: object
) -> CanonicalEvent:
    at = after(hours)
    appointment = AppointmentFacts(**{"filler_id": "F1", "start": start or after(96), **facts})
    return CanonicalEvent(
        type=SIU[trigger], trigger=f"SIU^{trigger}", recorded_at=at, occurred_at=at, facility="main",
        patient=patient, appointment=appointment,
    )  # fmt: skip


ACME = CoverageFacts(payer_id="PAYER5", payer_name="ACME HEALTH", plan_id="PLAN9", member_id="MBR900123", priority=1)
ACME_MEMBER = MemberFacts(payer_id="PAYER5", payer_name="Acme Health", member_id="MBR900123", birth_date="1948-02-17")


def answer(status: str, hours: float = 0, *, member: MemberFacts = ACME_MEMBER, **facts: object) -> CanonicalEvent:
    """271."""
    word = {"rejected": "eligibility.rejected", "not-covered": "coverage.inactive"}.get(status, f"coverage.{status}")
    return CanonicalEvent(
        type=word, trigger="271", recorded_at=after(hours), occurred_at=after(hours), member=member,
        eligibility=EligibilityFacts(status=status, as_of=after(hours), **facts),
    )  # fmt: skip


def response(status: str, hours: float = 0, *, traces: tuple[str, ...] = ("T77",), **facts: object) -> CanonicalEvent:
    """278 response."""
    given = {"decided_at": after(hours), **facts}
    return CanonicalEvent(
        type=f"authorization.{status}", trigger="278", recorded_at=after(hours), occurred_at=after(hours),
        member=msgspec.structs.replace(ACME_MEMBER, traces=traces), authorization=AuthorizationFacts(status=status, **given),
    )  # fmt: skip


class Story:
    """A scope that hears one event after the other."""

    def __init__(self, scope: Scope | None = None) -> None:
        self.scope = scope or Scope()
        self.count = 0

    def hear(self, event: CanonicalEvent, *, lanes: tuple[int, ...] = (3,)) -> Draft:
        """Apply `event`; received as it was recorded, as the next message."""
        self.count += 1
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=event.recorded_at, lanes=lanes)
        draft = Draft(self.scope, event, cause, event.recorded_at, SETTINGS, Ids(b"salt", cause))
        apply_event(draft)
        return draft

    def tell(self, *events: CanonicalEvent) -> Draft:
        """All of them; the draft of the last."""
        drafts = [self.hear(event) for event in events]
        return drafts[-1]

    @property
    def home(self) -> PatientScope:
        assert self.scope.subject is not None
        return self.scope.subject

    @property
    def patient(self) -> Patient:
        return self.home.patient

    @property
    def encounter(self) -> Encounter:
        """The only one."""
        (found,) = self.home.encounters.values()
        return found

    @property
    def appointment(self) -> Appointment:
        (found,) = self.home.appointments.values()
        return found

    @property
    def coverage(self) -> Coverage:
        (found,) = self.home.coverages.values()
        return found

    @property
    def authorization(self) -> Authorization:
        (found,) = self.home.authorizations.values()
        return found


def types(draft: Draft) -> list[str]:
    return [event.type for event in draft.emitted]


def kinds(draft: Draft) -> list[str]:
    return [entry.kind for entry in draft.transitions]


def moves(draft: Draft, kind: str) -> list[tuple[str | None, str | None]]:
    """(from, to) of the transitions of one kind."""
    return [(entry.from_value, entry.to_value) for entry in draft.transitions if entry.kind == kind]


class World:
    """Many patients: each event finds its own by its identifiers, as in the compute process."""

    def __init__(self) -> None:
        self.state = State(StateRows())
        self.count = 0

    def hear(self, event: CanonicalEvent, *, lanes: tuple[int, ...] = (3,)) -> Draft:
        self.count += 1
        scope = self.state.scope_of(event, PROFILE)
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=event.recorded_at, lanes=lanes)
        draft = Draft(scope, event, cause, event.recorded_at, SETTINGS, Ids(b"salt", cause))
        apply_event(draft)
        self.state.absorb(scope)
        return draft

    def tell(self, *events: CanonicalEvent) -> Draft:
        drafts = [self.hear(event) for event in events]
        return drafts[-1]

    def home(self, facts: PatientFacts) -> PatientScope:
        """Who is found under the key of `facts`."""
        found, _ = self.state.find(facts, PROFILE)
        assert found is not None
        return found

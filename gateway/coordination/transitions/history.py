"""What was said of a stay's status, in the order in which it was recorded (domain reference 2.5, ordering).

A message that comes late is put in its place and the status is folded anew from the first message on, so that messages
out of order leave the status that they leave in order.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.records import Encounter
from gateway.coordination.transitions.states import WITHOUT_A_COLUMN
from mappings.events import CanonicalEvent, EncounterFacts, PatientFacts

MOST = 64
"""Messages kept of one stay.  Of a longer history the oldest go, and it is not folded anew any more."""

_KEPT = (
    "class_", "patient_class", "admitted_at", "discharged_at", "discharged_precision", "clear_discharge", "disposition",
    "disposition_category", "planned_readmission",
)  # fmt: skip
"""Facts on which a status can depend."""

FOLDED = (
    "status", "status_at", "prior_status", "leave_status", "class_", "via_conversion", "started_at", "inpatient_at",
    "observation_at", "discharged_at", "discharged_precision", "disposition", "disposition_category",
    "planned_readmission",
)  # fmt: skip
"""Fields of a stay that its history alone decides."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message: `column` of the state machine, before an A08 was taken for something else."""

    recorded_at: datetime
    column: str
    occurred_at: datetime
    facts: EncounterFacts
    deceased: bool = False

    @property
    def event(self) -> CanonicalEvent:
        """As much of the message as the state machine asks for."""
        person = PatientFacts(deceased=True) if self.deceased else None
        return CanonicalEvent(
            type="", trigger="", recorded_at=self.recorded_at, occurred_at=self.occurred_at, patient=person
        )


class History(msgspec.Struct, omit_defaults=True):
    """`whole`: it begins with the message that opened the stay."""

    whole: bool = False
    told: list[Told] = []

    def is_behind(self, recorded_at: datetime) -> bool:
        """Whether something later than that was told already, and the history can be folded anew."""
        return self.whole and bool(self.told) and recorded_at < self.told[-1].recorded_at

    def add(self, one: Told) -> None:
        """Put the message in its place; behind those of the same moment."""
        if one in self.told:
            return
        at = len(self.told)
        while at and self.told[at - 1].recorded_at > one.recorded_at:
            at -= 1
        self.told.insert(at, one)
        if len(self.told) > MOST:
            del self.told[0]
            self.whole = False


_DECODER = msgspec.json.Decoder(History)


def history_of(stay: Encounter) -> History:
    return History() if stay.history_json == "{}" else _DECODER.decode(stay.history_json)


def encoded_history(history: History) -> str:
    return msgspec.json.encode(history).decode()


def told_now(event: CanonicalEvent, facts: EncounterFacts, column: str) -> Told:
    kept = EncounterFacts(**{name: getattr(facts, name) for name in _KEPT})
    deceased = event.patient is not None and event.patient.deceased is True
    return Told(event.recorded_at, column, event.occurred_at, kept, deceased)


def bears(one: Told, *, created: bool) -> bool:
    """Whether the status can depend on the message: it has a column, opened the stay, or is an A08 that states a class
    or a discharge."""
    if created or one.column not in WITHOUT_A_COLUMN:
        return True
    facts = one.facts
    return one.column == "A08" and bool(
        facts.class_ or facts.clear_discharge or facts.discharged_at or facts.disposition
    )

"""A day of traffic for the merge protocol, the fold that stands for its effects, and the sequential oracle.

The fold is order-sensitive: a message replaces the patient's `phone` by a digest of the old one and its own body.  An
answer, whose place among the other messages is not determined, adds to a sum in `address` instead.  A merge joins both
into the survivor.  The records, their lanes and their merges are the real ones.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.compute.protocol import Decided, ItemDone, ItemKeys, ReadDone
from gateway.coordination.records import Patient, PatientIdentifier
from gateway.lanes import patient_lane, payer_lane
from gateway.store.ports import EventRow, ItemEnd, JournalEntry, LoadRequest, NewWork, WorkItem, WriteSet

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOSPITAL = "GH"
LANES = 16
FIELDS = Patient.__struct_fields__


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """How many messages about how many patients, and which share of them are merges and payers' answers."""

    messages: int
    patients: int
    merges: float
    answers: float = 0.1


def digest(*parts: str) -> str:
    return blake2b("|".join(parts).encode(), digest_size=6).hexdigest()


def weight(body: bytes) -> int:
    return int.from_bytes(blake2b(body, digest_size=4).digest(), "big")


def lanes_for(*identifiers: str) -> tuple[int, ...]:
    return tuple(sorted({patient_lane(HOSPITAL, value, LANES) for value in identifiers}))


def traffic(seed: int, shape: Traffic) -> list[JournalEntry]:
    chance = random.Random(seed)
    return [_entry(number, chance, shape) for number in range(shape.messages)]


def _entry(number: int, chance: random.Random, shape: Traffic) -> JournalEntry:
    drawn, patient = chance.random(), f"P{chance.randrange(shape.patients)}"
    message: dict[str, Any] = {"n": number, "id": patient}
    lanes = lanes_for(patient)
    if drawn < shape.merges:
        message["prior"] = f"P{chance.randrange(shape.patients)}"
        lanes = lanes_for(patient, message["prior"])  # rule 1: a row in the lanes of both
    elif drawn < shape.merges + shape.answers:
        message["answer"] = True
        lanes = (payer_lane(f"PAYER{number % 2}"),)
    return JournalEntry(
        channel="feed",
        kind="hl7v2",
        facility_id="main",
        peer="",
        received_at=NOW,
        body=json.dumps(message).encode(),
        lanes=lanes,
    )


# -- the fold ----------------------------------------------------------------------------------------------------------


class People:
    """Patients by identifier, through their merges."""

    def __init__(self) -> None:
        self.patients: dict[str, Patient] = {}
        self.identifiers: dict[str, str] = {}
        self.changed: dict[str, Patient] = {}
        self.added: dict[str, str] = {}

    def root(self, identifier: str) -> Patient | None:
        patient = self.patients.get(self.identifiers.get(identifier, ""))
        while patient is not None and patient.merged_into is not None:
            patient = self.patients[patient.merged_into]
        return patient

    def put(self, patient: Patient, **changes: Any) -> Patient:
        revision = patient.revision + (patient.patient_id in self.patients)
        new = msgspec.structs.replace(patient, revision=revision, **changes)
        self.patients[new.patient_id] = self.changed[new.patient_id] = new
        return new

    def name(self, identifier: str, patient_id: str) -> None:
        self.identifiers[identifier] = self.added[identifier] = patient_id

    def get(self, identifier: str, lanes: Sequence[int]) -> Patient:
        found = self.root(identifier)
        if found is not None:
            return found
        stamps: dict[str, Any] = {"created_at": NOW, "updated_at": NOW, "facility_id": "main", "authority": HOSPITAL}
        new = Patient(
            patient_id=f"pat_{identifier}", mrn=identifier, revision=1, lanes_json=json.dumps(lanes), **stamps
        )
        self.name(identifier, new.patient_id)
        return self.put(new)

    def apply(self, body: bytes, lanes: Sequence[int]) -> Patient:
        """Fold one message in; returns its patient."""
        message = json.loads(body)
        patient = self.get(message["id"], lanes)
        if "answer" in message:
            return self.put(patient, address=str(int(patient.address or "0") + weight(body)))
        prior = self.root(message["prior"]) if "prior" in message else None
        before = [patient.phone or ""]
        if prior is not None and prior.patient_id != patient.patient_id:
            before += [prior.phone] if prior.phone else []  # an answer may have made him, or not yet
            self.put(prior, merged_into=patient.patient_id)
            together = sorted({*json.loads(patient.lanes_json), *json.loads(prior.lanes_json), *lanes})
            total = int(patient.address or "0") + int(prior.address or "0")
            patient = self.put(patient, lanes_json=json.dumps(together), address=str(total))
        elif "prior" in message and prior is None:
            self.name(message["prior"], patient.patient_id)
            together = sorted({*json.loads(patient.lanes_json), *lanes})
            patient = self.put(patient, lanes_json=json.dumps(together))
        return self.put(patient, phone=digest(*before, body.decode()))


def outcome(patients: dict[str, Patient], identifiers: dict[str, str]) -> dict[str, tuple[str, str | None, str]]:
    """Identifier -> (patient, running digest, sum of answers), as a reader of the tables resolves it."""
    people = People()
    people.patients, people.identifiers = patients, identifiers
    roots = {identifier: people.root(identifier) for identifier in identifiers}
    return {i: (p.patient_id, p.phone, p.address or "0") for i, p in roots.items() if p is not None}


def oracle(entries: Sequence[JournalEntry]) -> dict[str, tuple[str, str | None, str]]:
    """One message after the other; the sum does not mind that answers come last."""
    people = People()
    for answers in (False, True):
        for entry in entries:
            if (b'"answer"' in entry.body) is answers:
                people.apply(entry.body, entry.lanes)
    return outcome(people.patients, people.identifiers)


class FoldCompute:
    """Stands in for the compute process: reads and decides as it does, with the fold for an effect."""

    def __init__(self) -> None:
        self._batch: list[WorkItem] = []

    async def read(self, items: list[WorkItem], group: int = 256, part_of: Any = None) -> ReadDone:
        self._batch = items
        request, keys = LoadRequest(), []
        for item in items:
            message = json.loads(item.body)
            named = [(HOSPITAL, message[name]) for name in ("id", "prior") if name in message]
            request.identifiers += named
            # As with a payer's answer: what it matches is known only after loading, and checked when it is decided.
            keys.append(ItemKeys(work_id=item.work_id, identifiers=[] if "answer" in message else named))
        return ReadDone(request=request, keys=keys)

    async def decide(self, request: dict[str, Any]) -> Decided:
        people = People()
        for row in request["rows"]["patients"]:
            patient = Patient(**dict(zip(FIELDS, row, strict=True)))
            people.patients[patient.patient_id] = patient
        people.identifiers = {row[1]: row[2] for row in request["rows"]["patient_identifiers"]}
        writes = WriteSet()
        done = [self._decide_item(item, people, writes) for item in self._batch[: request["count"]]]
        new = [
            PatientIdentifier(
                authority=HOSPITAL, value=value, patient_id=patient_id, facility_id="main", key=True, since=NOW
            )
            for value, patient_id in people.added.items()
        ]
        rows = {"patients": list(people.changed.values()), "patient_identifiers": new}
        writes.rows = msgspec.msgpack.decode(msgspec.msgpack.encode({name: rows[name] for name in rows if rows[name]}))
        return Decided(writes=writes, done=done)

    def _decide_item(self, item: WorkItem, people: People, writes: WriteSet) -> ItemDone:
        writes.done.append(item.work_id)
        message = json.loads(item.body)
        if "answer" in message:
            home = people.root(message["id"])
            lanes = tuple(json.loads(home.lanes_json)) if home is not None else lanes_for(message["id"])
            if item.kind == "read" or not set(lanes) <= set(item.lanes):
                hop: dict[str, Any] = {
                    "kind": "event",
                    "lanes": lanes,
                    "payload": item.body,
                    "received_at": NOW,
                    "channel": "feed",
                }
                writes.new_work.append(NewWork(journal_id=item.journal_id, item=item.item, **hop))
                return ItemDone(work_id=item.work_id, outcome="requeued")
        patient = people.apply(item.body, item.lanes)
        writes.ends.append(ItemEnd(journal_id=item.journal_id, item=item.item, end="processed", channel="feed"))
        writes.events.append(_event(item, patient))
        return ItemDone(work_id=item.work_id, outcome="processed")


def _event(item: WorkItem, patient: Patient) -> EventRow:
    return EventRow(
        event_id=f"evt-{item.journal_id}",
        type="patient.updated",
        facility_id="main",
        patient_id=patient.patient_id,
        aggregate="patient",
        aggregate_id=patient.patient_id,
        revision=patient.revision,
        journal_id=item.journal_id,
        item=0,
        lane=item.lanes[0],
        routing_key="patient.updated.main",
        occurred_at=NOW,
        recorded_at=NOW,
        emitted_at=NOW,
        restricted=False,
        body=item.body,
    )

"""Why there is no task: a patient and a day, every message, and what each rule made of it.

The messages come from the store; how they ended is what really happened.  What the rules made of them is computed anew,
by the present program and settings, over everything stored about the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.compute.protocol import Configure
from gateway.coordination.changes import Considered
from gateway.shadow.engine import ShadowRun, Step
from gateway.shadow.replay import message_of
from gateway.store import patient_log, traffic_log
from gateway.store.core_store import CoreStore
from gateway.store.traffic_log import StoredUnit
from parsers.hl7v2.header import scan_header

MOST_SCANNED = 50_000
"""Messages of the day whose headers are looked at for the patient."""

MOST_PLAYED = 5_000
"""Messages about the patient that are played, the newest."""


class Told(msgspec.Struct, kw_only=True):
    """One message, or one timer, of the day.  `rules`: what each made of it."""

    at: datetime
    message_id: str
    facility_id: str
    channel: str = ""
    message_type: str = ""
    control_id: str = ""
    timer: str | None = None
    ends: list[dict[str, Any]] = msgspec.field(default_factory=list)  # as they really were
    matched: bool = True  # found this patient
    transitions: list[dict[str, Any]] = msgspec.field(default_factory=list)  # kind, from, to
    tasks: list[dict[str, Any]] = msgspec.field(default_factory=list)  # task_id, change, reason
    rules: list[Considered] = msgspec.field(default_factory=list)


class WhyNot(msgspec.Struct, kw_only=True):
    patient_id: str
    since: datetime
    until: datetime
    rule: str | None
    scanned: int  # messages of the day that were looked at
    cut: bool  # there were more than that
    told: list[Told]
    says: str  # the answer in a sentence


class Evidence(msgspec.Struct, kw_only=True):
    """What the store knows, before anything is computed."""

    patient_id: str
    identifiers: list[tuple[str, str]]  # authority, number
    units: list[StoredUnit]  # about the patient, in order
    ends: dict[int, list[dict[str, Any]]]
    scanned: int
    cut: bool


async def gather(store: CoreStore, patient_id: str, since: datetime, until: datetime) -> Evidence:
    """Every stored message about the patient up to `until`, also those of the time that found nobody."""
    ids, identifiers = await patient_log.names_of(store, patient_id)
    known = await patient_log.messages_about(store, ids, until)
    names = {(row["authority"].encode(), row["value"].encode()) for row in identifiers}
    values = {value for _, value in names}
    members = [member.encode() for member in await patient_log.member_ids(store, ids)]
    first, last = await traffic_log.first_since(store, since), await traffic_log.first_since(store, until)
    scanned, after, found = 0, first - 1, set(known)
    while scanned < MOST_SCANNED and (units := await traffic_log.units(store, after, last, 200)):
        found.update(unit.journal_id for unit in units if _names(unit, values, members))
        scanned, after = scanned + len(units), units[-1].journal_id
    cut = scanned >= MOST_SCANNED and bool(await traffic_log.units(store, after, last, 1))
    wanted = sorted(journal_id for journal_id in found if journal_id < last)[-MOST_PLAYED:]
    units = await traffic_log.units_of(store, wanted)
    shown = [unit.journal_id for unit in units if unit.received_at >= since]
    ends = await patient_log.ends_of(store, shown)
    named = [(row["authority"], row["value"]) for row in identifiers]
    return Evidence(patient_id=patient_id, identifiers=named, units=units, ends=ends, scanned=scanned, cut=cut)


def _names(unit: StoredUnit, values: set[bytes], members: Sequence[bytes]) -> bool:
    """Whether a message names the patient: an HL7 one by an identifier of any authority, an X12 one by a member id."""
    if unit.kind == "x12":
        return any(member in unit.body for member in members)
    header = scan_header(unit.body)
    return any(one[0] in values for one in (*header.patient_ids, *header.prior_ids, *header.other_patient_ids))


def explain(
    configuration: Configure, evidence: Evidence, since: datetime, until: datetime, rule: str | None = None
) -> WhyNot:
    """Play the messages and tell what each rule made of those of the time."""
    run = ShadowRun(configuration, explain=True)
    told: list[Told] = []

    def tell(steps: Iterable[Step], unit: StoredUnit | None) -> None:
        him = {run.memory.patient_named(*name) for name in evidence.identifiers} - {None}
        for step in steps:
            if since <= step.at < until and (step.timer is None or not him.isdisjoint(step.patients)):
                one = _told(step, unit, evidence, rule)
                one.matched = not him.isdisjoint(step.patients)  # the same person, under whatever id the run gave him
                _only(one, step, him, run)
                told.append(one)

    for unit in evidence.units:
        steps = run.take(message_of(unit))
        steps[-1].at = unit.received_at
        tell(steps, unit)
    tell(run.wait(until), None)
    return WhyNot(
        patient_id=evidence.patient_id,
        since=since,
        until=until,
        rule=rule,
        scanned=evidence.scanned,
        cut=evidence.cut,
        told=told,
        says=_sentence(told, rule),
    )


def _told(step: Step, unit: StoredUnit | None, evidence: Evidence, rule: str | None) -> Told:
    facility_id = step.facility_id if unit is None or step.timer is not None else unit.facility_id
    told = Told(at=step.at, message_id=step.message_id, facility_id=facility_id, timer=step.timer)
    if unit is not None and step.timer is None:
        told.channel, told.message_type, told.control_id = unit.channel, unit.message_type, unit.control_id
        told.ends = evidence.ends.get(unit.journal_id, [])
    told.rules = [one for one in step.considered if rule is None or one.rule_id == rule]
    return told


def _only(told: Told, step: Step, him: set[str | None], run: ShadowRun) -> None:
    """What changed about him: a message may speak of others too."""
    told.transitions = [
        {"kind": row.kind, "about": row.aggregate_id, "from": row.from_value, "to": row.to_value}
        for row in step.transitions
        if row.patient_id in him
    ]
    told.tasks = [
        {"task_id": row.task_id, "change": row.change, "reason": row.reason}
        for row in step.task_changes
        if run.tasks[row.task_id].patient_id in him
    ]


def _sentence(told: Sequence[Told], rule: str | None) -> str:
    messages = [one for one in told if one.timer is None]
    if not messages and not told:
        return "Nothing about this patient was received in that time, and no timer of his fired."
    parked = [one for one in messages if any(end.get("end") == "parked" for end in one.ends)]
    if parked:
        return f"{len(parked)} of {len(messages)} messages are parked and had no effect: {parked[0].message_id} first."
    if messages and not any(one.matched for one in messages):
        return f"{len(messages)} messages name the patient and none of them found him."
    heard = [one for each in told for one in each.rules if rule is not None]
    opened = [one for one in heard if one.outcome == "opened"]
    if rule is None:
        count = sum(len(one.tasks) for one in told)
        return f"{len(messages)} messages; {count} changes of tasks. Ask with a rule for what stopped it."
    if opened:
        return f"{rule} opened a task: {opened[-1].because}"
    if not heard:
        return f"{rule} was not considered: no message of the time reached the rules."
    return f"{rule} opened nothing. Last: {_closest(heard).because}"


def _closest(heard: Iterable[Considered]) -> Considered:
    """The condition that says most: the last one about a record; else the last."""
    found = list(heard)
    return next((one for one in reversed(found) if one.about), found[-1])

"""What one message does to the status of one stay (domain reference 2.1, 2.5)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.records import Encounter
from gateway.coordination.transitions.difference import differing
from gateway.coordination.transitions.flags import PREADMISSION, is_flagged
from gateway.coordination.transitions.snapshot import (
    NO_DISCHARGE,
    discharge_fields,
)
from gateway.coordination.transitions.states import (
    ENDED,
    IN_PROGRESS,
    OPEN_VISIT,
    WITHOUT_A_COLUMN,
    cell_of,
    status_of_class,
    status_of_message,
)
from mappings.events import CanonicalEvent, EncounterFacts

INTERIM_BILL = "30"
"""UB-04 status "still a patient": an A03 that carries it ends nothing."""


class Movement(msgspec.Struct, kw_only=True):
    """`fields` are the changes to `before`; `created` says that `before` is a blank that was not stored yet."""

    before: Encounter
    facts: EncounterFacts
    column: str
    action: str
    anomaly: bool
    newest: bool
    created: bool = False
    implied: bool = False
    retracted: bool = False
    flagged: bool = False  # a flag of the stay is another one now
    fields: dict[str, object] = msgspec.field(default_factory=dict)


def look_up(
    event: CanonicalEvent, before: Encounter, facts: EncounterFacts, column: str, *, newest: bool, still: bool = False
) -> Movement:
    """The message's cell in the state machine, with what the table leaves open decided.  `still`: the status is not
    this message's to change."""
    created = before.revision == 0
    meant = _implied_column(before, facts) if column == "A08" and newest and not created else column
    action, anomaly = ("keep", False) if still else cell_of(before.status, meant)
    move = Movement(
        before=before, facts=facts, column=meant, action=action, anomaly=anomaly, newest=newest, created=created
    )
    move.implied = meant != column
    _settle_action(event, move)
    return move


def _implied_column(before: Encounter, facts: EncounterFacts) -> str:
    """The repairs that an A08 may make: implied A13, correction of a discharge, implied A06 or A07 (2.5)."""
    if before.status in ENDED:
        if facts.clear_discharge:
            return "A13"
        return "A03" if differing(before, discharge_fields(before, facts, None)) else "A08"
    class_ = stated_class(before, facts)
    if class_ is None or class_ == before.class_ or before.status not in OPEN_VISIT | {"inpatient"}:
        return "A08"
    if before.status == "inpatient":
        return "A07"
    return "A06" if class_ == "inpatient" else "A08"


def stated_class(before: Encounter, facts: EncounterFacts) -> str | None:
    """The class, where the message states one.  A PV1-2 sent as before without the feed's observation marker does not
    end an observation: the marker's segment is often left out."""
    class_ = facts.class_
    if class_ == "unknown" or (class_ == "preadmit" and before.status in IN_PROGRESS | ENDED):
        return None
    if (
        before.class_ == "observation"
        and class_ == "outpatient"
        and facts.patient_class in (None, before.patient_class)
    ):
        return None
    return class_


def _settle_action(event: CanonicalEvent, move: Movement) -> None:
    """Decide what the table leaves open."""
    before, facts = move.before, move.facts
    if move.action == "discharged" and facts.disposition == INTERIM_BILL:
        move.action, move.anomaly = "keep" if before.status else "class", True
    elif move.action == "revert":
        move.action = "revert" if before.via_conversion and before.prior_status in OPEN_VISIT else "cancelled"
    elif move.action == "cancelled" and _was_reverted(event, before):
        move.action = "keep"
    elif move.action == "reopen-later":
        later = before.discharged_at is not None and event.occurred_at > before.discharged_at
        move.action, move.anomaly = ("reopen" if later else "keep"), True
    elif move.action == "withdraw":
        move.action = "keep" if is_flagged(before, PREADMISSION) else "cancelled"
    elif move.created and move.column in WITHOUT_A_COLUMN:
        move.action, move.anomaly = ("discharged" if facts.discharged_at else "class"), True


def _was_reverted(event: CanonicalEvent, before: Encounter) -> bool:
    """This very A11 came before: it took a conversion back, which must not become a cancel of the visit."""
    return before.status in OPEN_VISIT and before.prior_status == "inpatient" and before.status_at == event.recorded_at


def status_fields(event: CanonicalEvent, move: Movement) -> dict[str, object]:
    before = move.before
    match move.action:
        case "keep":
            return _kept(move)
        case "discharged" | "correct":
            fields = _ended(event, move)
        case "prior":
            fields = _resumed(move)
        case "revert":
            fields = {
                "status": before.prior_status,
                "class_": before.prior_status,
                "prior_status": "inpatient",
                "via_conversion": False,
                "inpatient_at": None,
            }
        case "cancelled" | "tombstone":
            fields = {"status": "cancelled", "prior_status": before.status or None}
        case "deleted":
            fields = {"status": "deleted", "prior_status": before.status or None}
        case "leave":
            fields = _left(move)
        case "return":
            fields = {"status": _status_before_leave(before), "leave_status": None, "expected_return_at": None}
        case _:
            fields = _entered(event, move)
    if fields.get("status", before.status) != before.status:
        fields["status_at"] = event.recorded_at
    return fields


def _kept(move: Movement) -> dict[str, object]:
    """No change of status by the table; a class may still be restated, inside the open visit it carries the status."""
    before = move.before
    class_ = stated_class(before, move.facts)
    if class_ is None or not move.newest or move.column not in ("A05", "A08"):
        return {}
    if before.status in OPEN_VISIT and move.column == "A08" and class_ != "inpatient":
        return {"class_": class_, "status": status_of_class(class_)}
    return {"class_": class_} if before.status in ENDED or before.status == "preadmitted" else {}


def _ended(event: CanonicalEvent, move: Movement) -> dict[str, object]:
    """A discharge, or a correction of one."""
    before, facts = move.before, move.facts
    fields = discharge_fields(before, facts, None if move.column == "A08" else event.occurred_at)
    said_dead = event.patient is not None and event.patient.deceased is True
    category = fields.get("disposition_category", before.disposition_category)
    if move.action == "correct" and "disposition_category" not in fields and not said_dead:
        status = before.status
    else:
        status = "expired" if category == "expired" or said_dead else "discharged"
    fields["status"] = status
    class_ = stated_class(before, facts)
    if class_ is not None and (move.newest or before.class_ is None):
        fields["class_"] = class_
    if move.action == "discharged":
        fields["discharge_number"] = before.discharge_number + 1
        if not before.via_conversion:
            known = before.status in IN_PROGRESS or before.status == "preadmitted"
            fields["prior_status"] = before.status if known else status_of_class(class_)
    if before.started_at is None and facts.admitted_at is not None:
        fields["started_at"] = facts.admitted_at
    return fields


def _left(move: Movement) -> dict[str, object]:
    """A leave of absence began; of a stay that was not known, it says of which class it is."""
    before = move.before
    if before.status:
        return {"status": "on-leave", "leave_status": before.status}
    class_ = stated_class(before, move.facts)
    status = status_of_message(move.column, class_)
    return {"status": "on-leave", "leave_status": status, "class_": class_ or status}


def _status_before_leave(before: Encounter) -> str:
    return before.leave_status or status_of_class(before.class_)


def _resumed(move: Movement) -> dict[str, object]:
    """A discharge taken back; an A08 that implies it may restate the class as well."""
    before = move.before
    if before.status == "on-leave":
        return {"status": _status_before_leave(before), "leave_status": None, "expected_return_at": None}
    back = before.prior_status if before.prior_status and not before.via_conversion else None
    if before.via_conversion and before.leave_status:  # discharged while he was away
        back = "on-leave"
    fields = {**NO_DISCHARGE, "status": back or status_of_class(before.class_)}
    said = move.facts.class_ if back == "preadmitted" else stated_class(before, move.facts)
    class_ = said if move.implied and said != "unknown" else None
    if class_ is not None:
        fields["class_"] = class_
        if fields["status"] not in ("preadmitted", "on-leave"):
            fields["status"] = status_of_class(class_)
    if not before.via_conversion:
        fields["prior_status"] = None
    return fields


def _entered(event: CanonicalEvent, move: Movement) -> dict[str, object]:
    """A start, a conversion, a return to life: the status that the cell or the class gives."""
    before, facts, column = move.before, move.facts, move.column
    class_ = stated_class(before, facts)
    by_message = move.action in ("class", "reopen")
    status = status_of_message(column, class_) if by_message else move.action
    if class_ is None and move.action == "class" and before.status in OPEN_VISIT:
        status = before.status  # an A01 without a class says nothing about the visit it repeats
    if move.created and column == "A08" and class_ == "preadmit":
        status = "preadmitted"
    fields: dict[str, object] = {"status": status}
    if move.action == "reopen":
        fields |= {**NO_DISCHARGE, "prior_status": None, "via_conversion": False, "inpatient_at": None}
        if before.status not in ENDED:
            fields["instance"] = before.instance + 1
    if status == "preadmitted":
        return fields | ({"class_": class_} if class_ else {})
    fits = class_ not in (None, "preadmit") and status_of_class(class_) == status
    fields["class_"] = class_ if fits else status
    if status == "inpatient":
        fields |= _inpatient_fields(event, move)
    elif before.status == "inpatient":
        fields |= {"prior_status": "inpatient", "via_conversion": False, "inpatient_at": None}
    if before.status not in IN_PROGRESS:
        started = facts.admitted_at or (event.occurred_at if column in ("A01", "A04", "A06", "A07") else None)
        fields["started_at"] = started or before.started_at
    return fields


def _inpatient_fields(event: CanonicalEvent, move: Movement) -> dict[str, object]:
    before, facts = move.before, move.facts
    if before.status in OPEN_VISIT:
        again = before.prior_status == "inpatient"  # converted, reverted, converted once more
        return {
            "prior_status": before.status,
            "via_conversion": True,
            "inpatient_at": conversion_time(event, before, facts),
            "instance": before.instance + again,
        }
    if move.column in ("A01", "A06") and before.status not in IN_PROGRESS:
        return {"inpatient_at": facts.admitted_at or event.occurred_at}
    return {}


def conversion_time(event: CanonicalEvent, before: Encounter, facts: EncounterFacts) -> datetime:
    """When the class changed: PV1-44 only where it is not the start of the visit (2.5), else the event's own time."""
    if event.occurred_at not in (event.recorded_at, before.started_at):
        return event.occurred_at
    if facts.admitted_at is not None and facts.admitted_at != before.started_at:
        return facts.admitted_at
    return event.recorded_at

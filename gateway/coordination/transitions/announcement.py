"""What the world hears about a stay: events with the data of domain reference 7.2, and transitions for the rules."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.coordination.changes import JSON, Emitted
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter
from gateway.coordination.transitions.difference import listed, plain, present, stamp
from gateway.coordination.transitions.location import place_of, place_text
from gateway.coordination.transitions.states import ENDED, IN_PROGRESS
from gateway.coordination.transitions.step import Movement
from gateway.coordination.transitions.tracking import told_by


def announce(draft: Draft, move: Movement, after: Encounter) -> None:
    """Emit what happened, most telling event first, and log it for the rules."""
    before = move.before
    told = told_by(draft, move, after)
    match move.action:
        case _ if told is not None:
            type_, kind, data = told
            _emit(draft, move, after, type_, data)
            draft.transition(kind, after, before.status or None, after.status)
        case "deleted":
            _emit(draft, move, after, "encounter.deleted", {"prior_status": before.status or None})
            draft.transition("deleted", after, before.status or None, after.status)
        case _ if move.column in ("A27", "A38") and (move.flagged or after.status != before.status):
            _emit(draft, move, after, "encounter.preadmit-cancelled", _withdrawn_data(before, after))
            draft.transition("preadmit-cancelled", after, before.status or None, after.status)
        case _ if move.created and move.column in ("A02", "A08", "A12", "A13"):  # of its start or end nothing was told
            _emit(draft, move, after, "encounter.updated", _start_data(after))
        case "discharged" | "correct":
            _discharged(draft, move, after)
        case "prior":
            _emit(draft, move, after, "encounter.discharge-cancelled", _cancelled_discharge(before))
            draft.transition("discharge-cancelled", after, str(after.discharge_number), after.status)
        case "revert" | "cancelled" | "tombstone":
            _cancelled(draft, move, after)
        case _ if after.status not in (before.status, "preadmitted") and before.status not in IN_PROGRESS:
            _started(draft, move, after)
        case _ if after.status == "preadmitted" != before.status:
            _emit(draft, move, after, "encounter.preadmitted", _start_data(after))
            draft.transition("preadmitted", after, None, after.class_)
        case _ if after.class_ != before.class_ and after.status in IN_PROGRESS:
            _class_changed(draft, move, after)
        case _:
            _updated(draft, move, after)
    if after.status != before.status:
        draft.transition("encounter-status", after, before.status or None, after.status)


def _emit(draft: Draft, move: Movement, after: Encounter, type_: str, data: dict[str, JSON]) -> Emitted:
    changes = [] if move.created else listed(move.before, move.fields)
    named: dict[str, JSON] = {"visit_number": after.visit_number}
    event = draft.emit(type_, after, present(named | data), changes=changes)
    if move.implied or (move.column == "A08" and type_ == "encounter.class-changed"):
        event.flags.append("implied")
    if move.action == "reopen":
        event.flags.append("reinstated")
    return event


def _started(draft: Draft, move: Movement, after: Encounter) -> None:
    """A visit began, or came back."""
    if after.status == "inpatient":
        _admitted(draft, move, after)
    else:
        _emit(draft, move, after, "encounter.registered", _start_data(after))
        draft.transition("registered", after, None, after.class_)
    if move.before.status in ENDED:  # admitted again under the same number: what the discharge asked for is off
        draft.transition("discharge-cancelled", after, str(after.discharge_number), after.status)


def _admitted(draft: Draft, move: Movement, after: Encounter) -> None:
    via = "conversion" if after.via_conversion or move.column == "A06" else "direct"
    data = _start_data(after) | {"via": via, "admitted_at": stamp(after.inpatient_at)}
    _emit(draft, move, after, "encounter.admitted", data)
    draft.transition("admitted", after, move.before.status or None, "inpatient", occurred_at=after.inpatient_at)


def _class_changed(draft: Draft, move: Movement, after: Encounter) -> None:
    before = move.before
    converted = after.status == "inpatient"
    data: dict[str, JSON] = {
        "from_class": before.class_,
        "to_class": after.class_,
        "at": stamp(after.inpatient_at if converted else draft.event.occurred_at),
        "account_change": "account_number" in move.fields,
    }
    _emit(draft, move, after, "encounter.class-changed", data)
    draft.transition("class-changed", after, before.class_, after.class_)
    if converted:
        _admitted(draft, move, after)


def _discharged(draft: Draft, move: Movement, after: Encounter) -> None:
    before, correction = move.before, move.action == "correct"
    data: dict[str, JSON] = {
        "class": after.class_,
        "discharged_at": stamp(after.discharged_at),
        "discharged_precision": after.discharged_precision,
        "disposition": after.disposition,
        "disposition_category": after.disposition_category,
        "destination": move.facts.destination,
        "planned_readmission": after.planned_readmission,
        "los_days": _nights(draft, after),
        "discharge_number": after.discharge_number,
        "diagnoses": plain("diagnoses_json", after.diagnoses_json),
    }
    event = _emit(draft, move, after, "encounter.discharged", data)
    if correction:
        event.flags.append("correction")
        kept = before.disposition_category
        draft.transition("discharge-corrected", after, kept, after.disposition_category)
    else:
        draft.transition("discharged", after, before.status or None, after.disposition_category)


def _cancelled_discharge(before: Encounter) -> dict[str, JSON]:
    return {"discharged_at": stamp(before.discharged_at), "discharge_number": before.discharge_number}


def _cancelled(draft: Draft, move: Movement, after: Encounter) -> None:
    """A11: the visit is gone, or it is again what it was before it became an inpatient stay."""
    before, reverted = move.before, move.action == "revert"
    data: dict[str, JSON] = {"prior_status": before.status or None, "conversion": reverted}
    _emit(draft, move, after, "encounter.admit-cancelled", data)
    if reverted:
        draft.transition("conversion-reverted", after, before.status, after.status)
        draft.transition("class-changed", after, before.class_, after.class_)
    else:
        draft.transition("admit-cancelled", after, before.status or None, after.status)


def _withdrawn_data(before: Encounter, after: Encounter) -> dict[str, JSON]:
    return {"prior_status": before.status or None, "status": after.status}


def _updated(draft: Draft, move: Movement, after: Encounter) -> None:
    before = move.before
    where_from, where_to = place_text(place_of(before)), place_text(place_of(after))
    moved: dict[str, JSON] = {"from": where_from, "to": where_to, "at": stamp(draft.event.occurred_at)}
    if move.column == "A02" and where_from != where_to:
        _emit(draft, move, after, "encounter.transferred", moved)
        draft.transition("transferred", after, before.point_of_care, after.point_of_care)
    elif move.column == "A12" and where_from != where_to:
        _emit(draft, move, after, "encounter.transfer-cancelled", moved)
        draft.transition("transfer-cancelled", after, before.point_of_care, after.point_of_care)
    elif move.column == "A01" and "inpatient_at" in move.fields and after.inpatient_at and not before.inpatient_at:
        _admitted(draft, move, after)  # the admission of a stay known from its later messages
    else:
        _emit(draft, move, after, "encounter.updated", {"class": after.class_, "status": after.status})


def _start_data(after: Encounter) -> dict[str, JSON]:
    return {
        "class": after.class_,
        "status": after.status,
        "started_at": stamp(after.started_at),
        "location": place_text(place_of(after)),
        "attending_id": after.attending_id,
        "attending_name": after.attending_name,
        "hospital_service": after.hospital_service,
        "admission_type": after.admission_type,
        "admit_source": after.admit_source,
        "expected_admit_at": stamp(after.expected_admit_at),
        "expected_discharge_at": stamp(after.expected_discharge_at),
    }


def _nights(draft: Draft, after: Encounter) -> int | None:
    """Length of stay: midnights between start and discharge at the facility."""
    if after.started_at is None or after.discharged_at is None:
        return None
    zone = ZoneInfo(draft.zone(after.facility_id))
    nights = after.discharged_at.astimezone(zone).date() - after.started_at.astimezone(zone).date()
    return max(nights, timedelta(0)).days

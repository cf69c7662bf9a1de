"""A42: two records of one stay become one, and are two again when that was wrong (domain reference 2.3)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Encounter
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.custody import Moved, journal, move_stay
from gateway.coordination.transitions.difference import BOOKKEEPING, encoded, present
from gateway.coordination.transitions.identity import collapse_tasks
from gateway.coordination.transitions.moving import share_lanes
from gateway.coordination.transitions.patient import know_patient
from gateway.coordination.transitions.renaming import rename_stay, stay_named
from gateway.coordination.transitions.states import IN_PROGRESS
from gateway.coordination.transitions.visits import with_alias

_FILLED = (
    "account_number", "attending_id", "attending_name", "hospital_service", "admission_type", "admit_source",
    "financial_class", "disposition", "disposition_category", "expected_discharge_at", "expected_disposition",
)  # fmt: skip
"""What the survivor takes from the other where it knows nothing."""


def merge_stays(draft: Draft) -> None:
    """The stay of MRG-5 goes into that of PV1-19: earliest start, latest end, all tasks.

    Of an unknown prior the number becomes an alias; an unknown survivor is the prior under its new number.  The places
    of the prior stay with its record, which names the survivor (`merged_into`).  The journal has what it takes to undo
    that."""
    identity = draft.event.identity
    assert identity is not None and identity.old_visit is not None and identity.visit is not None
    if know_patient(draft) is None:
        return
    home = draft.subject
    survivor = stay_named(draft, home, identity.visit)
    prior, holder = _prior(draft)
    moved: Moved = {}
    if prior is not None and holder is not home:
        moved = move_stay(draft, prior, holder, home)
        share_lanes(draft, holder.patient)
        prior = home.encounters[prior.encounter_id]
    if survivor is not None and prior is None:
        _keep_number(draft, survivor, identity.old_visit.value)
    elif survivor is None or prior is None:
        rename_stay(draft)
    elif prior.encounter_id != survivor.encounter_id:  # the same: told before
        _join(draft, survivor, prior, moved)
        journal(draft, holder.patient, moved)
        return
    if moved:
        journal(draft, holder.patient, moved)


def _prior(draft: Draft) -> tuple[Encounter | None, PatientScope]:
    number = draft.event.identity.old_visit if draft.event.identity else None
    for home in (*draft.scope.others.values(), draft.subject):
        found = stay_named(draft, home, number)
        if found is not None:
            return found, home
    return None, draft.subject


def _keep_number(draft: Draft, survivor: Encounter, number: str) -> None:
    if f'"{number}"' not in survivor.aliases_json:
        draft.update(survivor, None, aliases_json=with_alias(survivor, number))


def _join(draft: Draft, survivor: Encounter, prior: Encounter, moved: Moved) -> None:
    """One record; what it says is the survivor's word, and the prior's where the survivor has none.

    `moved` is told how both were before."""
    fields: dict[str, object] = {
        name: getattr(prior, name)
        for name in _FILLED
        if getattr(survivor, name) is None and getattr(prior, name) is not None
    }
    fields |= {
        "started_at": _earliest(survivor.started_at, prior.started_at),
        "inpatient_at": _earliest(survivor.inpatient_at, prior.inpatient_at),
        "discharge_number": max(survivor.discharge_number, prior.discharge_number),
        "diagnoses_json": _together(survivor.diagnoses_json, prior.diagnoses_json),
        "aliases_json": _aliases(survivor, prior),
        "recorded_at": max(survivor.recorded_at, prior.recorded_at),
        "history_json": "{}",  # of two stays: not folded any more
    }
    if prior.status in IN_PROGRESS and survivor.status not in IN_PROGRESS:
        fields |= {name: getattr(prior, name) for name in ("status", "status_at", "class_", "prior_status")}
        fields |= {"discharged_at": None, "point_of_care": prior.point_of_care, "room": prior.room, "bed": prior.bed}
    elif survivor.discharged_at and prior.discharged_at and prior.discharged_at > survivor.discharged_at:
        fields["discharged_at"] = prior.discharged_at
    fresh = draft.update(survivor, None, **fields)
    gone = draft.update(prior, None, status="merged", merged_into=fresh.encounter_id)
    moved |= {"joined": [gone.encounter_id], "into": [fresh.encounter_id]}
    moved |= {"before": [encoded(survivor), encoded(prior)], "after": [encoded(fresh)]}
    _rekey(draft, gone.encounter_id, fresh.encounter_id, moved)
    data: dict[str, JSON] = {
        "visit_number": fresh.visit_number,
        "prior_visit_number": gone.visit_number,
        "prior_encounter": gone.encounter_id,
        "status": fresh.status,
    }
    draft.emit("encounter.merged", fresh, present(data))
    draft.transition("encounter-merged", fresh, gone.encounter_id, fresh.encounter_id)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _together(ours: str, theirs: str) -> str:
    mine = msgspec.json.decode(ours)
    return encoded([*mine, *(row for row in msgspec.json.decode(theirs) if row not in mine)])


def _aliases(survivor: Encounter, prior: Encounter) -> str:
    numbers = [*msgspec.json.decode(survivor.aliases_json), *msgspec.json.decode(prior.aliases_json)]
    numbers += [prior.visit_number] if prior.visit_number else []
    return encoded(list(dict.fromkeys(number for number in numbers if number != survivor.visit_number)))


def _rekey(draft: Draft, old_id: str, new_id: str, moved: Moved) -> None:
    """Tasks, timers and authorizations of the prior are the survivor's; two open tasks of one key are one."""
    home = draft.subject
    tasks = [task for task in home.tasks.values() if task.encounter_id == old_id]
    collapse_tasks(draft, home, tasks, old_id, new_id)
    timers = [one for one in home.timers.values() if one.encounter_id == old_id]
    rows = [one for one in home.authorizations.values() if one.encounter_id == old_id]
    for record in (*timers, *rows):
        draft.update(record, None, encounter_id=new_id)
    moved["rekeyed"] = [one.task_id for one in tasks] + [one.timer_id for one in timers]
    moved["rekeyed"] += [one.authorization_id for one in rows]


# -- taken back --------------------------------------------------------------------------------------------------------


def part_stays(draft: Draft, listed: Moved) -> tuple[Moved, list[str]]:
    """Two stays again, of the patient who has both: (what went back, what did not and why: words for a person).

    A field of the survivor that a message changed since keeps what that message said."""
    home = draft.subject
    if "joined" not in listed:
        return {}, []
    was, prior_was = (msgspec.json.decode(text, type=Encounter) for text in listed["before"])
    made = msgspec.json.decode(listed["after"][0], type=Encounter)
    survivor, prior = home.encounters.get(made.encounter_id), home.encounters.get(prior_was.encounter_id)
    if survivor is None or prior is None or prior.merged_into != survivor.encounter_id:
        return {}, [f"stay {prior_was.encounter_id}: not merged into that one any more"]
    left: list[str] = []
    fields: dict[str, object] = {}
    for name in survivor.__struct_fields__:
        old, new = getattr(was, name), getattr(made, name)
        if old == new or name in _OWN:
            continue
        if getattr(survivor, name) == new:
            fields[name] = old
        elif name not in BOOKKEEPING:
            left.append(f"stay {survivor.encounter_id}: {name.rstrip('_')} was changed since, and stays")
    draft.update(survivor, None, **fields)
    parted = draft.update(prior, None, status=prior_was.status, merged_into=None)
    back: Moved = {"encounters": [parted.encounter_id]}
    rekeyed = set(listed.get("rekeyed", ()))
    for task in [one for one in home.tasks.values() if one.task_id in rekeyed]:
        if task.business_status == "merged":
            left.append(f"task {task.task_id}: it became one with a task of the other stay, which keeps it")
            continue
        key = task.task_key.replace(survivor.encounter_id, parted.encounter_id)
        draft.update(task, None, encounter_id=parted.encounter_id, task_key=key)
        back.setdefault("tasks", []).append(task.task_id)
    for row in [one for one in home.authorizations.values() if one.authorization_id in rekeyed]:
        draft.update(row, None, encounter_id=parted.encounter_id)
        back.setdefault("authorizations", []).append(row.authorization_id)
    for timer in [one for one in home.timers.values() if one.timer_id in rekeyed]:
        draft.update(timer, None, encounter_id=parted.encounter_id)
    return back, left


_OWN = ("revision", "updated_at")

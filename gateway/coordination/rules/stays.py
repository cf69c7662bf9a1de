"""What the rules ask about a patient's stays and visits (domain reference 3.2, 6.1, 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from gateway.coordination.calendar import Site, day_counts_from, local_date
from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.condition_groups import HRRP_DRGS, groups_of, in_family
from gateway.coordination.draft import Draft
from gateway.coordination.records import Appointment, Coverage, Encounter, Patient, Task, Transition
from gateway.coordination.rules.declaration import Focus, Rule, evidence, recorded_by, site_of
from gateway.coordination.rules.declaration import because as told
from gateway.coordination.tables import OPEN_STAYS
from gateway.coordination.tasks import Evidence
from mappings.codes import disposition_of
from mappings.events import Diagnosis

__all__ = ["OPEN_STAYS", "recorded_by", "told"]

ATTENDED = frozenset({"arrived", "checked-in", "fulfilled"})
LIVE_VISITS = ATTENDED | {"booked"}
_CALLED_OFF = frozenset({"cancelled", "noshow", "entered-in-error"})
_NO_CARE_CLASSES = frozenset({"C", "N"})

AT_DISCHARGE = ("discharged", "discharge-corrected", "death-withdrawn")
"""The transitions at which `stays_with` or `stays_of_rule` name a stay that ended (`Rule.hears`)."""

FARTHEST_FOLLOW_UP = 92
"""Days within which every follow-up visit starts, whatever a site sets."""


def happened(draft: Draft, kind: str, record_id: str) -> Transition | None:
    """The transition of this kind that the stimulus caused on the record."""
    if kind not in draft.happened:
        return None
    return next((row for row in draft.transitions if row.kind == kind and row.aggregate_id == record_id), None)


def scope_of(record: Encounter | Appointment) -> str:
    """The object's part of an idempotency key; a re-opened object (instance 2, 3 ...) is a new scope (6.1)."""
    own_id = record.encounter_id if isinstance(record, Encounter) else record.appointment_id
    return own_id if record.instance == 1 else f"{own_id}.{record.instance}"


def focus_on(stay: Encounter, **ids: str | None) -> Focus:
    return Focus(facility_id=stay.facility_id, encounter_id=stay.encounter_id, **ids)


def is_dead(patient: Patient) -> bool:
    return patient.deceased_source is not None or patient.deceased_at is not None


def makes_care_tasks(stay: Encounter) -> bool:
    """False for newborns and for classes C and N: no discharge or authorization rules (6.1)."""
    return not stay.newborn and stay.patient_class not in _NO_CARE_CLASSES


def is_home_discharge(stay: Encounter, settings: CoordinationSettings) -> bool:
    """The "qualifying discharge" of 6.1: inpatient or observation, to home, home health or a site's extra codes."""
    return (
        stay.status == "discharged"
        and stay.class_ in ("inpatient", "observation")
        and makes_care_tasks(stay)
        and (
            stay.disposition_category in ("home", "home-health") or stay.disposition in settings.tcm_extra_dispositions
        )
    )


def discharge_moment(draft: Draft, stay: Encounter) -> datetime:
    """Where deadlines after the discharge start."""
    moment = stay.discharged_at or draft.occurred_at
    return day_counts_from(moment, stay.discharged_precision, site_of(draft, stay.facility_id))


def is_high_risk(draft: Draft, stay: Encounter) -> bool:
    """Readmission indicator (PV1-13), or a principal diagnosis or DRG of the readmissions-reduction groups."""
    return (
        stay.readmission
        or bool(in_family(groups_of(principal_code(stay), numbers_of(draft, stay).condition_groups), "hrrp"))
        or stay.drg in HRRP_DRGS
    )


def principal_code(stay: Encounter) -> str | None:
    """ICD-10 code of the principal diagnosis, upper case without the dot; None when there is none."""
    listed = _diagnoses(stay)
    ranked = [row for row in listed if row.priority == 1]
    ranked += [row for type_ in ("F", "W", "A") for row in listed if row.type == type_]
    if not ranked or "9" in (ranked[0].system or ""):
        return None
    return _plain(ranked[0].code)


def codes_of(stay: Encounter) -> list[str]:
    """All ICD-10 codes of the stay, upper case without the dot."""
    return [_plain(row.code) for row in _diagnoses(stay) if "9" not in (row.system or "")]


def _diagnoses(stay: Encounter) -> list[Diagnosis]:
    return [] if stay.diagnoses_json == "[]" else msgspec.json.decode(stay.diagnoses_json, type=list[Diagnosis])


def _plain(code: str) -> str:
    return code.replace(".", "").upper()


def coming_category(stay: Encounter) -> str | None:
    """Category of the expected disposition (PV2-27)."""
    return disposition_of(stay.expected_disposition) if stay.expected_disposition else None


def stays_with(draft: Draft, *kinds: str) -> list[Encounter]:
    """The stays with one of these transitions now, each once; when a death is taken back, also those that a discharge
    ended in the meantime."""
    if draft.happened.isdisjoint(kinds) and not life_returned(draft):
        return []
    ids = {row.aggregate_id: None for row in draft.transitions if row.kind in kinds}
    if "discharged" in kinds and life_returned(draft):
        ids |= {stay.encounter_id: None for stay in draft.subject.encounters.values() if stay.discharged_at}
    return [draft.subject.encounters[id_] for id_ in ids if id_ in draft.subject.encounters]


def life_returned(draft: Draft) -> bool:
    """A death turned out to be an error: what it kept away is looked at again."""
    return "death-withdrawn" in draft.happened


def in_bed_at(stay: Encounter, moment: datetime) -> bool:
    """An inpatient now, or one who left after that moment."""
    if stay.status in ("inpatient", "on-leave"):
        return stay.inpatient_at is None or stay.inpatient_at <= moment
    ended_later = stay.discharged_at is not None and stay.discharged_at > moment
    return stay.status in ("discharged", "expired") and stay.class_ == "inpatient" and ended_later


def stay_of(draft: Draft, task: Task) -> Encounter | None:
    return draft.subject.encounters.get(task.encounter_id or "")


def discharge_evidence(draft: Draft, stay: Encounter) -> list[Evidence]:
    if stay.status in OPEN_STAYS:
        return [evidence(draft, "PV2-27", stay.expected_disposition)]
    when = stay.discharged_at.isoformat() if stay.discharged_at else None
    return [evidence(draft, "PV1-36", stay.disposition), evidence(draft, "PV1-45", when)]


def readmission_after(draft: Draft, stay: Encounter, by: datetime | None = None) -> Encounter | None:
    """A later inpatient stay of the patient; `by`: one that had begun by then."""
    left = stay.discharged_at
    if left is None:
        return None
    for other in draft.subject.encounters.values():
        began = other.inpatient_at
        if other.encounter_id == stay.encounter_id or began is None or began <= left or (by and began > by):
            continue
        ended_inpatient = other.status in ("discharged", "expired") and other.class_ == "inpatient"
        if ended_inpatient or other.status in ("inpatient", "on-leave"):
            return other
    return None


def follow_ups(draft: Draft, left: datetime, site: Site, *, by: datetime | None = None) -> Iterator[Appointment]:
    """Live visits that count as follow-up of a discharge at `left` (3.2); `by`: as it was known then."""
    reach = timedelta(days=FARTHEST_FOLLOW_UP)
    for visit in draft.subject.appointments.between(left, left + reach):
        if was_live(visit, by) and in_follow_up_window(draft, visit, left, site):
            yield visit


def was_live(visit: Appointment, by: datetime | None) -> bool:
    """Whether the visit stands; with `by`, whether it stood at that moment as far as it is known."""
    if by is None:
        return visit.status in LIVE_VISITS
    if (visit.booked_at or visit.recorded_at) > by:
        return False
    if visit.status == "cancelled":
        return (visit.cancelled_at or visit.recorded_at) > by
    return visit.status in LIVE_VISITS or (visit.status == "noshow" and visit.recorded_at > by)


def in_follow_up_window(draft: Draft, visit: Appointment, left: datetime, site: Site) -> bool:
    """A visit of the right kind that starts one day to `followup_none_cd` days after the discharge."""
    if visit.start_at is None or not is_follow_up_kind(visit, numbers_of(draft, visit)):
        return False
    day = local_date(visit.start_at, site_of(draft, visit.facility_id))
    after = day - local_date(left, site)
    return timedelta(days=1) <= after <= timedelta(days=numbers_of(draft, visit).followup_none_cd)


def is_follow_up_kind(visit: Appointment, settings: CoordinationSettings) -> bool:
    words = {word.upper() for word in (visit.reason, visit.type, visit.service) if word}
    if words & set(settings.not_followup_services):
        return False
    return bool(words & set(settings.followup_types)) or visit.location_type in settings.followup_location_types


def is_called_off(visit: Appointment) -> bool:
    return visit.status in _CALLED_OFF


def numbers_of(draft: Draft, record: Encounter | Appointment, coverage: Coverage | None = None) -> CoordinationSettings:
    """The numbers that hold where the stay or visit is, and for the payer."""
    if coverage is None:
        return draft.numbers(record.facility_id)
    return draft.numbers(record.facility_id, coverage.payer_id, coverage.payer_name, coverage.plan_id)


def stays_of_rule(draft: Draft, rule: Rule, *kinds: str) -> list[Encounter]:
    """Stays with one of these transitions now, and those about which the rule has open or retracted work."""
    ids = {stay.encounter_id: None for stay in stays_with(draft, *kinds)}
    tasks, timers = draft.subject.tasks, draft.subject.timers
    for task in (*tasks.open_of(rule.id), *tasks.retracted_of(rule.id)):
        if task.encounter_id:
            ids[task.encounter_id] = None
    for timer in timers.of_rule(rule.id):
        if timer.encounter_id:
            ids[timer.encounter_id] = None
    return [draft.subject.encounters[id_] for id_ in ids if id_ in draft.subject.encounters]

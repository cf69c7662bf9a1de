"""Code tables: what partners write, in our words.

Every function takes a value as sent and answers None when the table does not know it; the caller keeps the raw value
beside it and notes a problem, no message is refused because of a code.
"""

from __future__ import annotations

import re

EVENTS: dict[str, str] = {
    "ADT^A01": "encounter.admitted",
    "ADT^A02": "encounter.transferred",
    "ADT^A03": "encounter.discharged",
    "ADT^A04": "encounter.registered",
    "ADT^A05": "encounter.preadmitted",
    "ADT^A06": "encounter.class-changed",
    "ADT^A07": "encounter.class-changed",
    "ADT^A08": "encounter.updated",
    "ADT^A09": "encounter.departed-location",
    "ADT^A10": "encounter.arrived-location",
    "ADT^A11": "encounter.admit-cancelled",
    "ADT^A12": "encounter.transfer-cancelled",
    "ADT^A13": "encounter.discharge-cancelled",
    "ADT^A14": "encounter.admit-pending",
    "ADT^A15": "encounter.transfer-pending",
    "ADT^A16": "encounter.discharge-pending",
    "ADT^A17": "encounter.transferred",
    "ADT^A18": "patient.merged",
    "ADT^A20": "location.bed-status",
    "ADT^A21": "encounter.leave-started",
    "ADT^A22": "encounter.leave-ended",
    "ADT^A23": "encounter.deleted",
    "ADT^A24": "patient.linked",
    "ADT^A25": "encounter.discharge-pending-cancelled",
    "ADT^A26": "encounter.updated",
    "ADT^A27": "encounter.preadmit-cancelled",
    "ADT^A28": "patient.created",
    "ADT^A29": "patient.deactivated",
    "ADT^A30": "patient.merged",
    "ADT^A31": "patient.updated",
    "ADT^A32": "encounter.updated",
    "ADT^A33": "encounter.updated",
    "ADT^A34": "patient.merged",
    "ADT^A35": "account.merged",
    "ADT^A36": "patient.merged",
    "ADT^A37": "patient.unlinked",
    "ADT^A38": "encounter.preadmit-cancelled",
    "ADT^A39": "patient.merged",
    "ADT^A40": "patient.merged",
    "ADT^A41": "account.merged",
    "ADT^A42": "encounter.merged",
    "ADT^A43": "patient.identifier-moved",
    "ADT^A44": "account.moved",
    "ADT^A45": "encounter.moved",
    "ADT^A46": "patient.identifier-changed",
    "ADT^A47": "patient.identifier-changed",
    "ADT^A48": "patient.identifier-changed",
    "ADT^A49": "account.identifier-changed",
    "ADT^A50": "encounter.identifier-changed",
    "ADT^A51": "encounter.identifier-changed",
    "ADT^A52": "encounter.leave-cancelled",
    "ADT^A53": "encounter.leave-return-cancelled",
    "ADT^A54": "encounter.attending-changed",
    "ADT^A55": "encounter.attending-changed",
    "ADT^A60": "patient.allergies-changed",
    "ADT^A61": "encounter.updated",
    "ADT^A62": "encounter.updated",
    "SIU^S12": "appointment.booked",
    "SIU^S13": "appointment.rescheduled",
    "SIU^S14": "appointment.updated",
    "SIU^S15": "appointment.cancelled",
    "SIU^S16": "appointment.discontinued",
    "SIU^S17": "appointment.deleted",
    "SIU^S18": "appointment.updated",
    "SIU^S19": "appointment.updated",
    "SIU^S20": "appointment.resource-cancelled",
    "SIU^S21": "appointment.resource-cancelled",
    "SIU^S22": "appointment.updated",
    "SIU^S23": "schedule.blocked",
    "SIU^S24": "schedule.opened",
    "SIU^S26": "appointment.no-showed",
}
"""Trigger -> canonical event type, before class (A01) or appointment status (S12 to S15) make it more specific."""

CLASSES: dict[str, str] = {
    **dict.fromkeys(("I", "IP", "INP", "IN", "INPATIENT", "IMP", "ACUTE", "NONAC"), "inpatient"),
    **dict.fromkeys(("O", "OP", "OUT", "OUTPATIENT", "AMB", "AMBULATORY", "C"), "outpatient"),
    **dict.fromkeys(("E", "ER", "ED", "EMER", "EMERGENCY"), "emergency"),
    **dict.fromkeys(("V", "OBS", "OBV", "OBSENC", "OBSERVATION"), "observation"),
    **dict.fromkeys(("P", "PRE", "PREADMIT", "PREADMISSION", "PRENC"), "preadmit"),
    **dict.fromkeys(("R", "REC", "RECUR", "RECURRING", "SERIES"), "recurring"),
    **dict.fromkeys(("B", "OB", "OBSTETRICS"), "obstetrics"),
    **dict.fromkeys(("N", "U", "UNKNOWN"), "unknown"),
}
"""Table 0004 and local spellings.  C (commercial account) is billed without a bed: outpatient.  V and OBS are local."""

SEXES: dict[str, str] = {
    **dict.fromkeys(("F", "FEMALE", "2"), "F"),
    **dict.fromkeys(("M", "MALE", "1"), "M"),
    **dict.fromkeys(("O", "OTHER", "X"), "O"),
    **dict.fromkeys(("U", "UNKNOWN", "UNK", "0", "9"), "U"),
    **dict.fromkeys(("A", "AMBIGUOUS"), "A"),
    **dict.fromkeys(("N", "NOT APPLICABLE"), "N"),
}
"""Table 0001, its words, and the numbers of ISO 5218."""

DISPOSITIONS: dict[str, str] = {
    **dict.fromkeys(("01", "81"), "home"),
    **dict.fromkeys(("06", "08", "86"), "home-health"),
    **dict.fromkeys(("02", "05", "43", "66", "82", "85", "88", "94"), "acute-transfer"),
    **dict.fromkeys(("03", "04", "61", "64", "83", "84", "89", "92"), "snf"),
    **dict.fromkeys(("62", "90"), "rehab"),
    **dict.fromkeys(("63", "91"), "ltach"),
    **dict.fromkeys(("65", "93"), "psych"),
    **dict.fromkeys(("50", "51"), "hospice"),
    "07": "ama",
    **dict.fromkeys(("20", "40", "41", "42"), "expired"),
    **dict.fromkeys(("09", "30"), "still-patient"),
    **dict.fromkeys(("21", "69", "70", "87", "95"), "other"),
    **{f"{code}": "other" for code in (*range(10, 20), *range(22, 30), *range(31, 40))},
    # Sites without the UB-04 list spell the category out.
    "HOME": "home",
    "HOME HEALTH": "home-health",
    "SNF": "snf",
    "REHAB": "rehab",
    "LTACH": "ltach",
    "PSYCH": "psych",
    "HOSPICE": "hospice",
    "AMA": "ama",
    "EXPIRED": "expired",
}
"""PV1-36 (user table 0112, UB-04 status codes) -> category of domain reference 2.4."""

PLANNED_READMISSIONS = frozenset(str(code) for code in range(81, 96))
"""UB-04 discharge status codes that announce a planned readmission."""

APPOINTMENT_STATUSES: dict[str, str] = {
    **dict.fromkeys(("PENDING", "TENTATIVE"), "pending"),
    **dict.fromkeys(("WAITLIST", "WAITLISTED"), "waitlist"),
    **dict.fromkeys(("BOOKED", "OVERBOOK", "OVERBOOKED", "CONFIRMED", "SCHEDULED", "SCH", "RESCHEDULED"), "booked"),
    **dict.fromkeys(("ARRIVED", "ARRIVE"), "arrived"),
    **dict.fromkeys(("STARTED", "CHECKEDIN", "CHECKIN", "INPROGRESS"), "checked-in"),
    **dict.fromkeys(("COMPLETE", "COMPLETED", "FULFILLED", "CHECKEDOUT"), "fulfilled"),
    **dict.fromkeys(("CANCELLED", "CANCELED", "CANCEL", "DC", "DISCONTINUED"), "cancelled"),
    **dict.fromkeys(("DELETED", "DELETE"), "entered-in-error"),
    **dict.fromkeys(("NOSHOW", "NOSHOWED", "DIDNOTATTEND", "DNA"), "noshow"),
    "BLOCKED": "blocked",
}
"""SCH-25 (table 0278 and local words, letters only) -> status of domain reference 3.2; `blocked` is no appointment."""

STATUS_EVENTS: dict[str, str] = {
    "arrived": "appointment.arrived",
    "checked-in": "appointment.checked-in",
    "fulfilled": "appointment.fulfilled",
    "cancelled": "appointment.cancelled",
    "noshow": "appointment.no-showed",
    "entered-in-error": "appointment.deleted",
}
"""Statuses that say more than "booked" or "changed"."""

_NOT_A_LETTER = re.compile(r"[^A-Z]+")


def class_of(sent: str) -> str | None:
    """PV1-2 as sent -> inpatient, outpatient, emergency, observation, preadmit, recurring, obstetrics or unknown."""
    return CLASSES.get(sent.upper())


def sex_of(sent: str) -> str | None:
    """PID-8 as sent -> F | M | O | U | A | N."""
    return SEXES.get(sent.upper())


def disposition_of(sent: str) -> str | None:
    """PV1-36 as sent -> category; codes may miss their leading zero."""
    return DISPOSITIONS.get(sent.upper().rjust(2, "0"))


def planned_readmission(sent: str) -> bool:
    """Whether the discharge status announces a readmission."""
    return sent in PLANNED_READMISSIONS


def appointment_status_of(sent: str) -> str | None:
    """SCH-25 as sent ("NO SHOW", "No-Show", "Checked In") -> status."""
    return APPOINTMENT_STATUSES.get(_NOT_A_LETTER.sub("", sent.upper()))


def appointment_event(trigger: str, status: str | None) -> str:
    """Canonical type of a SIU trigger; a more specific SCH-25 wins on S12 to S14, and a no-show on S15."""
    if status and (trigger in ("SIU^S12", "SIU^S13", "SIU^S14") or (trigger == "SIU^S15" and status == "noshow")):
        return STATUS_EVENTS.get(status, EVENTS[trigger])
    return EVENTS[trigger]


def encounter_event(trigger: str, class_: str | None) -> str:
    """Canonical type of an ADT trigger; an A01 says what its class says (domain reference 2.1, `*`)."""
    if trigger == "ADT^A01":
        if class_ in ("emergency", "outpatient", "observation", "recurring"):
            return EVENTS["ADT^A04"]
        if class_ == "preadmit":
            return EVENTS["ADT^A05"]
    return EVENTS[trigger]

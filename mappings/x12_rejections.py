"""AAA of 271 and 278 answers: what the code means, who can act on it, and what to do (domain reference 4.4).

Every AAA is shown by itself with these words; whether the same question is sent again follows from code and AAA04.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from mappings.payer_facts import Rejection


class Reason(NamedTuple):
    """AAA03.  `kind`: outage | operations | provider | patient | member | not-found | ambiguous | dependent | plan |
    date | data | coverage | pcp | network | authorization | clinical.  `who`: the queue whose people can act."""

    kind: str
    meaning: str
    advice: str
    who: str


_PROVIDER = "Correct the provider's data in the partner settings and ask again."
_ENROL = "Check the provider's enrolment with this payer; call the payer when it is right."
_CODE = "Correct the service code and ask again."
_CLINICAL = "Complete the clinical data and submit again."
_AUTHORIZATION = "Check the authorization record against the payer's notice and ask again."

REASONS: dict[str, Reason] = {
    "04": Reason("operations", "More questions than this payer takes at once", "Send smaller batches.", "integration"),
    "15": Reason(
        "data", "Required data is missing", "Complete name, birth date and member id, then ask again.", "eligibility"
    ),
    "33": Reason("data", "The request has input errors", "Correct the request's data and ask again.", "integration"),
    "35": Reason(
        "network",
        "Out of network",
        "Tell the patient; find a provider in network or ask for an exception.",
        "authorization",
    ),
    "41": Reason(
        "operations",
        "The payer does not let us ask",
        "Enrol the provider or submitter with this payer.",
        "integration",
    ),
    "42": Reason("outage", "The payer cannot answer now", "Nothing to do: it is asked again by itself.", "integration"),
    "43": Reason("provider", "The provider's identifier is missing or invalid", _ENROL, "integration"),
    "44": Reason("provider", "The provider's name is missing or invalid", _PROVIDER, "integration"),
    "45": Reason("provider", "The provider's specialty is missing or invalid", _PROVIDER, "integration"),
    "46": Reason("provider", "The provider's phone number is missing or invalid", _PROVIDER, "integration"),
    "47": Reason("provider", "The provider's state is missing or invalid", _PROVIDER, "integration"),
    "48": Reason("provider", "The referring provider's identifier is missing or invalid", _PROVIDER, "integration"),
    "49": Reason(
        "pcp",
        "The provider is not the patient's primary care provider",
        "Ask the patient who it is; get a referral or a change of the primary care provider.",
        "eligibility",
    ),
    "50": Reason("provider", "The provider may not ask about this patient", _ENROL, "integration"),
    "51": Reason("provider", "The payer does not know the provider", _ENROL, "integration"),
    "52": Reason(
        "provider",
        "The provider was not enrolled on the date of service",
        "Check the dates of the contract with this payer.",
        "integration",
    ),
    "53": Reason(
        "provider",
        "The service does not fit this type of provider",
        "Ask with the service type that fits the provider.",
        "eligibility",
    ),
    "54": Reason("data", "The kind of service code is not valid", _CODE, "eligibility"),
    "55": Reason("data", "The service code is not valid", _CODE, "eligibility"),
    "56": Reason("date", "The date is not valid", "Correct the date and ask again.", "eligibility"),
    "57": Reason(
        "date", "The date of service is missing or invalid", "Add the date of service and ask again.", "eligibility"
    ),
    "58": Reason(
        "patient", "The birth date is missing or invalid", "Verify the birth date with the patient.", "eligibility"
    ),
    "60": Reason(
        "patient",
        "The birth date is after the date of service",
        "Verify both dates.",
        "eligibility",
    ),
    "61": Reason(
        "patient",
        "The payer has a death before the date of service",
        "Verify with the patient's record before anything else.",
        "records",
    ),
    "62": Reason(
        "date",
        "The date of service is outside what may be asked",
        "Ask again within the period that the payer allows.",
        "eligibility",
    ),
    "63": Reason(
        "date", "The date of service is in the future", "Ask for today, and again on the day of service.", "eligibility"
    ),
    "64": Reason(
        "patient", "The patient's identifier is missing or invalid", "Correct it from the card.", "eligibility"
    ),
    "65": Reason("patient", "The patient's name is missing or invalid", "Correct it from the card.", "eligibility"),
    "66": Reason("patient", "The patient's sex is missing or invalid", "Correct it from the card.", "eligibility"),
    "67": Reason(
        "not-found",
        "The payer does not find the patient",
        "Try variants of the name, subscriber and dependent exchanged, and other payers.",
        "eligibility",
    ),
    "68": Reason(
        "ambiguous",
        "The patient's identifier belongs to several people",
        "Add birth date and address, then ask again.",
        "eligibility",
    ),
    "69": Reason("data", "The service does not fit the patient's age", "Check the service.", "eligibility"),
    "70": Reason("data", "The service does not fit the patient's sex", "Check the service.", "eligibility"),
    "71": Reason(
        "patient",
        "The birth date is not the one that the payer has",
        "Verify it with the patient; correct ours, or have the payer's corrected.",
        "eligibility",
    ),
    "72": Reason("member", "The member id is missing or invalid", "Enter it again from the card.", "eligibility"),
    "73": Reason(
        "member",
        "The subscriber's name is missing or invalid",
        "Correct it; try it without suffix, and with and without hyphen.",
        "eligibility",
    ),
    "74": Reason("member", "The subscriber's sex is missing or invalid", "Correct it from the card.", "eligibility"),
    "75": Reason(
        "not-found",
        "The payer does not find the subscriber",
        "Take it as no evidence of coverage: verify card and payer, try other payers.",
        "eligibility",
    ),
    "76": Reason(
        "ambiguous",
        "The member id belongs to several subscribers",
        "Add further identifiers, then ask again.",
        "eligibility",
    ),
    "77": Reason(
        "dependent",
        "The subscriber is known, the patient is not",
        "Check the dependent's name and relationship.",
        "eligibility",
    ),
    "78": Reason(
        "plan",
        "The subscriber is not in the group or plan given",
        "Ask the patient for the new card.",
        "eligibility",
    ),
    "79": Reason(
        "operations",
        "A participant's identifier is not valid",
        "Check payer id and submitter in the partner settings.",
        "integration",
    ),
    "80": Reason(
        "outage", "The payer's system did not respond", "Nothing to do: it is asked again by itself.", "integration"
    ),
    "95": Reason(
        "coverage", "The patient is not eligible", "Verify the coverage before submitting again.", "eligibility"
    ),
    "97": Reason("provider", "The provider's address is missing or invalid", _PROVIDER, "integration"),
    "98": Reason(
        "clinical", "The payer takes the service as experimental", "Review with the ordering provider.", "authorization"
    ),
    "T4": Reason(
        "operations",
        "The payer's name or identifier is missing",
        "Correct the payer in the partner settings.",
        "integration",
    ),
    "T5": Reason("clinical", "Certification information is missing", _CLINICAL, "authorization"),
    "AA": Reason("authorization", "The payer does not find the authorization number", _AUTHORIZATION, "authorization"),
    "AE": Reason(
        "pcp",
        "The primary care provider has to authorize it",
        "Get the referral from the primary care provider.",
        "authorization",
    ),
    "AF": Reason("clinical", "The diagnosis is missing or invalid", _CLINICAL, "authorization"),
    "AG": Reason("clinical", "The procedure is missing or invalid", _CLINICAL, "authorization"),
    "AO": Reason("clinical", "More about the condition is needed", _CLINICAL, "authorization"),
    "CI": Reason("authorization", "The authorization number is another patient's", _AUTHORIZATION, "authorization"),
    "E8": Reason("clinical", "It needs medical review", _CLINICAL, "authorization"),
    "IA": Reason("authorization", "The authorization number has no valid form", _AUTHORIZATION, "authorization"),
    "MA": Reason("authorization", "The authorization number is missing", _AUTHORIZATION, "authorization"),
}
UNKNOWN = Reason(
    "data", "The payer gives a reason that is not in our table", "Call the payer with the code.", "eligibility"
)
OUTAGES = frozenset(code for code, reason in REASONS.items() if reason.kind == "outage")

NEXT_STEPS = {
    "C": "correct and send again",
    "N": "the payer takes no resubmission: call",
    "P": "send the original again",
    "R": "may be sent again as it is",
    "S": "do not send again: the payer passed it on",
    "W": "wait 30 days",
    "X": "wait 10 days",
    "Y": "do not send again: the payer will respond",
}
"""AAA04."""


def explained(rejection: Rejection) -> Rejection:
    """The rejection with what it means and who can act."""
    reason = REASONS.get(rejection.reason, UNKNOWN)
    advice = reason.advice
    step = NEXT_STEPS.get(rejection.follow_up or "")
    if step and reason.kind != "outage":
        advice = f"{advice} The payer says: {step}."
    return msgspec.structs.replace(rejection, kind=reason.kind, meaning=reason.meaning, advice=advice, who=reason.who)


def payer_is_down(rejections: tuple[Rejection, ...]) -> bool:
    """Nothing but outages (42, 80): the payer said nothing about the patient, and no person can help."""
    return bool(rejections) and all(one.reason in OUTAGES for one in rejections)

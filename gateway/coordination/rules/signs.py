"""What there is of a patient, in the words in which rules say that they need it (`Rule.hears`)."""

from __future__ import annotations

from gateway.coordination.scope import PatientScope

VISITS = "has-appointments"
GRANTS = "has-authorizations"
ANSWERED = "has-answers"
"""A payer answered about a coverage."""
OBSERVED = "was-observed"
"""A stay is, or was, in observation."""
LEFT = "has-left"
"""A stay ended, or is said to have."""
LEAVING = "leave-expected"
"""A stay has an expected day or place of discharge."""

SIGNS = frozenset((VISITS, GRANTS, ANSWERED, OBSERVED, LEFT, LEAVING))


def signs_of(home: PatientScope) -> set[str]:
    found = set[str]()
    if home.appointments:
        found.add(VISITS)
    if home.authorizations:
        found.add(GRANTS)
    for coverage in home.coverages.values():
        if coverage.eligibility is not None or coverage.answer_json is not None:
            found.add(ANSWERED)
    for stay in home.encounters.values():
        if stay.observation_at is not None:
            found.add(OBSERVED)
        if stay.discharged_at is not None:
            found.add(LEFT)
        if stay.expected_discharge_at is not None or stay.expected_disposition is not None:
            found.add(LEAVING)
    return found

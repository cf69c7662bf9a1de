"""Whose answer is it (decision 10)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.matching import Candidate, Match, match_member
from mappings.events import MemberFacts

ANNA = Candidate(
    patient_id="pat_a", payer_id="PAYER5", member_id="MBR-1", birth_date="1948-02-17", family="TESTER", given="ANNA", sex="F"
)  # fmt: skip
BEN = msgspec.structs.replace(ANNA, patient_id="pat_b", given="BEN", sex="M")
SAID = MemberFacts(
    payer_id="PAYER5", member_id="MBR-1", birth_date="1948-02-17", family="TESTER", given="ANNA", sex="F", traces=("T1",)
)  # fmt: skip
TRACE = {"T1": "pat_a"}


def said(**facts: object) -> MemberFacts:
    return msgspec.structs.replace(SAID, **facts)


@pytest.mark.parametrize(
    ("member", "by", "reason"),
    [
        (SAID, "trace", None),
        (said(member_id="X", birth_date=None), "trace", None),  # the family name agrees
        (said(member_id="X", family="OTHER"), "trace", None),  # the birth date agrees
        (said(birth_date=None, family=None), "trace", None),  # the member id agrees
        (said(member_id="X", birth_date=None, family="OTHER"), None, "unmatched"),
        (said(member_id=None, birth_date=None, family=None, sex=None), None, "unmatched"),
        (said(birth_date="1948-02-18"), None, "contradiction"),
        (said(sex="M"), None, "contradiction"),
        (said(sex="U"), "trace", None),
        (said(traces=(), reference="T1"), "trace", None),
    ],
)
def test_trace_holds_only_when_the_answer_describes_the_patient(
    member: MemberFacts, by: str | None, reason: str | None
) -> None:
    expected = Match(patient_id="pat_a", by=by) if by else Match(reason=reason)
    assert match_member(member, [ANNA], TRACE) == expected


@pytest.mark.parametrize(
    ("member", "candidates", "patient_id", "reason"),
    [
        (said(), [ANNA], "pat_a", None),
        (said(member_id="mbr1"), [ANNA], "pat_a", None),  # punctuation and case say nothing
        (said(payer_id="OTHER"), [ANNA], None, "unmatched"),
        (said(payer_id=None), [ANNA], None, "unmatched"),
        (said(birth_date=None), [ANNA], None, "unmatched"),
        (said(birth_date="1990-01-01"), [ANNA], None, "unmatched"),
        (said(), [], None, "unmatched"),
        (said(), [ANNA, BEN], "pat_a", None),  # twins on one policy: the given name decides
        (said(given="Anna Q", sex=None), [ANNA, BEN], "pat_a", None),
        (said(given=None), [ANNA, BEN], None, "ambiguous"),
        (said(given="CARA"), [ANNA, BEN], None, "ambiguous"),
        (said(), [ANNA, msgspec.structs.replace(ANNA, patient_id="pat_c")], None, "ambiguous"),
        (said(), [ANNA, msgspec.structs.replace(ANNA, family="MAIDEN")], "pat_a", None),  # two coverages of one patient
        (said(sex="M"), [ANNA], None, "contradiction"),
    ],
)
def test_member_id_needs_payer_and_birth_date_and_one_patient(
    member: MemberFacts, candidates: list[Candidate], patient_id: str | None, reason: str | None
) -> None:
    found = match_member(member, candidates, {})
    assert (found.patient_id, found.reason) == (patient_id, reason)


def test_traces_of_two_patients_match_none() -> None:
    found = match_member(said(traces=("T1", "T2")), [ANNA, BEN], {"T1": "pat_a", "T2": "pat_b"})
    assert found == Match(reason="ambiguous")

"""Whose an answer is, by trace, number, reference and member (decision 10; docs/decisions/0012)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.compute.answers import match_answer
from gateway.compute.protocol import StateRows
from gateway.compute.state import State
from gateway.coordination.asking.settings import AskingSettings
from gateway.coordination.records import Authorization, Coverage, Inquiry, Patient
from mappings.events import AuthorizationFacts, CanonicalEvent, EligibilityFacts, MemberFacts
from mappings.partners import Payer, TradingPartner

AT = datetime(2026, 11, 10, tzinfo=UTC)
KNOWN = {"facility_id": "main", "revision": 1, "created_at": AT, "updated_at": AT}


def patient(
    number: str, *, trace: str | None = None, reference: str | None = None, family: str = "TESTER"
) -> StateRows:
    """One patient with a coverage, a question and an authorization of his own."""
    id_ = f"pat_{number}"
    return StateRows(
        patients=[
            Patient(patient_id=id_, authority="GH", mrn=number, family=family, birth_date="1948-02-17", sex="F", **KNOWN)
        ],
        coverages=[
            Coverage(
                coverage_id=f"cov_{number}", patient_id=id_, payer_id="PAYER5", member_id=f"M{number}", recorded_at=AT,
                **KNOWN,
            )
        ],
        inquiries=[
            Inquiry(
                inquiry_id=f"inq_{number}", patient_id=id_, kind="eligibility", source="baton", reason="x",
                payer_id="PAYER5", trace=trace, reference=reference, status="sent", asked_at=AT, **KNOWN,
            )
        ],
        authorizations=[
            Authorization(
                authorization_id=f"aut_{number}", patient_id=id_, number=f"AUTH{number}", source="278", status="pended",
                recorded_at=AT, **KNOWN,
            )
        ],
    )  # fmt: skip


def state(*homes: StateRows) -> State:
    rows = StateRows()
    for home in homes:
        for name in ("patients", "coverages", "inquiries", "authorizations"):
            getattr(rows, name).extend(getattr(home, name))
    return State(rows)


def said(number: str | None = None, **member: object) -> CanonicalEvent:
    """A 271, or a 278 with an authorization number."""
    told: dict[str, object] = {"authorization": AuthorizationFacts(status="certified", number=number)}
    if number is None:
        told = {"eligibility": EligibilityFacts(status="active")}
    return CanonicalEvent(
        type="coverage.active", trigger="271", recorded_at=AT, occurred_at=AT,
        member=MemberFacts(payer_id="PAYER5", **member), **told,
    )  # fmt: skip


ONE = patient("1", trace="T1", reference="R1")
TWO = patient("2", trace="T2", reference="R2", family="OTHER")


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (said(traces=("T1",), family="Tester"), "pat_1"),
        (said(reference="R2", family="Other"), "pat_2"),
        (said(traces=("T1",), reference="R2", family="Tester"), "pat_1"),  # the trace tells more than BHT03
        (said(traces=("T1",), family="Somebody"), None),
        (said(traces=("T1",), family="Tester", birth_date="1950-01-01"), None),
        (said(member_id="M2", birth_date="1948-02-17"), "pat_2"),
        (said("AUTH1", family="Tester"), "pat_1"),
        (said("AUTH1", family="Somebody"), None),
        (said("AUTH1", member_id="M2", birth_date="1948-02-17"), "pat_2"),
    ],
)
def test_answer_finds_its_patient_or_nobody(event: CanonicalEvent, found: str | None) -> None:
    assert match_answer(event, state(ONE, TWO), AskingSettings()).patient_id == found


def test_answer_that_names_nobody_follows_its_reference_unless_two_have_it() -> None:
    nobody = said(reference="R1")
    assert match_answer(nobody, state(ONE, TWO), AskingSettings()).patient_id == "pat_1"
    assert match_answer(said(reference="R9"), state(ONE, TWO), AskingSettings()).patient_id is None
    twice = state(ONE, patient("2", reference="R1"))
    assert match_answer(nobody, twice, AskingSettings()).patient_id is None


@pytest.mark.parametrize(
    ("id_", "aliases"), [("87726", ("PAYER5",)), ("PAYER5", ("87726",)), ("X", ("PAYER5", "87726"))]
)
def test_payer_is_one_whichever_of_his_identifiers_registration_and_answer_use(
    id_: str, aliases: tuple[str, ...]
) -> None:
    answer = said(member_id="M2", birth_date="1948-02-17")
    assert answer.member is not None
    answer = msgspec.structs.replace(answer, member=msgspec.structs.replace(answer.member, payer_id="87726"))
    asking = AskingSettings(partners=(TradingPartner(payers=(Payer(id=id_, aliases=aliases),)),))
    assert match_answer(answer, state(ONE, TWO), asking).patient_id == "pat_2"
    assert match_answer(answer, state(ONE, TWO), AskingSettings()).reason == "unmatched"

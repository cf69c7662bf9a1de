"""Authorizations (domain reference 5.3, 5.4)."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import CanonicalEvent, ServiceDecision
from tests.gateway.coordination.transition_builders import (
    ACME,
    Story,
    adt,
    after,
    moves,
    response,
    siu,
    stay,
    types,
)


def known_patient(*events: CanonicalEvent) -> Story:
    story = Story()
    story.hear(adt("A28"))
    for event in events:
        story.hear(event)
    return story


def test_pended_response_starts_an_assumed_clock_and_a_later_one_decides() -> None:
    story = known_patient()
    draft = story.hear(response("pended", 1, tracking_number="TRACK1", urgent=True))
    assert (types(draft), moves(draft, "authorization-status")) == (["authorization.pended"], [(None, "pended")])
    known = story.authorization
    assert (known.clock_started_at, known.clock_assumed, known.urgent, known.decision) == (after(1), True, True, 1)
    draft = story.hear(response("certified", 30, number="AUTH1", expires_on="2026-12-15"))
    assert moves(draft, "authorization-status") == [("pended", "certified")]
    known = story.authorization
    assert (known.number, known.tracking_number, known.decision, known.clock_started_at) == (
        "AUTH1",
        "TRACK1",
        2,
        after(1),
    )


def test_response_told_twice_is_one() -> None:
    story = known_patient(response("denied", 1))
    again = story.hear(response("denied", 1)).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


def test_response_older_than_the_decision_is_ignored() -> None:
    story = known_patient(response("certified", 5, number="AUTH1"))
    draft = story.hear(response("pended", 4))
    assert (story.authorization.status, draft.late, draft.emitted) == ("certified", True, [])


def test_same_decision_sent_later_is_no_new_decision() -> None:
    story = known_patient(response("pended", 1), response("pended", 2))
    assert (story.authorization.decision, story.authorization.decided_at) == (1, after(2))


def test_denied_then_certified_is_overturned() -> None:  # scenario 20
    story = known_patient(
        response("denied", 1, decisions=(ServiceDecision(level="event", action="A3", reasons=("0V",)),))
    )
    draft = story.hear(response("certified", 9, number="AUTH1"))
    assert draft.emitted[0].data["overturned"] is True
    assert (story.authorization.status, story.authorization.decision) == ("certified", 2)


def test_provisional_response_is_flagged() -> None:
    draft = known_patient().hear(response("pended", 1, provisional=True))
    assert draft.emitted[0].flags == ["provisional"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (response("pended", 1), response("certified", 2), True),
        (response("pended", 1, traces=("A",)), response("certified", 2, traces=("B",)), False),
        (
            response("pended", 1, traces=(), tracking_number="N1"),
            response("certified", 2, traces=(), tracking_number="N1"),
            True,
        ),
        (response("certified", 1, traces=("A",), number="N1"), response("cancelled", 2, traces=(), number="N1"), True),
        (
            response("pended", 1, traces=(), service_type="62", event_begins_on="2026-11-16"),
            response("certified", 2, traces=("B",), service_type="62", event_begins_on="2026-11-18"),
            True,
        ),
        (
            response("pended", 1, traces=(), service_type="62", event_begins_on="2026-11-16"),
            response("certified", 2, traces=("B",), service_type="62", event_begins_on="2026-11-20"),
            False,
        ),
        (
            response("pended", 1, traces=(), service_type="62", event_begins_on="2026-11-16"),
            response("certified", 2, traces=("B",), service_type="48", event_begins_on="2026-11-16"),
            False,
        ),
    ],
)
def test_response_finds_its_authorization_by_trace_number_or_service(
    first: CanonicalEvent, second: CanonicalEvent, same: bool
) -> None:
    assert (len(known_patient(first, second).home.authorizations) == 1) is same


def test_line_trace_names_the_authorization_too() -> None:
    line = ServiceDecision(level="service", action="A1", trace="T77")
    story = known_patient(response("pended", 1), response("certified", 2, traces=(), decisions=(line,)))
    assert story.authorization.status == "certified"


def test_revision_under_a_new_number_supersedes_the_old_one() -> None:
    story = known_patient(response("certified", 1, traces=("A",), number="N1"))
    story.hear(response("certified", 2, traces=("B",), number="N2", previous_number="N1"))
    assert [(one.number, one.status) for one in story.home.authorizations.values()] == [
        ("N1", "superseded"),
        ("N2", "certified"),
    ]


REVIEW = {"request_category": "AR", "event_begins_on": "2026-11-06"}


@pytest.mark.parametrize(
    ("begins", "linked"), [("2026-11-06", True), ("2026-11-08", True), ("2026-11-09", False), (None, False)]
)
def test_admission_review_belongs_to_the_stay_within_three_days(begins: str | None, linked: bool) -> None:
    story = known_patient(adt("A01"))
    story.hear(response("certified", 5, request_category="AR", event_begins_on=begins))
    assert (story.authorization.encounter_id is not None) is linked


def test_admission_review_before_the_admission_is_linked_when_it_comes() -> None:
    story = known_patient(response("certified", -30, **REVIEW))
    assert story.authorization.encounter_id is None
    story.hear(adt("A01"))
    assert story.authorization.encounter_id == story.encounter.encounter_id


def test_admission_review_with_two_stays_is_linked_to_none() -> None:
    story = known_patient(adt("A04"), adt("A01", 1, encounter=stay("V2", class_="inpatient")))
    story.hear(response("certified", 5, **REVIEW))
    assert story.authorization.encounter_id is None


@pytest.mark.parametrize(
    ("facts", "linked"),
    [
        ({"decisions": (ServiceDecision(level="service", action="A1", service="71250"),)}, True),
        ({"effective_on": "2026-11-08", "expires_on": "2026-11-30"}, True),
        ({"effective_on": "2026-11-10", "expires_on": "2026-11-30"}, False),
    ],
)
def test_service_review_belongs_to_the_only_booking_it_fits(facts: dict[str, object], linked: bool) -> None:
    early = known_patient(siu("S12", service="71250"), response("certified", 5, request_category="HS", **facts))
    assert (early.authorization.appointment_id is not None) is linked
    late = known_patient(response("certified", -5, request_category="HS", **facts), siu("S12", service="71250"))
    assert (late.authorization.appointment_id is not None) is linked


def test_service_review_with_two_bookings_in_its_period_is_linked_to_none() -> None:
    story = known_patient(siu("S12", service="A"), siu("S12", 1, after(120), filler_id="F2", service="B"))
    story.hear(response("certified", 5, request_category="HS", effective_on="2026-11-01", expires_on="2026-12-01"))
    assert story.authorization.appointment_id is None


# -- from ADT ---------------------------------------------------------------------------------------------------------

NUMBERED = msgspec.structs.replace(ACME, authorization_number="AUTH9", authorization_ends_on="2026-11-20")


def test_number_on_an_admission_is_a_certified_authorization_of_the_stay() -> None:
    story = Story()
    draft = story.hear(adt("A01", coverages=(NUMBERED,)))
    assert "authorization.certified" in types(draft)
    known = story.authorization
    assert (known.source, known.status, known.number, known.expires_on) == ("adt", "certified", "AUTH9", "2026-11-20")
    assert (known.encounter_id, known.payer_id) == (story.encounter.encounter_id, "PAYER5")
    again = story.hear(adt("A08", 1, coverages=(NUMBERED,)))
    assert (again.emitted, len(story.home.authorizations)) == ([], 1)


def test_number_that_the_payer_denied_stays_denied() -> None:
    story = known_patient(response("denied", -1, number="AUTH9"))
    draft = story.hear(adt("A01", coverages=(NUMBERED,)))
    assert (story.authorization.status, story.authorization.expires_on) == ("denied", None)
    assert "authorization.certified" not in types(draft)


def test_response_with_the_number_of_an_admission_takes_it_over() -> None:
    story = known_patient(adt("A01", coverages=(NUMBERED,)), response("modified", 5, number="AUTH9"))
    assert (story.authorization.source, story.authorization.status) == ("278", "modified")
    assert story.authorization.encounter_id == story.encounter.encounter_id

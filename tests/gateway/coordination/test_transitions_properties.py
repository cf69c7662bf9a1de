"""Any messages in any order: nothing raises, a repetition says nothing new, every event tells of a stored record."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.coordination.keys import AGGREGATES
from mappings.events import CanonicalEvent, Location
from tests.gateway.coordination.transition_builders import ACME, Story, adt, after, answer, person, response, siu, stay

CLASSES = st.sampled_from([None, "inpatient", "outpatient", "emergency", "observation", "preadmit", "unknown"])
DISPOSITIONS = st.sampled_from([None, ("01", "home"), ("20", "expired"), ("30", "still-patient")])
UNITS = st.sampled_from([None, "ED", "4W", "5W"])
REMARKS = ("state-anomaly", "retracted-before", "encounter-unknown", "identity-conflict")
"""Transitions that say something about the message: a repetition may say it again."""


@st.composite
def stays(draw: st.DrawFn) -> CanonicalEvent:
    trigger = draw(st.sampled_from(["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13"]))
    unit, disposition = draw(UNITS), draw(DISPOSITIONS)
    facts = stay(
        draw(st.sampled_from(["V1", "V1", "V1", "V2", None])),
        class_=draw(CLASSES),
        location=Location(point_of_care=unit) if unit else None,
        disposition=disposition[0] if disposition else None,
        disposition_category=disposition[1] if disposition else None,
        clear_discharge=draw(st.booleans()),
    )
    cover = draw(st.sampled_from([None, (), (ACME,), (msgspec.structs.replace(ACME, authorization_number="N1"),)]))
    dead = draw(st.sampled_from([None, None, True, False]))
    patient = person(family=draw(st.sampled_from(["A", "B"])), deceased=dead)
    return adt(trigger, draw(st.integers(0, 12)), encounter=facts, coverages=cover, patient=patient)


@st.composite
def others(draw: st.DrawFn) -> CanonicalEvent:
    hours = draw(st.integers(0, 12))
    match draw(st.sampled_from(["siu", "271", "278"])):
        case "siu":
            trigger = draw(st.sampled_from(["S12", "S13", "S14", "S15", "S17", "S26"]))
            status = draw(st.sampled_from([None, "booked", "pending", "arrived", "fulfilled", "noshow"]))
            return siu(trigger, hours, after(draw(st.sampled_from([5, 96, 120]))), status=status)
        case "271":
            return answer(draw(st.sampled_from(["active", "inactive", "unknown", "rejected"])), hours)
        case _:
            status = draw(st.sampled_from(["pended", "certified", "denied", "modified"]))
            return response(status, hours, request_category=draw(st.sampled_from(["AR", "HS"])))


HISTORIES = st.lists(st.one_of(stays(), stays(), others()), min_size=1, max_size=10)


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_any_history_keeps_the_state_whole(history: list[CanonicalEvent]) -> None:
    story = Story()
    for event in [adt("A28"), *history]:
        draft = story.hear(event)
        home = story.home
        for emitted in draft.emitted:
            held = {
                "patient": {home.patient.patient_id: home.patient}, "encounter": home.encounters,
                "appointment": home.appointments, "coverage": home.coverages, "authorization": home.authorizations,
            }[emitted.aggregate]  # fmt: skip
            assert emitted.aggregate_id in held
            assert emitted.revision <= held[emitted.aggregate_id].revision
        for record in draft.changes().upserts:
            assert record.revision >= 1 if type(record) in AGGREGATES else True
        for one in home.encounters.values():
            assert one.status
            assert (one.discharged_at is None) or one.status in ("discharged", "expired", "cancelled")
        source = home.patient.deceased_source
        assert source in (None, "PID") or home.encounters[source].disposition_category == "expired"


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_any_message_told_twice_in_a_row_says_nothing_new(history: list[CanonicalEvent]) -> None:
    story = Story()
    for event in [adt("A28"), *(_at(event, hour) for hour, event in enumerate(history, 1))]:
        story.hear(event)
        again = story.hear(event)
        assert [entry.kind for entry in again.transitions if entry.kind not in REMARKS] == []
        assert [emitted.type for emitted in again.emitted] == []


def _at(event: CanonicalEvent, hour: int) -> CanonicalEvent:
    """In order, no two at one moment."""
    moment = after(hour)
    moved = msgspec.structs.replace(event, recorded_at=moment, occurred_at=moment)
    if event.eligibility:
        moved = msgspec.structs.replace(moved, eligibility=msgspec.structs.replace(event.eligibility, as_of=moment))
    if event.authorization:
        decided = msgspec.structs.replace(event.authorization, decided_at=moment)
        moved = msgspec.structs.replace(moved, authorization=decided)
    return moved

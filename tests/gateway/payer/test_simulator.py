"""The simulated payer: every outcome is a sound document that says what the scenario named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from gateway.payer.folder import ANSWERED, FolderPayer
from gateway.payer.scenario import Scenario, UnreadableScenario, load_scenario
from gateway.payer.simulator import SimulatedPayer, answer
from mappings.events import CanonicalEvent
from mappings.payer_facts import RequestedService
from mappings.questions import AskedPerson, write_question
from mappings.x12 import read_x12
from parsers.x12.acknowledgement import number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.oracle import second_opinion
from parsers.x12.structure import check_group
from tests.mappings.payer_feed import PROFILE
from tests.mappings.test_requests import NOON, PARTNER, QUESTION

SAMPLES = Path(__file__).parents[3] / "samples" / "payer"
AT = datetime(2026, 11, 10, 17, 0, tzinfo=UTC)


def question(kind: str, *, dependent: bool = False, separators: str = "*:^~") -> bytes:
    child = AskedPerson(family="Tester", given="Tom", birth_date="2015-06-12", sex="M") if dependent else None
    services = (RequestedService(procedure="71250"),) if kind != "eligibility" else ()
    asked = msgspec.structs.replace(QUESTION, kind=kind, patient=child, services=services, service_type="62")
    return number_interchange(write_question(asked, msgspec.structs.replace(PARTNER, separators=separators), NOON), 41)


def said(kind: str, *words: str) -> Scenario:
    return Scenario.model_validate({"default": {kind: list(words)}})


def told(body: bytes) -> CanonicalEvent:
    (item,) = read_x12(body, PROFILE, AT).items
    return item.events[0]


@pytest.mark.parametrize("separators", ["*:^~", "|>!'"])
@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize(
    ("kind", "outcome", "event_type"),
    [
        ("eligibility", "active", "coverage.active"),
        ("eligibility", "inactive", "coverage.inactive"),
        ("eligibility", "not-covered", "coverage.inactive"),
        ("eligibility", "unknown", "coverage.unknown"),
        ("eligibility", "rejected:58", "eligibility.rejected"),
        ("eligibility", "down", "eligibility.rejected"),
        ("eligibility", "wrong", "coverage.active"),
        ("authorization", "certified", "authorization.certified"),
        ("authorization", "modified", "authorization.modified"),
        ("authorization", "partial", "authorization.partially-certified"),
        ("authorization", "denied", "authorization.denied"),
        ("authorization", "pended", "authorization.pended"),
        ("authorization", "documents", "authorization.info-requested"),
        ("authorization", "contact-payer", "authorization.contact-payer"),
        ("authorization", "not-required", "authorization.not-required"),
        ("authorization", "cancelled", "authorization.cancelled"),
        ("authorization", "rejected:15", "authorization.rejected"),
        ("authorization", "down", "authorization.rejected"),
    ],
)
def test_outcome_is_a_sound_answer_that_echoes_the_question(
    kind: str, outcome: str, event_type: str, dependent: bool, separators: str
) -> None:
    asked = question(kind, dependent=dependent, separators=separators)
    acknowledged, answered = SimulatedPayer(said(kind, outcome)).answer(asked, AT)
    assert (acknowledged.kind, answered.kind) == ("999", "271" if kind == "eligibility" else "278")
    (back,) = read_interchanges(answered.body)
    (checked,) = [check for group in back.groups for check, _ in check_group(group)]
    assert (back.error, checked.status) == (None, "accepted"), checked.errors
    event = told(answered.body)
    assert event.type == event_type and event.member is not None
    assert event.member.reference == "B1"
    if outcome == "down":  # ends before the patient
        assert event.member.member_id is None
        return
    assert event.member.traces[0] == "T1" and event.member.dependent is dependent
    assert (event.member.member_id == "MBR900123") is (outcome != "wrong")


@pytest.mark.parametrize("dependent", [False, True])
def test_wrong_answer_agrees_in_nothing_that_would_make_it_the_patients(dependent: bool) -> None:
    right, wrong = (
        told(SimulatedPayer(said("eligibility", word)).answer(question("eligibility", dependent=dependent), AT)[1].body)
        for word in ("active", "wrong")
    )
    assert right.member is not None and wrong.member is not None
    assert wrong.member.traces == right.member.traces
    for name in ("member_id", "family", "birth_date"):
        assert getattr(right.member, name) and getattr(wrong.member, name)
        assert getattr(wrong.member, name) != getattr(right.member, name)


def test_outcomes_follow_each_other_and_the_last_one_stays() -> None:
    payer = SimulatedPayer(said("eligibility", "down", "inactive", "active"))
    types = [told(payer.answer(question("eligibility"), AT)[1].body).type for _ in range(4)]
    assert types == ["eligibility.rejected", "coverage.inactive", "coverage.active", "coverage.active"]


def test_pended_then_certified_gives_a_second_answer_later() -> None:
    _, first, second = SimulatedPayer(said("authorization", "pended>certified")).answer(question("authorization"), AT)
    assert (first.delay, second.delay) == (0.0, 60.0)
    assert [told(one.body).type for one in (first, second)] == ["authorization.pended", "authorization.certified"]


def test_silence_refusal_and_slowness_are_what_they_say() -> None:
    assert [one.kind for one in SimulatedPayer(said("eligibility", "silent")).answer(question("eligibility"), AT)] == [
        "999"
    ]
    (refused,) = SimulatedPayer(said("eligibility", "refused")).answer(question("eligibility"), AT)
    assert second_opinion(refused.body) == []
    facts = told(refused.body).acknowledgement
    assert facts is not None and (facts.verdict, facts.control_number) == ("rejected", 41)
    assert SimulatedPayer(said("eligibility", "slow:45")).answer(question("eligibility"), AT)[1].delay == 45.0


def test_real_time_answer_is_the_271_alone_and_the_same_every_time() -> None:
    one, other = (answer(question("eligibility"), said("eligibility", "active"), AT) for _ in range(2))
    assert one == other and one.count(b"ISA*") == 1 and b"ST*271*" in one
    assert answer(question("eligibility"), said("eligibility", "silent"), AT) == b""


@pytest.mark.parametrize("body", [b"", b"ISA*00*cut", b"MSH|^~\\&|x", question("eligibility")[:300]])
def test_what_is_no_question_is_not_answered_with_one(body: bytes) -> None:
    found = SimulatedPayer(Scenario()).answer(body, AT)
    assert [one.kind for one in found if one.kind in ("271", "278")] == []


def test_scenario_of_the_samples_loads() -> None:
    scenario = load_scenario(SAMPLES / "scenario.toml")
    assert scenario.word("MBR900300", "eligibility", 1) == "down"
    assert scenario.word("MBR900300", "eligibility", 9) == "active"
    assert scenario.word("NOBODY", "authorization", 0) == "certified"


@pytest.mark.parametrize(
    ("text", "place"),
    [("seed = [", "Invalid"), ('[default]\neligibility = ["maybe"]', "there is no outcome 'maybe'"), ("x = 1", "x")],
)
def test_scenario_that_cannot_be_read_says_where(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(UnreadableScenario, match=place):
        load_scenario(path)
    with pytest.raises(UnreadableScenario, match="No such file"):
        load_scenario(tmp_path / "absent.toml")


def test_folder_payer_answers_each_question_once_and_leaves_the_rest(tmp_path: Path) -> None:
    questions, answers = tmp_path / "out", tmp_path / "in"
    payer = FolderPayer(said("authorization", "pended>certified"), questions, answers)
    payer.make()
    (questions / "278-r-1.x12").write_bytes(question("authorization"))
    (questions / "999-r-2.x12").write_bytes(b"ISA*...ST*999*0001")
    (questions / ".half.tmp").write_bytes(question("eligibility"))
    (questions / "link").symlink_to(questions / "278-r-1.x12")
    assert payer.step(AT) == 2
    assert payer.step(AT) == 0
    assert payer.step(AT.replace(minute=2)) == 1
    assert sorted(path.name for path in answers.iterdir()) == ["278-000002.x12", "278-000003.x12", "999-000001.x12"]
    assert [path.name for path in (questions / ANSWERED).iterdir()] == ["278-r-1.x12"]
    assert (questions / "999-r-2.x12").exists() and (questions / "link").is_symlink()

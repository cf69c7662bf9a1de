"""X12 bodies: items, replies, times, the shape of the inspection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.inspect import settled
from mappings.profile import FeedProfile
from mappings.x12 import inspect_interchanges, read_x12
from tests.mappings.payer_feed import AS_OF, PROFILE, RECEIVED
from tests.parsers.x12.interchanges import (
    ACTIVE,
    HEADING_271,
    PAYER,
    PROVIDER,
    SUBSCRIBER,
    eligibility,
    group,
    interchange,
    transaction_set,
)

SOUND = eligibility(*ACTIVE)
REQUEST = transaction_set(("ST*270*0001", "BHT*0022*13*R*20261110*0915", *PAYER, *PROVIDER, *SUBSCRIBER, "EQ*30"))
ANSWER_999 = group(["ST*999*0001", "AK1*HS*1", "AK9*A*1*1*1", "SE*4*0001"], functional="FA")
ORPHAN = ("HL*7*99*22*0", "NM1*IL*1*LOST*LEO****MI*MBR9", "EB*1**30")
SAMPLES = Path(__file__).parents[2] / "samples"


def ends(body: bytes, profile: FeedProfile = PROFILE) -> list[tuple[int, str, str | None]]:
    return [(item.item, item.outcome, item.reason) for item in read_x12(body, profile, RECEIVED).items]


def lowered(body: bytes, *parts: str) -> bytes:
    """With these segment identifiers in lower case."""
    for part in parts:
        body = body.replace(f"~{part}*".encode(), f"~{part.lower()}*".encode())
    return body


def test_identifiers_in_lower_case_are_read_and_told() -> None:
    segments = ("GS", "ST", "BHT", "HL", "NM1", "TRN", "EB", "SE", "GE", "IEA")
    expected = read_x12(SOUND, PROFILE, RECEIVED)
    found = read_x12(lowered(SOUND, *segments), PROFILE, RECEIVED)
    assert [item.events for item in found.items] == [item.events for item in expected.items]
    assert [problem.code for problem in found.problems] == ["lower-case"]
    told = inspect(lowered(SOUND, "EB"))[0]["groups"][0]["transaction_sets"][0]
    assert [(one["code"], one["location"]) for one in told["errors"]] == [("IK304*1", "2110C EB at 11")]


def test_body_in_lower_case_throughout_is_read() -> None:
    reading = read_x12(SOUND.lower(), PROFILE, RECEIVED)
    assert [item.outcome for item in reading.items] == ["events"] and reading.problems[0].code == "lower-case"


def inspect(body: bytes, profile: FeedProfile = PROFILE) -> list[dict[str, Any]]:
    return [settled(one) for one in inspect_interchanges(body, profile)]


def kinds(body: bytes) -> list[str]:
    return [reply.kind for reply in read_x12(body, PROFILE, RECEIVED).replies]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SOUND, [(1, "events", None)]),
        (b"", [(0, "rejected", "no-header")]),
        (b"ISA*00*cut", [(0, "rejected", "no-header")]),
        (interchange(group(REQUEST, functional="HS")), [(1, "events", None)]),
        (interchange(ANSWER_999), [(1, "events", None)]),
        (interchange(["TA1*1*2*3*A*000"], trailer="IEA*0*000000101"), [(1, "events", None)]),
        (interchange(["TA1**2*3*A*000"], trailer="IEA*0*000000101"), [(0, "filtered", "acknowledgement")]),
        (interchange(), [(0, "filtered", "empty-interchange")]),
        (interchange(group()), [(0, "filtered", "empty-group")]),
        (eligibility(*ACTIVE, usage="T"), [(0, "filtered", "test-message")]),
        (interchange(group(transaction_set(ACTIVE)), trailer="IEA*1*9"), [(1, "rejected", "envelope:001")]),
        (interchange(group(transaction_set(ACTIVE), closing="9")), [(1, "rejected", "group:4")]),
        (interchange(group(transaction_set(ACTIVE, control="9"))), [(1, "rejected", "set:3")]),
        (interchange(group(transaction_set(ACTIVE, count=9))), [(1, "events", None)]),
        (eligibility(*HEADING_271, *PAYER, *PROVIDER, *ORPHAN), [(1, "parked", "damaged-tree")]),
        (eligibility(*ACTIVE, *ORPHAN), [(1, "events", None), (2, "parked", "damaged-tree")]),
        (eligibility(*HEADING_271, *PAYER), [(1, "parked", "no-patient")]),
        (
            interchange(
                ANSWER_999, group(transaction_set(ACTIVE), REQUEST), group(transaction_set(ACTIVE, control="9"))
            ),
            [
                (1, "events", None),
                (2, "events", None),
                (3, "events", None),
                (4, "rejected", "set:3"),
            ],
        ),
        (
            SOUND + interchange(group(transaction_set(ACTIVE)), trailer="IEA*1*9") + SOUND,
            [(1, "events", None), (2, "rejected", "envelope:001"), (3, "events", None)],
        ),
    ],
)
def test_body_ends_item_by_item(body: bytes, expected: list[tuple[int, str, str | None]]) -> None:
    assert ends(body) == expected


def test_test_traffic_is_read_where_the_profile_says_so() -> None:
    assert ends(eligibility(*ACTIVE, usage="T"), FeedProfile(channel="payer", usage=("P", "T"))) == [
        (1, "events", None)
    ]


def test_replies_go_to_the_sender_in_our_local_time() -> None:
    reading = read_x12(eligibility(*ACTIVE, ack="1"), PROFILE, RECEIVED)
    assert [(reply.kind, reply.partner) for reply in reading.replies] == [("TA1", "PAYER5"), ("999", "PAYER5")]
    assert all(b"*261110*1000*" in reply.body for reply in reading.replies)


def test_test_traffic_and_rejected_bodies_are_answered_all_the_same() -> None:
    assert kinds(eligibility(*ACTIVE, usage="T")) == ["999"]
    assert kinds(interchange(group(transaction_set(ACTIVE)), trailer="IEA*1*9")) == ["TA1"]
    assert kinds(b"nothing") == []


@pytest.mark.parametrize(
    ("bht", "recorded", "noted"),
    [
        ("BHT*0022*11*R*20261110*0915", AS_OF, []),
        ("BHT*0022*11*R*20261110*091530", AS_OF + timedelta(seconds=30), []),
        ("BHT*0022*11*R*20261110*9999", datetime(2026, 11, 10, 5, tzinfo=UTC), []),
        ("BHT*0022*11*R*20261399*0915", AS_OF, ["time-missing"]),
        ("BHT*0022*11*R", AS_OF, ["time-missing"]),
        ("BHT*0022*11*R*20261101*0130", datetime(2026, 11, 1, 5, 30, tzinfo=UTC), ["ambiguous-time"]),
        ("BHT*0022*11*R*20260308*0230", datetime(2026, 3, 8, 7, 30, tzinfo=UTC), ["nonexistent-time"]),
    ],
)
def test_time_is_bhts_in_the_payers_zone_else_the_envelopes(bht: str, recorded: datetime, noted: list[str]) -> None:
    (item,) = read_x12(eligibility(ACTIVE[0], bht, *ACTIVE[2:]), PROFILE, RECEIVED).items
    (event,) = item.events
    assert (event.recorded_at, [problem.code for problem in event.problems]) == (recorded, noted)


def test_time_of_receipt_is_the_last_resort() -> None:
    body = eligibility(ACTIVE[0], *ACTIVE[2:]).replace(b"*261110*0915*^", b"*999999*0915*^")
    assert read_x12(body, PROFILE, RECEIVED).items[0].events[0].recorded_at == RECEIVED


def test_problems_name_places_and_no_values() -> None:
    body = interchange(group(transaction_set([*ACTIVE, "TESTER*1", *ORPHAN], count=3))).replace(b"~", b"~~")
    reading = read_x12(body, PROFILE, RECEIVED)
    problems = [*reading.problems, *(problem for item in reading.items for problem in item.problems)]
    assert {problem.code for problem in problems} == {"IK502*4", "IK304*1", "IK403*7", "empty-segment"}
    assert not any(word in repr(problems) for word in ("TESTER", "LEO", "MBR9"))


def test_inspection_of_an_eligibility_answer_has_the_agreed_shape() -> None:
    (found,) = inspect(eligibility(*ACTIVE, "AAA*N**33*C"))
    assert found["interchange"] == {
        "control_number": "000000101",
        "sender": "PAYER5",
        "receiver": "CCGW",
        "version": "00501",
        "delimiters": {"element": "*", "component": ":", "repetition": "^", "segment": "~"},
    }
    assert (found["standard"], found["outcome"], found["problems"]) == ("x12", "processed", [])
    (answer,) = found["acknowledgements"]
    assert "*000000001*0*P*:~GS*FA*" in answer and answer.endswith("SE*6*0001~GE*1*1~IEA*1*000000001~")
    (one,) = found["groups"]
    (described,) = one.pop("transaction_sets")
    assert one == {"functional_id": "HB", "control_number": "101", "version": "005010X279A1"}
    assert [event["type"] for event in described.pop("events")] == ["coverage.active"]
    assert described == {
        "id": "271",
        "control_number": "0001",
        "guide": "005010X279A1",
        "reference": "REQ-1",
        "segments": 13,
        "status": "accepted",
        "errors": [],
        "payer": {"name": "ACME HEALTH", "id": "PAYER5"},
        "subscribers": [
            {
                "member_id": "MBR900123",
                "family": "TESTER",
                "given": "ANNA",
                "birth_date": "19480217",
                "traces": ["TRC-1"],
                "benefits": [{"code": "1", "service_types": ["30"]}],
                "rejections": [{"reason": "33", "follow_up": "C", "loop": "2110C"}],
            }
        ],
    }


def inspect_sets(body: bytes) -> list[dict[str, Any]]:
    return [one for found in inspect(body) for each in found["groups"] for one in each["transaction_sets"]]


def test_inspection_shows_authorizations_of_dependents_and_requests_too() -> None:
    segments = (
        "ST*278*0001", "BHT*0007*13*A1*20261110*0915", *PAYER, *PROVIDER, "HL*3*2*22*1", "NM1*IL*1*FICTION*FRED",
        "HL*4*3*23*1", "NM1*QC*1*FICTION*FAY", "HL*5*4*EV*1", "TRN*1*T1", "HCR*A6*N1", "HL*6*5*SS*0", "HCR*A3**0V^0W",
        "AAA*N**15*C",
    )  # fmt: skip
    (described,) = inspect_sets(interchange(group(transaction_set(segments), functional="HI")))
    assert [one["type"] for one in described["events"]] == ["authorization.requested"]
    assert described["subscribers"] == [
        {
            "family": "FICTION",
            "given": "FRED",
            "dependents": [
                {
                    "family": "FICTION",
                    "given": "FAY",
                    "traces": ["T1"],
                    "rejections": [{"reason": "15", "follow_up": "C", "loop": "2000F"}],
                    "authorizations": [
                        {"level": "event", "action": "A6", "number": "N1"},
                        {"level": "service", "action": "A3", "reasons": ["0V", "0W"]},
                    ],
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (SOUND, "processed"),
        (eligibility(*ACTIVE, *ORPHAN), "processed"),
        (eligibility(*HEADING_271, *PAYER), "parked"),
        (interchange(group(transaction_set(ACTIVE)), trailer="IEA*1*9"), "rejected"),
        (interchange(ANSWER_999), "filtered"),
    ],
)
def test_inspection_tells_the_best_end_of_an_interchange(body: bytes, outcome: str) -> None:
    assert [found["outcome"] for found in inspect(body)] == [outcome]


def test_inspection_of_other_bytes_is_unknown_with_a_problem() -> None:
    (found,) = inspect(b"PK\x03\x04")
    assert (found["standard"], [one["code"] for one in found["problems"]]) == ("unknown", ["no-header"])


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("eligibility/active.x12", ["coverage.active"]),
        ("eligibility/inactive.x12", ["coverage.inactive"]),
        ("eligibility/member-not-found.x12", ["eligibility.rejected"]),
        ("eligibility/payer-unavailable.x12", ["eligibility.rejected"]),
        ("eligibility/family-batch.x12", ["coverage.active", "coverage.inactive", "coverage.active"]),
        ("authorization/certified-admission.x12", ["authorization.certified"]),
        ("authorization/certified-and-pended.x12", ["authorization.info-requested"]),
        ("authorization/pended-urgent.x12", ["authorization.info-requested"]),
        ("authorization/denied.x12", ["authorization.denied"]),
        ("authorization/modified-days.x12", ["authorization.modified"]),
        ("authorization/rejected-patient.x12", ["authorization.rejected"]),
    ],
)
def test_sample_is_accepted_and_gives_its_events(name: str, types: list[str]) -> None:
    reading = read_x12((SAMPLES / name).read_bytes(), PROFILE, RECEIVED)
    assert [event.type for item in reading.items for event in item.events] == types
    assert not reading.problems and all(not item.problems for item in reading.items)
    assert [b"~AK9*A*" in reply.body for reply in reading.replies] == [True]


def test_group_of_another_kind_than_its_sets_is_told() -> None:
    (found,) = inspect(interchange(group(transaction_set(ACTIVE), functional="HS")))
    assert [problem["code"] for problem in found["problems"]] == ["functional-id"]
    assert found["outcome"] == "processed"


def test_acknowledgement_cut_off_before_its_verdict_says_nothing() -> None:
    cut = group(["ST*999*0001", "AK1*HS*1", "SE*3*0001"], functional="FA")
    assert ends(interchange(cut)) == [(0, "filtered", "acknowledgement")]

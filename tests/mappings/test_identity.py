"""Every identity event of the ADT catalogue (domain reference 2.2, 2.3): who and what a message of it names."""

from __future__ import annotations

import pytest

from mappings.codes import EVENTS
from mappings.events import Identifier, IdentityFacts
from mappings.identity import IDENTITY, MERGES
from tests.mappings.hl7_messages import codes, event_of, message, read, segment

EVN = "EVN||20261109142800-0500"
WHO = segment("PID", {2: "EXT9", 3: "900123^^^HOSP^MR", 4: "ALT9", 5: "TESTER^ANNA", 18: "K9"})
MRG = segment("MRG", {1: "800456^^^HOSP^MR", 2: "ALT1", 3: "K1", 4: "EXT1", 5: "V1^^^GENHOSP", 6: "W1"})
PV1 = segment("PV1", {2: "I", 19: "V9^^^GENHOSP", 50: "W9"})
PRIOR = Identifier(value="800456", authority="HOSP", type="MR")


def visit(value: str) -> Identifier:
    return Identifier(value=value, authority="GENHOSP")


def own(value: str) -> Identifier:
    return Identifier(value=value, authority="HOSP")


FACTS = {
    "A35": IdentityFacts(old_account="K1", account="K9"),
    "A41": IdentityFacts(old_account="K1", account="K9"),
    "A42": IdentityFacts(old_visit=visit("V1"), visit=visit("V9"), old_account="K1"),
    "A43": IdentityFacts(moved=(PRIOR,)),
    "A44": IdentityFacts(old_account="K1", account="K9"),
    "A45": IdentityFacts(old_visit=visit("V1"), visit=visit("V9"), old_account="K1", account="K9"),
    "A46": IdentityFacts(old=own("EXT1"), new=own("EXT9")),
    "A47": IdentityFacts(old=PRIOR, new=Identifier(value="900123", authority="HOSP", type="MR")),
    "A48": IdentityFacts(old=own("ALT1"), new=own("ALT9")),
    "A49": IdentityFacts(old_account="K1", account="K9"),
    "A50": IdentityFacts(old_visit=visit("V1"), visit=visit("V9"), old_account="K1"),
    "A51": IdentityFacts(old_visit=visit("W1"), visit=visit("W9"), old_account="K1"),
}


@pytest.mark.parametrize("trigger", sorted(MERGES))
def test_merge_names_survivor_and_prior(trigger: str) -> None:
    events = read(message(trigger, EVN, MRG, PV1, pid=WHO)).events
    assert events[0].type == "patient.merged"
    assert [one.key for one in events[0].prior] == [PRIOR]
    assert [event.type for event in events[1:]] == (["account.merged"] if trigger == "ADT^A36" else [])


@pytest.mark.parametrize("trigger", sorted(FACTS))
def test_move_or_change_names_what_was_and_what_is(trigger: str) -> None:
    event = event_of(message(f"ADT^{trigger}", EVN, MRG, PV1, pid=WHO))
    assert event.type == EVENTS[f"ADT^{trigger}"]
    assert event.patient is not None and event.patient.key is not None and event.patient.key.value == "900123"
    assert event.identity == FACTS[trigger]


@pytest.mark.parametrize("trigger", sorted(FACTS))
def test_move_or_change_is_read_where_the_visit_stands_ahead_of_its_mrg(trigger: str) -> None:
    assert event_of(message(f"ADT^{trigger}", EVN, PV1, MRG, pid=WHO)).identity == FACTS[trigger]


@pytest.mark.parametrize("trigger", ["ADT^A24", "ADT^A37"])
def test_link_names_both_patients(trigger: str) -> None:
    event = event_of(message(trigger, EVN, "PID|2||800456^^^HOSP^MR"))
    assert event.type == EVENTS[trigger]
    assert [one.key.value for one in (event.patient, *event.prior) if one and one.key] == ["900123", "800456"]


@pytest.mark.parametrize("rows", [(), ("PID|2||900123^^^HOSP^MR",)])
def test_link_of_one_record_is_parked(rows: tuple[str, ...]) -> None:
    item = read(message("ADT^A24", EVN, *rows))
    assert (item.outcome, item.reason) == ("parked", "no-prior-id")


@pytest.mark.parametrize("trigger", sorted(IDENTITY - {"ADT^A24", "ADT^A37"}))
def test_identity_event_that_changes_nothing_is_parked(trigger: str) -> None:
    for rows in ((), ("MRG|",)):
        item = read(message(trigger, EVN, *rows, PV1))
        assert (item.outcome, item.reason) == ("parked", "no-prior-id"), rows
        assert any(code.startswith("101 MRG" if rows else "100 PID") for code in codes(item)), codes(item)


@pytest.mark.parametrize("trigger", ["ADT^A30", "ADT^A39"])
def test_merge_on_the_external_id_is_read_where_the_lists_are_empty(trigger: str) -> None:
    event = event_of(message(trigger, EVN, segment("MRG", {4: "EXT1"}), pid=segment("PID", {2: "EXT9"})))
    assert event.patient is not None and event.patient.key == own("EXT9")
    assert [one.key for one in event.prior] == [own("EXT1")]


def test_a45_tells_each_of_several_stays() -> None:
    other = segment("PV1", {19: "V8^^^GENHOSP"})
    item = read(message("ADT^A45", EVN, MRG, PV1, MRG.replace("V1^", "V2^"), other, pid=WHO))
    assert [(event.identity.old_visit, event.identity.visit) for event in item.events if event.identity] == [
        (visit("V1"), visit("V9")),
        (visit("V2"), visit("V8")),
    ]


def test_groups_of_several_patients_are_told_one_by_one() -> None:
    item = read(message("ADT^A41", EVN, MRG, WHO.replace("900123", "900124"), MRG.replace("K1", "K2"), pid=WHO))
    assert [event.patient.key.value for event in item.events if event.patient and event.patient.key] == [
        "900123",
        "900124",
    ]

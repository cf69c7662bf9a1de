"""Every real X12 file we have: read, inspected and rightly answered (../shared/corpus, ODDITIES 18-28)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import pyx12.map_if
import pyx12.params

from mappings.profile import FeedProfile
from mappings.x12 import read_x12
from parsers.x12.acknowledgement import Answering, acknowledge, number_interchange
from parsers.x12.interchange import read_interchanges
from parsers.x12.oracle import second_opinion
from parsers.x12.policy import Policy
from parsers.x12.structure import check_group
from tests.mappings.payer_feed import RECEIVED
from tests.mappings.test_x12 import inspect, inspect_sets

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "x12"
BOTH = FeedProfile(channel="payer", usage=("P", "T"))
in_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="../shared/corpus is absent")
FILES = sorted(CORPUS.glob("*/*")) if CORPUS.is_dir() else []


@pytest.mark.corpus
@in_corpus
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_corpus_file_is_read_inspected_and_rightly_answered(path: Path) -> None:
    body = path.read_bytes()
    reading = read_x12(body, BOTH, RECEIVED)
    described = inspect(body, BOTH)
    json.dumps(described)
    assert reading.items and len(described) >= 1
    if described[0]["standard"] == "unknown":
        assert not body.lstrip().startswith(b"ISA")
    sent = [number_interchange(reply.body, 1) for reply in reading.replies]
    assert len(sent) == sum(len(found.get("acknowledgements", [])) for found in described)
    for reply in sent:
        (back,) = inspect(reply, BOTH)
        assert (back["outcome"], back["problems"], back["acknowledgements"]) == ("filtered", [], [])


HEALTH_CARE = re.compile(rb"~AK1\*(?:BE|HB|HC|HI|HN|HP|HR|HS|RA)\*")  # groups that pyx12's map of a 999 or 997 knows
STRICT = Policy(**dict.fromkeys(Policy.__struct_fields__, "reject"))


@pytest.mark.corpus
@in_corpus
def test_corpus_answers_are_taken_by_pyx12(monkeypatch: pytest.MonkeyPatch) -> None:
    load = cache(pyx12.map_if.load_map_file)  # it reads its maps anew for every interchange
    parameters = pyx12.params.ParamsBase()
    monkeypatch.setattr(pyx12.map_if, "load_map_file", lambda name, _, path: load(name, parameters, path))
    seen = 0
    for path in FILES:
        for answer in corpus_answers(path.read_bytes()):
            filled = number_interchange(answer, 1)
            if (
                HEALTH_CARE.search(filled.replace(filled[105:106], b"~").replace(filled[3:4], b"*"))
                or b"TA1*" in filled
            ):
                seen += 1
                assert second_opinion(filled) == [], path.name
    assert seen > 300


def corpus_answers(body: bytes) -> Iterator[bytes]:
    """As the defaults answer, and with everything rejected."""
    for interchange in read_interchanges(body):
        for policy in (Policy(), STRICT):
            checks = [[check for check, _ in check_group(group, policy)] for group in interchange.groups]
            yield from (answer.body for answer in acknowledge(Answering(interchange, RECEIVED), checks))


@pytest.mark.corpus
@in_corpus
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosyte__x12/eligibility__270-hl-cycle.edi", [("rejected", ["IK403*7", "IK403*7"])]),
        ("cosyte__x12/eligibility__270-dangling-parent.edi", [("rejected", ["IK502*4", "IK403*7"])]),
        ("cosyte__x12/eligibility__270-duplicate-hl-id.edi", [("rejected", ["IK403*7"] * 3)]),
        ("cosyte__x12/eligibility__270-missing-hierarchy.edi", [("accepted-with-errors", ["IK304*3"])]),
        ("cosyte__x12/eligibility__270-quirk-delimiters.edi", [("accepted", [])]),
        ("cosyte__x12/eligibility__270-dependent.edi", [("accepted-with-errors", ["IK502*4"])]),
        (
            "cosyte__x12/test__transactions-auth-278.test.ts_1.x12",
            [("rejected", ["IK502*2", "IK403*1", "IK403*I6", "IK304*I7"])],
        ),
        ("xlate__staedi/issue109__ts214_ellipses_segterm.edi", [("accepted", [])]),
        ("xlate__staedi/issue128__ts210_80char.edi", [("accepted", [])]),
        ("tastypackets__x12-parser/835__multi-line-not-delimited.edi", [("accepted", [])]),
        (
            "linuxforhealth__x12/271_005010X279A1__subscriber-health-benefit-check-error.271.x12",
            [("rejected", ["IK502*3"])],
        ),
    ],
)
def test_corpus_set_gets_its_status_and_errors(name: str, expected: list[tuple[str, list[str]]]) -> None:
    sets = inspect_sets((CORPUS / name).read_bytes())
    assert [(one["status"], [error["code"] for error in one["errors"]]) for one in sets] == expected


@pytest.mark.corpus
@in_corpus
@pytest.mark.parametrize(
    ("name", "loops"),
    [
        ("before-hierarchy", ["heading", "heading"]),
        ("information-source", ["2100A"]),
        ("information-receiver", ["2100B"]),
        ("subscriber", ["2100C"]),
        ("dependent", ["2100D"]),
        ("only-loop", ["2000C"]),
        ("no-hierarchy-id", ["2100C"]),
        ("repeated", ["2100C", "2100C"]),
        ("malformed", ["2100C"] * 4),
        ("with-benefits", ["2110C"]),
        ("two-subscribers", ["2100C", "2100C"]),
        ("two-dependents", ["2100D", "2100D"]),
    ],
)
def test_corpus_rejections_are_seen_at_every_level(name: str, loops: list[str]) -> None:
    body = (CORPUS / "cosyte__x12" / f"eligibility__271-aaa-{name}.edi").read_bytes()
    facts = [event.eligibility for item in read_x12(body, BOTH, RECEIVED).items for event in item.events]
    assert [one.loop for fact in facts if fact for one in fact.rejections] == loops


@pytest.mark.corpus
@in_corpus
def test_corpus_271_of_many_sets_gives_one_item_each() -> None:
    name = "kartik-hirijaganer__x12-parser-encoder/fixtures__gainwell_271_redacted.edi"
    reading = read_x12((CORPUS / name).read_bytes(), BOTH, RECEIVED)
    assert [item.item for item in reading.items] == list(range(1, 154))
    assert {item.outcome for item in reading.items} == {"events"}
    assert [reply.body.count(b"~AK2*271*") for reply in reading.replies] == [153]


@pytest.mark.corpus
@in_corpus
def test_corpus_interchanges_of_one_file_are_each_described() -> None:
    found = inspect((CORPUS / "xlate__staedi/x12__simple997-multiple-interchanges.edi").read_bytes())
    numbers = [one["interchange"]["control_number"] for one in found]
    assert numbers == ["000000001", "000000002", "000000003"]


@pytest.mark.corpus
@in_corpus
@pytest.mark.parametrize(
    ("name", "decisions"),
    [
        ("apimeister__x12-types/v005010___278_test.rs_3.x12", [("modified", "AUTH0002", ["A6", "A1"])]),
        ("apimeister__x12-types/v005010___278_test.rs_5.x12", [("info-requested", None, ["A4"])]),
        ("apimeister__x12-types/v005010___278_test.rs_7.x12", [("certified", "AUTH0001", ["A1"])]),
        ("apimeister__x12-types/v005010___278_test.rs_12.x12", [("certified", "2005010796321", ["A1"] * 4)]),
        ("cosyte__x12/auth__278-response.edi", [("certified", "AUTH123456", ["A1"])]),
    ],
)
def test_corpus_278_responses_are_decided(name: str, decisions: list[tuple[str, str | None, list[str]]]) -> None:
    reading = read_x12((CORPUS / name).read_bytes(), BOTH, RECEIVED)
    facts = [event.authorization for item in reading.items for event in item.events]
    assert [(one.status, one.number, [line.action for line in one.decisions]) for one in facts if one] == decisions

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspect import inspect_bytes
from mappings.profile import FeedProfile
from parsers.errors import ParseError
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.tree import Tree, read_tree
from parsers.standard import sniff
from tests.mappings.hl7_messages import segment

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
PROFILE = FeedProfile(channel="inspect", default_authority="GENHOSP")
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
MSH = "MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20261109143000-0500||"
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.json"))


def inspect(body: bytes | str) -> list[dict[str, Any]]:
    raw = body.encode() if isinstance(body, str) else body
    return list(inspect_bytes("f", raw, PROFILE, NOW))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"MSH|^~\\&|", "hl7v2"),
        (b"\xef\xbb\xbf\r\n MSH|^~\\&|", "hl7v2"),
        (b"\x0bMSH|^~\\&|", "hl7v2"),
        (b"FHS|^~\\&|", "hl7v2"),
        (b"msh|^~\\&|", "hl7v2"),
        ("MSH|^~\\&|".encode("utf-16"), "hl7v2"),
        (b"BHS|^~\\&|", "hl7v2"),
        (b"some words\nMSH|^~\\&|", "hl7v2"),
        (b"ISA*00*", "x12"),
        (b"\xef\xbb\xbf\n  ISA*00*", "x12"),
        (b"noise ISA|00|", "x12"),
        (b"a VISA card", "unknown"),
        (b"MSHARE of nothing", "unknown"),
        (b"", "unknown"),
        (b"x" * 70000 + b"ISA*00*", "unknown"),
        (b"hello", "unknown"),
    ],
)
def test_sniff_tells_the_standard_by_its_first_bytes(body: bytes, expected: str) -> None:
    assert sniff(body) == expected


def test_unknown_content_is_one_object_with_a_problem() -> None:
    (found,) = inspect("hello")
    assert (found["file"], found["index"], found["standard"], found["outcome"]) == ("f", 0, "unknown", "rejected")
    assert found["problems"][0]["severity"] == "error"


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_samples_read_as_their_golden_files(golden: Path) -> None:
    wanted = json.loads(golden.read_text())
    sample = ROOT / wanted[0]["file"]
    assert list(inspect_bytes(wanted[0]["file"], sample.read_bytes(), PROFILE, NOW)) == wanted


def test_every_sample_has_a_golden_file() -> None:
    samples = {path.stem for kind in ("adt", "siu") for path in (ROOT / "samples" / kind).glob("*.hl7")}
    assert samples == {path.stem for path in GOLDEN}


def test_facts_are_shown_without_a_mapping() -> None:
    (found,) = inspect(
        MSH + "ORU^R01|M1|P|2.3|||||||~ISO IR87\r"
        "PID|1||7^^^HOSP&1.2&ISO^mr~8||DOE^JO||194802|Female\r"
        + segment("PV1", {2: "ff", 3: "ICU^1", 19: "V1", 36: "99", 44: "20261105091500", 45: "20261109"})
        + "\r"
        "SCH|P1|F1|||||||||^^^20261113100000|||||||||||||\r"
        "MSA|AA|OLD1\r"
    )
    assert (found["outcome"], found["reason"], found["events"]) == ("filtered", "no-mapping:ORU^R01", [])
    assert found["message"]["type"] == "ORU" and found["message"]["trigger_event"] == "R01"
    assert found["patient"] == {
        "identifiers": [{"value": "7", "authority": "HOSP", "type": "mr"}, {"value": "8"}],
        "family": "DOE",
        "given": "JO",
        "birth_date": "1948-02",
        "birth_date_raw": "194802",
        "sex": "Female",
    }
    assert found["encounter"] == {
        "visit_number": "V1",
        "patient_class": "ff",
        "point_of_care": "ICU",
        "admitted_at": "2026-11-05T14:15:00Z",
        "admitted_at_raw": "20261105091500",
        "discharged_at": "2026-11-09",
        "discharged_at_raw": "20261109",
        "disposition": "99",
    }
    assert found["appointment"] == {
        "placer_id": "P1",
        "filler_id": "F1",
        "start": "2026-11-13T15:00:00Z",
        "start_raw": "20261113100000",
    }
    assert found["acknowledges"] == {"code": "AA", "message_control_id": "OLD1"}


def test_dates_that_cannot_be_read_stand_as_sent() -> None:
    (found,) = inspect(
        MSH + "SIU^S12|M1|P|2.5\rSCH|1|2|||||||||^^^soon\rPID|||7||||18996565\rPV1||I" + "|" * 42 + "201305471305"
    )
    assert found["appointment"]["start"] == "soon"
    assert found["patient"]["birth_date"] == "18996565"
    assert found["encounter"]["admitted_at"] == "201305471305"
    assert not [
        name for part in ("appointment", "patient", "encounter") for name in found[part] if name.endswith("_raw")
    ]


@pytest.mark.parametrize(
    ("header", "outcome", "answer"),
    [
        ("ADT^A31|M1|P|2.5.1", "processed", "MSA|AA|M1"),
        ("ADT^A31|M1|P|2.5.1|||AL|NE", "processed", "MSA|CA|M1"),
        ("ADT^A31|M1|P|2.5.1|||NE|NE", "processed", None),
        ("ADT^A31|M1|T|2.5.1", "filtered", "MSA|AA|M1"),
        ("ADT^A01|M1|P|2.5.1", "processed", "MSA|AA|M1"),
        ("|M1|P|2.5.1", "rejected", "MSA|AR|M1"),
        ("ACK^A31|M1|P|2.5.1", "filtered", None),
    ],
)
def test_acknowledgement_is_what_intake_would_answer(header: str, outcome: str, answer: str | None) -> None:
    (found,) = inspect(MSH + header + "\rEVN||20261109\rPID|||7^^^HOSP^MR\r")
    assert found["outcome"] == outcome
    assert (answer is None) == ("acknowledgement" not in found)
    if answer:
        assert answer in found["acknowledgement"].split("\r")
    assert ("ERR|" in found.get("acknowledgement", "")) == (outcome == "rejected")


def test_file_of_many_frames_is_numbered() -> None:
    frame = b"\x0b" + (MSH + "ADT^A31|M1|P|2.5.1\rPID|||7\r").encode() + b"\x1c\r"
    assert [(one["index"], one["outcome"]) for one in inspect(frame * 3)] == [
        (0, "processed"),
        (1, "processed"),
        (2, "processed"),
    ]


def test_x12_interchanges_are_numbered_and_named() -> None:
    isa = "ISA*00*          *00*          *ZZ*PAYER5         *ZZ*CCGW           *261110*0915*^*00501*00000010{}*0*P*:~"
    found = inspect("".join(isa.format(n) + f"IEA*0*00000010{n}~" for n in (1, 2)))
    assert [(one["file"], one["index"], one["standard"]) for one in found] == [("f", 0, "x12"), ("f", 1, "x12")]


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda tail: MSH.encode() + tail)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_json(body: bytes) -> None:
    for found in inspect(body):
        json.dumps(found)
        assert found["outcome"] in ("processed", "filtered", "parked", "rejected")


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
@pytest.mark.parametrize("standard", ["hl7", "x12"])
def test_corpus_every_file_gives_json_and_every_message_its_answer(standard: str) -> None:
    for path in sorted(path for path in (CORPUS / standard).rglob("*") if path.is_file()):
        for found in inspect(path.read_bytes()):
            json.dumps(found)
            answer = found.get("acknowledgement")
            if answer is not None:
                control_id = found.get("message", {}).get("message_control_id", "")
                assert "\rMSA|" in answer or "MSA" in answer, path.name
                assert not control_id.isalnum() or control_id in answer, path.name


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_corpus_facts_equal_python_hl7s_where_it_can_read() -> None:
    compared = 0
    for path in sorted((CORPUS / "hl7").rglob("*.hl7")):
        body = path.read_bytes()
        messages = split_batch(body).messages
        for raw, found in zip(messages, inspect(body), strict=False):
            try:
                tree = read_tree(raw)
            except ParseError:
                continue
            compared += 1
            facts = _facts(found)
            for name, sent in _tree_facts(tree).items():
                if name == "id" and not sent:  # a later repetition, or none has a value
                    continue
                if "\\" not in sent:  # the tree keeps escapes as sent
                    assert facts.get(name, "") == sent, (path.name, name)
    assert compared > 800


def _facts(found: dict[str, Any]) -> dict[str, str]:
    patient, encounter = found.get("patient", {}), found.get("encounter", {})
    first = next(iter(patient.get("identifiers", [])), {})
    return {
        "id": first.get("value", ""),
        "family": patient.get("family", ""),
        "given": patient.get("given", ""),
        "birth": patient.get("birth_date_raw", patient.get("birth_date", "")),
        "sex": patient.get("sex", ""),
        "visit": encounter.get("visit_number", ""),
        "class": encounter.get("patient_class", ""),
    }


def _tree_facts(tree: list[Tree]) -> dict[str, str]:
    pid = next((row for row in tree if _at(row, 0).upper() == "PID"), [])
    pv1 = next((row for row in tree if _at(row, 0).upper() == "PV1"), [])
    return {
        "id": _at(pid, 3),
        "family": _at(pid, 5),
        "given": _at(pid, 5, 2),
        "birth": _at(pid, 7),
        "sex": _at(pid, 8),
        "visit": _at(pv1, 19),
        "class": _at(pv1, 2),
    }


def _at(row: Tree, field: int, component: int = 1) -> str:
    """The first subcomponent of a component of the first repetition; a plain value is its own only part."""
    node: Tree = row[field] if isinstance(row, list) and len(row) > field else ""
    if isinstance(node, list):  # repetitions
        node = node[0] if node else ""
    if isinstance(node, str):
        return node if component == 1 else ""
    found = node[component - 1] if len(node) >= component else ""
    while isinstance(found, list):
        found = found[0] if found else ""
    return found


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_answered_like_any_other(codec: str) -> None:
    text = f"{MSH}ADT^A08|C1|P|2.5.1||||||UNICODE UTF-16\rEVN||20261109143000\rPID|1||7^^^GENHOSP^MR||M\u00fcller^J\r"
    (found,) = inspect(text.encode(codec))
    assert found["patient"]["family"] == "M\u00fcller"
    assert "MSA|AA|C1" in found["acknowledgement"]
    assert found["outcome"] == "processed"


def test_control_id_is_shown_whole_as_it_is_answered() -> None:
    (found,) = inspect(f"{MSH}ADT^A08|A^7&1|P|2.5.1\rPID|1||7^^^GENHOSP^MR\r")
    assert found["message"]["message_control_id"] == "A^7&1"
    assert "MSA|AA|A^7&1\r" in found["acknowledgement"]


def test_identifier_without_a_value_is_none() -> None:
    (found,) = inspect(f"{MSH}ADT^A08|C1|P|2.5.1\rPID|1||^^^GENHOSP^MR~7^^^GENHOSP^MR\r")
    assert found["patient"]["identifiers"] == [{"value": "7", "authority": "GENHOSP", "type": "MR"}]


def test_appointment_status_without_a_code_is_its_text() -> None:
    (found,) = inspect(f"{MSH}SIU^S12|C1|P|2.5.1\r{segment('SCH', {2: 'F1', 25: '^No Show'})}\rPID|1||7\r")
    assert found["appointment"]["status"] == "No Show"


def test_batch_without_messages_and_empty_file_say_so() -> None:
    (batch,) = inspect("BHS|^~\\&|A\rBTS|0\r")
    assert (batch["events"], batch["outcome"], batch["reason"]) == ([], "filtered", "empty-batch")
    (empty,) = inspect(" \r\n")
    assert (empty["events"], empty["problems"][0]["text"]) == ([], "there is nothing in it")

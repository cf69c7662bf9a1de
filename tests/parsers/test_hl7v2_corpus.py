"""Every HL7 message of public projects: read without exception, answered rightly, and read as python-hl7 reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hl7
import pytest

from parsers.errors import ParseError
from parsers.hl7v2.acknowledgement import AckError, answer_code, build_acknowledgement
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import scan_header
from parsers.hl7v2.message import Message, Segment
from parsers.hl7v2.tree import read_tree

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "hl7"
NOW = datetime(2026, 3, 12, tzinfo=UTC)

pytestmark = [pytest.mark.corpus, pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus beside the project")]


def messages() -> Iterator[tuple[str, bytes]]:
    for path in sorted(each for each in CORPUS.rglob("*") if each.is_file()):
        for raw in split_batch(path.read_bytes()).messages:
            yield str(path.relative_to(CORPUS)), raw


def paths(segment: Segment) -> Iterator[tuple[int, int, int, int]]:
    """Every field, repetition, component and subcomponent, and one beyond each."""
    for field in range(1, segment.field_count + 2):
        for number, repetition in enumerate(segment.repetitions(field), 1):
            for component in range(1, repetition.raw.count(b"^") + 3):
                for subcomponent in range(1, repetition.raw.count(b"&") + 3):
                    yield field, number, component, subcomponent


def test_corpus_every_message_is_read_and_answered() -> None:
    read = 0
    for name, raw in messages():
        header = scan_header(raw)
        assert header.readable, name
        message = Message(raw)
        for segment in message.segments:
            for field, repetition, component, subcomponent in paths(segment):
                text = segment.text(field, component, subcomponent, repetition)
                assert text == segment.repetitions(field)[repetition - 1].text(component, subcomponent), name
        assert all(odd.text for odd in message.oddities)
        for verdict in ("accept", "reject"):
            code = answer_code(header, "original", verdict) or "AA"
            error = AckError("207", "MSH^1^9", "x") if verdict == "reject" else None
            reply = Message(build_acknowledgement(header, code, now=NOW, control_id="1", error=error))
            msa = reply.first("MSA")
            assert msa is not None, name
            assert (msa.text(1), msa.raw(2)) == (code, message.segments[0].raw(10)), name
            assert reply.segments[0].text(9) == "ACK", name
            assert (reply.first("ERR") is not None) == (verdict == "reject"), name
        read += 1
    assert read > 1000


def test_corpus_header_scan_equals_the_message() -> None:
    for name, raw in messages():
        header, message = scan_header(raw), Message(raw)
        msh = message.segments[0]
        assert header.sending_application == msh.raw(3), name
        assert header.control_id == msh.raw(10), name
        assert header.version.decode("latin-1") == msh.repetitions(12)[0].text().strip() if msh.raw(12) else True, name
        pid = next((each for each in message.all("PID") if each.field_count), None)
        sent = pid.repetitions(3) if pid else []
        values = [each.raw.partition(message.encoding.separators.component)[0].strip() for each in sent]
        assert [each[0] for each in header.patient_ids] == [value for value in values if value], name


def oracle_reads(raw: bytes, message: Message) -> bool:
    """False where python-hl7 is known to read wrongly or not at all, and where we mend the header."""
    sent = message.encoding.separators.sent
    if any(odd.code == "header-shifted" for odd in message.oddities):
        return False
    return not message.encoding.separators.odd and raw.isascii() and len(sent) >= 4


def oracle_text(parsed: hl7.Message, segment: Segment, path: tuple[int, int, int, int]) -> str:
    """The raw text at a path of python-hl7's tree, "" where it ends."""
    field, repetition, component, subcomponent = path
    node: object = parsed[segment.index]
    for index in (field, repetition - 1, component - 1, subcomponent - 1):
        if isinstance(node, list):
            node = node[index] if index < len(node) else ""
        elif index:
            return ""
    return str(node)


def test_corpus_every_text_equals_that_of_python_hl7() -> None:
    compared = 0
    for name, raw in messages():
        message = Message(raw)
        if not oracle_reads(raw, message):
            continue
        escape = message.encoding.separators.escape.decode()
        parsed = hl7.parse("\r".join(segment.decoded() for segment in message.segments))
        for segment in message.segments:
            for path in paths(segment):
                if segment.index == 0 and path[0] <= 2:
                    continue
                expected = oracle_text(parsed, segment, path)
                if escape in expected:
                    continue  # hex and lone escapes: python-hl7 loses text
                field, repetition, component, subcomponent = path
                assert segment.text(field, component, subcomponent, repetition) == expected, (name, segment.name, path)
                compared += 1
    assert compared > 100_000


def test_corpus_tree_is_made_or_refused_with_a_reason() -> None:
    made = refused = 0
    for _, raw in messages():
        try:
            made += bool(read_tree(raw))
        except ParseError as problem:
            refused += 1
            assert problem.oddity.text
    assert made > 1000 and refused < 30

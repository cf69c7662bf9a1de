"""Interchanges as real feeds send them: found anywhere, any delimiters, each judged by itself."""

from __future__ import annotations

import pytest

from parsers.x12.interchange import Interchange, read_interchanges
from tests.parsers.x12.interchanges import ACTIVE, eligibility, group, interchange, isa, transaction_set

SOUND = eligibility(*ACTIVE)


def read_one(body: bytes) -> Interchange:
    (found,) = read_interchanges(body)
    return found


def codes(found: Interchange) -> list[str]:
    return [oddity.code for oddity in found.oddities]


def set_ids(found: Interchange) -> list[str]:
    return [one.id for each in found.groups for one in each.sets]


@pytest.mark.parametrize(
    ("before", "noted"),
    [(b"", []), (b"\xef\xbb\xbf", []), (b"  \r\n\n", []), (b"HTTP/1.1 200\r\n\r\n", ["leading-data"])],
)
def test_isa_after_other_bytes_is_found(before: bytes, noted: list[str]) -> None:
    found = read_one(before + SOUND)
    assert (found.error, set_ids(found), codes(found)) == (None, ["271"], noted)


def test_isa_inside_a_word_is_no_header() -> None:
    assert list(read_interchanges(b"V" + SOUND)) == []


@pytest.mark.parametrize(
    ("element", "component", "repetition", "terminator", "layout"),
    [
        ("|", ">", "!", "\\", ""),
        ("*", ":", "^", "~", "\r\n"),
        ("*", ":", "^", "~", "\n   "),
        ("*", ":", "^", "~", " \n"),
        ("*", ":", "^", "\n", ""),
        ("*", ":", "^", "\r\n", ""),
        ("*", ":", "^", "\r", ""),
        ("*", ":", "^", "…", "\n"),
        ("\x1d", "\x1f", "^", "\x1c", ""),
        ("|", ":", "~", "!", "\n"),
    ],
)
def test_interchange_with_any_delimiters_is_read(
    element: str, component: str, repetition: str, terminator: str, layout: str
) -> None:
    table = str.maketrans({"*": element, ":": component, "^": repetition, "~": terminator + layout})
    found = read_one(eligibility(*ACTIVE, "EB*1**30^35").decode().translate(table).encode())
    assert found.error is None
    segments, empty = found.groups[0].sets[0].split()
    assert (len(segments), segments[-2].repetitions(3), empty) == (13, ["30", "35"], 0)
    assert found.header.sender == "PAYER5"


def test_newline_terminator_with_blanks_before_it_is_read() -> None:
    body = SOUND.replace(b"~", b"  \n").replace(b"*:  \n", b"*:\n")
    found = read_one(body)
    assert (found.error, found.header.delimiters.segment) == (None, b"\n")
    assert found.groups[0].sets[0].control_number == "0001"


def test_last_iea_without_terminator_is_read() -> None:
    assert read_one(SOUND[:-1]).error is None
    assert read_one(SOUND[:-1] + b"\n").error is None


def test_doubled_terminators_are_counted_and_skipped() -> None:
    found = read_one(SOUND.replace(b"~", b"~~"))
    segments, empty = found.groups[0].sets[0].split()
    assert (found.error, len(segments), empty) == (None, 12, 11)


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (isa().replace("          ", "").replace("         ", ""), ["isa-padding"]),
        (isa().replace("PAYER5 ", "PAYER5"), ["isa-padding"]),
        (isa().replace("CCGW ", "CCGW   "), ["isa-padding"]),
        (isa().replace("261110", "26\n1110"), ["isa-padding", "isa-broken-lines"]),
    ],
)
def test_isa_with_odd_padding_is_read_by_its_elements(header: str, flags: list[str]) -> None:
    found = read_one(SOUND.replace(isa().encode(), header.encode()))
    assert (found.error, set_ids(found), codes(found)) == (None, ["271"], flags)
    assert (found.header.sender, found.header.receiver, found.control_number) == ("PAYER5", "CCGW", "000000101")


def test_lines_wrapped_at_eighty_bytes_are_joined() -> None:
    wrapped = b"\n".join(SOUND[at : at + 80] for at in range(0, len(SOUND), 80))
    found = read_one(wrapped)
    assert (found.error, set_ids(found)) == (None, ["271"])
    assert "wrapped-lines" in codes(found)


@pytest.mark.parametrize(
    ("version", "sent", "read"),
    [("00401", "U", b""), ("00401", "^", b""), ("00501", "U", b""), ("00501", "^", b"^"), ("00602", "!", b"!")],
)
def test_isa11_is_a_separator_only_where_it_can_be_one(version: str, sent: str, read: bytes) -> None:
    found = read_one(eligibility(*ACTIVE, version=version, repetition=sent))
    assert (found.error, found.header.delimiters.repetition) == (None, read)


def test_missing_component_separator_is_flagged() -> None:
    found = read_one(SOUND.replace(b"*P*:~", b"*P*~"))
    assert (found.header.delimiters.component, codes(found)) == (b"", ["isa-component-missing"])


def test_component_separator_that_is_the_element_separator_is_none() -> None:
    (found,) = read_interchanges(SOUND[:104] + b"*" + SOUND[105:])
    assert (found.header.delimiters.component, codes(found), found.flaw) == (b"", ["isa-component-missing"], "027")


@pytest.mark.parametrize(
    "body",
    [b"", b"ISA", b"ISA*", b"ISA*00*", SOUND[:60], b"ISA" * 50, b"ISA*00*   *00", b"MSH|^~\\&|A", b"\x00" * 300],
)
def test_body_without_readable_isa_has_no_interchange(body: bytes) -> None:
    assert list(read_interchanges(body)) == []


ONE_GROUP = group(transaction_set(ACTIVE))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (interchange(ONE_GROUP, trailer="IEA*1*000000999"), "001"),
        (interchange(ONE_GROUP, trailer="IEA*2*000000101"), "021"),
        (interchange(ONE_GROUP, trailer="IEA**000000101"), "021"),
        (interchange(ONE_GROUP, trailer=""), "023"),
        (interchange(transaction_set(ACTIVE), trailer="IEA*0*000000101"), "022"),
        (interchange(["GE*0*101"], trailer="IEA*0*000000101"), "022"),
        (interchange(ONE_GROUP, trailer="IEA*1*101"), None),
        (interchange(["TA1*000000100*261109*0823*A*000"], trailer="IEA*0*000000101"), None),
        (interchange(["TA1*000000100*261109*0823*A*000"], trailer="IEA*1*000000101"), None),
        (interchange(["ISB*1", "ISE*200601*0515*04"], ONE_GROUP, trailer="IEA*1*000000101"), None),
    ],
)
def test_envelope_error_is_named_by_its_ta105_code(body: bytes, error: str | None) -> None:
    assert read_one(body).error == error


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        (group(transaction_set(ACTIVE), closing="999"), ["4"]),
        (group(transaction_set(ACTIVE), count="2"), ["5"]),
        (group(transaction_set(ACTIVE), count="x", closing="999"), ["4", "5"]),
        (group(transaction_set(ACTIVE))[:-1], ["3"]),
        (group(transaction_set(ACTIVE), closing="0101"), []),
    ],
)
def test_group_error_is_named_by_its_ak905_code(changed: list[str], errors: list[str]) -> None:
    found = read_one(interchange(changed))
    assert (found.error, found.groups[0].errors) == (None, errors)


def test_interchanges_of_one_body_are_judged_apart() -> None:
    broken = interchange(ONE_GROUP, trailer="IEA*1*000000999")
    unfinished = interchange(ONE_GROUP, trailer="")
    bodies = [SOUND, broken, b"\n" + SOUND.translate(bytes.maketrans(b"*:~", b"|>!")), unfinished, SOUND]
    found = list(read_interchanges(b"\r\n".join(bodies)))
    assert [one.error for one in found] == [None, "001", None, "023", None]
    assert [set_ids(one) for one in found] == [["271"]] * 5


def test_set_without_se_ends_where_the_next_begins() -> None:
    found = read_one(interchange(group(ACTIVE, transaction_set(ACTIVE))))
    first, second = found.groups[0].sets
    assert (first.trailer, len(first.split()[0]), len(second.split()[0])) == (None, 11, 12)


@pytest.mark.parametrize(
    ("segments", "location"),
    [
        (["SE*2*0001", *transaction_set(ACTIVE)], "SE"),
        (["REF*1L*X", *transaction_set(ACTIVE)], "GS"),
        ([*transaction_set(ACTIVE), "REF*1L*X"], "GS"),
        (["TA1*000000019*250101*1200*A*000", *transaction_set(ACTIVE)], "TA1"),
    ],
)
def test_segment_outside_every_set_is_noted(segments: list[str], location: str) -> None:
    found = read_one(interchange(group(segments)))
    assert (found.error, found.groups[0].errors) == (None, [])
    assert [(one.code, one.location) for one in found.oddities] == [("stray-segment", location)]


def test_ta1_inside_a_set_is_content() -> None:
    found = read_one(eligibility(*ACTIVE, "TA1*000000001*260601*1200*A*000"))
    assert (found.ta1, len(found.groups[0].sets[0].split()[0])) == ([], 13)


def test_data_after_iea_is_noted() -> None:
    assert codes(read_one(SOUND + b"STC*A6~")) == ["trailing-data"]
    assert codes(read_one(SOUND + b"\n\x1a")) == []

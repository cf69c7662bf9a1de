from __future__ import annotations

import pytest

from parsers.hl7v2.batch import split_batch

A = b"MSH|^~\\&|A||||||ADT^A01|1\rPID|1\r"
B = b"MSH|^~\\&|B||||||ADT^A03|2\rPID|2\r"
FHS, BHS = b"FHS|^~\\&|X\r", b"BHS|^~\\&|X\r"


def read(body: bytes) -> tuple[list[bytes], list[str]]:
    batch = split_batch(body)
    return batch.messages, [odd.code for odd in batch.oddities]


@pytest.mark.parametrize(
    ("body", "messages", "codes"),
    [
        (A, [A], []),
        (b"\xef\xbb\xbf\r\n" + A, [b"\xef\xbb\xbf\r\n" + A], []),
        (A + B, [A, B], []),
        (A + b"\r\n" + B, [A + b"\r\n", B], []),
        (A.replace(b"\r", b"\n") + B.replace(b"\r", b"\n"), [A.replace(b"\r", b"\n"), B.replace(b"\r", b"\n")], []),
        (FHS + BHS + A + B + b"BTS|2\rFTS|1\r", [A, B], []),
        (BHS + A + b"BTS|1\r" + BHS + B + b"BTS|1\rFTS|2", [A, B], []),
        (b"\xef\xbb\xbf" + FHS + A + b"FTS|1", [A], []),
        (FHS + A + B + b"FTS|2", [A, B], []),
        (BHS + A + b"BTS|3\r", [A], ["batch-count"]),
        (FHS + BHS + A + b"BTS|1\rFTS|4\r", [A], ["batch-count"]),
        (BHS + b"BTS|0\r", [], []),
        (BHS + A + b"BTS\rFTS", [A], []),
        (b"junk\r" + A + B, [A, B], ["batch"]),
        (b"junk", [b"junk"], []),
        (b"", [], []),
        (b" \r\n", [], []),
        (b"msh|^~\\&|A\rpid|1\rmsh|^~\\&|B\r", [b"msh|^~\\&|A\rpid|1\r", b"msh|^~\\&|B\r"], []),
        (A + b"MSHX|1\rNTE|1||see MSH|9\r", [A + b"MSHX|1\rNTE|1||see MSH|9\r"], []),
    ],
)
def test_split_batch_gives_the_messages_as_sent(body: bytes, messages: list[bytes], codes: list[str]) -> None:
    assert read(body) == (messages, codes)


@pytest.mark.parametrize(
    ("body", "messages", "codes"),
    [
        (b"\x0b" + A + b"\x1c\r", [A], []),
        (b"\x0b" + A + b"\x1c\r\x0b" + B + b"\x1c\r\n", [A, B], []),
        (b"\x0b" + A + b"\x1c\r\x0b" + B, [A, B], ["framing"]),
        (A + b"\x1c\r", [A], ["framing"]),
        (A + b"\x1c", [A], ["framing"]),
        (b"\x0b" + BHS + A + b"BTS|2\r\x1c\r", [A], ["batch-count"]),
        (b"10:00 received\r\n\x0b" + A + b"\x1c\r\n10:01 sent\r\n\x0b" + B + b"\x1c\r\n", [A, B], []),
        (A + b"\x0b" + B + b"\x1c\r", [A, B], []),
    ],
)
def test_split_batch_of_stored_frames_takes_the_block_characters_off(
    body: bytes, messages: list[bytes], codes: list[str]
) -> None:
    assert read(body) == (messages, codes)


def test_split_batch_of_many_messages_costs_linear_time() -> None:
    assert len(split_batch(A * 50_000).messages) == 50_000
    assert len(split_batch(b"\r\n \t" * 500_000).messages) == 0
    assert len(split_batch(b"\x0b" + A * 3 + b"\x0b" * 1_000_000).messages) == 3


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_split_batch_of_utf_16_gives_utf_8(codec: str) -> None:
    assert read((A + B).decode().encode(codec)) == ([A, B], ["character-set"])

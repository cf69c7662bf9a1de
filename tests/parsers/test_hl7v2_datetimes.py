from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parsers.hl7v2.datetimes import Timestamp, parse_timestamp, to_utc

EASTERN = "America/New_York"


@pytest.mark.parametrize(
    ("text", "local", "offset", "precision"),
    [
        ("2026", (2026, 1, 1), None, "year"),
        ("202603", (2026, 3, 1), None, "month"),
        ("20260312", (2026, 3, 12), None, "day"),
        ("2026031208", (2026, 3, 12, 8), None, "hour"),
        ("202603120815", (2026, 3, 12, 8, 15), None, "minute"),
        ("20260312081507", (2026, 3, 12, 8, 15, 7), None, "second"),
        ("20260312081507.1234", (2026, 3, 12, 8, 15, 7, 123400), None, "second"),
        ("20260312081507.123456789", (2026, 3, 12, 8, 15, 7, 123456), None, "second"),
        ("20260312081507-0500", (2026, 3, 12, 8, 15, 7), -300, "second"),
        ("20260312081507.000+0530", (2026, 3, 12, 8, 15, 7), 330, "second"),
        ("202603120815+0000", (2026, 3, 12, 8, 15), 0, "minute"),
        ("20260312-0500", (2026, 3, 12), -300, "day"),
        (" 20260312 ", (2026, 3, 12), None, "day"),
        ("2026-03-12", (2026, 3, 12), None, "day"),
        ("2026-03-12T08:15:07Z", (2026, 3, 12, 8, 15, 7), 0, "second"),
        ("20260312T081507", (2026, 3, 12, 8, 15, 7), None, "second"),
        ("20260312081507Z", (2026, 3, 12, 8, 15, 7), 0, "second"),
        ("20260312081507-05:00", (2026, 3, 12, 8, 15, 7), -300, "second"),
        ("20260312081507 -0500", (2026, 3, 12, 8, 15, 7), -300, "second"),
        ("202603312400", (2026, 4, 1), None, "minute"),
        ("2026-03-12 08:15", (2026, 3, 12, 8, 15), None, "minute"),
        ("2026-03-12T08:15:07.5-05:00", (2026, 3, 12, 8, 15, 7, 500000), -300, "second"),
        ("20240229", (2024, 2, 29), None, "day"),
    ],
)
def test_parse_timestamp_reads_every_precision(
    text: str, local: tuple[int, ...], offset: int | None, precision: str
) -> None:
    year, month, day, *rest = local
    assert parse_timestamp(text) == Timestamp(datetime(year, month, day, *rest), offset, precision)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '""',
        "18996565",
        "201305471305",
        "20000101+",
        "20260312 0815",
        "20260229",
        "2026031225",
        "202603122401",
        "9999123124",
        "202603120860",
        "00000101",
        "20260312081507-9900",
        "20260312081507-0560",
        "2026031",
        "20260312081507.",
        "yesterday",
        "２０２６",
        "9" * 100_000,
    ],
)
def test_parse_timestamp_of_an_impossible_time_is_none(text: str) -> None:
    assert parse_timestamp(text) is None


def convert(text: str, offset: int | None = None, zone: str = EASTERN) -> tuple[str, tuple[str, ...]]:
    stamp = parse_timestamp(text)
    assert stamp is not None
    moment, flags = to_utc(stamp, zone, offset)
    assert moment.tzinfo is UTC
    return moment.isoformat()[:16], flags


@pytest.mark.parametrize(
    ("text", "offset", "expected", "flags"),
    [
        ("202601150900", None, "2026-01-15T14:00", ()),
        ("202607150900", None, "2026-07-15T13:00", ()),
        ("202607150900-0700", None, "2026-07-15T16:00", ()),
        ("202607150900+0000", -300, "2026-07-15T09:00", ()),
        ("202607150900", -300, "2026-07-15T13:00", ()),  # the message was sent in winter, the time is in summer
        ("202601150900", -480, "2026-01-15T17:00", ("offset-mismatch",)),
        ("202611010130", None, "2026-11-01T05:30", ("ambiguous-time",)),
        ("202611010130", -240, "2026-11-01T05:30", ()),
        ("202611010130", -300, "2026-11-01T06:30", ()),
        ("202603080230", None, "2026-03-08T07:30", ("nonexistent-time",)),
    ],
)
def test_to_utc_uses_the_zone_and_flags_what_is_doubtful(
    text: str, offset: int | None, expected: str, flags: tuple[str, ...]
) -> None:
    assert convert(text, offset) == (expected, flags)


@pytest.mark.parametrize("text", ["0001", "99991231235959", "00010101+1400", "99991231-1400"])
@pytest.mark.parametrize("zone", [EASTERN, "Pacific/Auckland"])
def test_to_utc_at_the_ends_of_the_calendar_does_not_raise(text: str, zone: str) -> None:
    convert(text, None, zone)
    convert(text, -660, zone)

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core_report import availability, measures, month_of, results_due

EASTERN = ZoneInfo("America/New_York")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=EASTERN).astimezone(UTC)  # a Monday


def row(kind: str, seconds: float = 1.0, outcome: str = "Success", **given: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "direction": "in",
        "outcome": outcome,
        "payload_type": "X12_270_Request_005010X279A1",
        "payload_id": "a",
        "started_at": NOON,
        "answered_at": NOON + timedelta(seconds=seconds),
        "request_journal_id": 1,
        **given,
    }


def found(rows: list[dict[str, Any]], acknowledged: dict[int, datetime], now: datetime) -> dict[str, tuple[Any, ...]]:
    return {each.name: (each.total, each.met, each.open, each.verdict) for each in measures(rows, acknowledged, now)}


def test_report_real_time_counts_what_was_answered_and_not_what_was_refused() -> None:
    rows = [row("real-time", 19.9)] * 9 + [row("real-time", 20.1), row("real-time", 1, "TimedOut")]
    rows += [row("real-time", 1, "SenderIDIllegal")] * 5
    assert found(rows, {}, NOON)["real-time"] == (11, 9, 0, "missed")
    assert found(rows[:10], {}, NOON)["real-time"] == (10, 9, 0, "met")
    assert found([], {}, NOON)["real-time"] == (0, 0, 0, "nothing to measure")


def test_report_999_is_due_within_the_hour_and_open_until_then() -> None:
    rows = [row("submit", request_journal_id=number) for number in (1, 2, 3)]
    made = {1: NOON + timedelta(minutes=60), 2: NOON + timedelta(minutes=61)}
    assert found(rows, made, NOON + timedelta(minutes=30))["999"] == (2, 1, 1, "missed")
    assert found(rows, made, NOON + timedelta(hours=2))["999"] == (3, 1, 0, "missed")


def test_report_results_are_due_at_seven_of_the_next_business_day() -> None:
    rows = [row("submit"), row("submit", payload_type="X12_278_Notification", request_journal_id=2)]
    document = row("document", answered_at=None, started_at=NOON + timedelta(hours=18))
    assert found([*rows, document], {}, NOON)["results"] == (1, 1, 0, "met")
    late = document | {"started_at": NOON + timedelta(hours=20)}
    assert found([*rows, late], {}, NOON)["results"] == (1, 0, 0, "missed")
    assert found(rows, {}, NOON)["results"] == (0, 0, 1, "nothing to measure")


def test_report_of_a_payer_takes_what_was_fetched_from_him() -> None:
    mine = {"direction": "out"}
    rows = [row("submit", **mine), row("ack-retrieval", 1200, **mine), row("results-retrieval", 7200, **mine)]
    rows.append(row("submit", **mine, payload_id="b"))
    shown = found(rows, {}, NOON + timedelta(days=3))
    assert (shown["999"], shown["results"]) == ((2, 1, 0, "missed"), (2, 1, 0, "missed"))


@pytest.mark.parametrize(
    ("submitted", "due"),
    [
        ((2026, 3, 2, 21, 0), (2026, 3, 3)),  # Monday, just in time
        ((2026, 3, 2, 21, 1), (2026, 3, 4)),
        ((2026, 3, 6, 12, 0), (2026, 3, 9)),  # Friday
        ((2026, 3, 7, 12, 0), (2026, 3, 10)),  # Saturday belongs to Monday
        ((2026, 7, 2, 12, 0), (2026, 7, 6)),  # Friday the 3rd is the observed holiday
    ],
)
def test_report_clock_of_a_batch(submitted: tuple[int, ...], due: tuple[int, ...]) -> None:
    at = datetime(*submitted, tzinfo=EASTERN)  # type: ignore[arg-type, misc]
    assert results_due(at.astimezone(UTC)) == datetime(*due, 7, 0, tzinfo=EASTERN)  # type: ignore[arg-type, misc]


def test_report_availability_is_that_of_the_worst_week() -> None:
    start, stop = month_of("2026-03")
    down = {"started_at": NOON, "answered_at": NOON + timedelta(hours=24)}
    week = 7 * 24 * 60
    measured = availability([down], start, stop)
    assert (measured.total, measured.met) == (week, week - 24 * 60)
    assert (measured.share, measured.verdict) == (85.71, "missed")
    assert availability([], start, stop).share == 100.0
    overlapping = {"started_at": start - timedelta(hours=5), "answered_at": start + timedelta(hours=1)}
    assert availability([overlapping], start, stop).met == week - 60


def test_report_month_is_read_or_refused() -> None:
    start, stop = month_of("2026-12")
    assert (stop - start).days == 31 and stop.astimezone(EASTERN).day == 1
    for text in ("2026", "March", "2026-13", "2026-3"):
        with pytest.raises(ValueError):
            month_of(text)

"""What CAQH CORE wants measured by month: answers within 20 s, 999 within the hour, batches by 7 am, availability.

Rules 153, 155, 156 and 157; which hours and shares a contract names is the partner's and ours to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.coordination.calendar import Site, at, is_business_day, shift_business_days
from gateway.store.paging import Row
from parsers.core.payloads import use_of

EASTERN = Site("America/New_York", "us-federal")
"""Where the batch clocks of the rules are read."""

ANSWER = timedelta(seconds=20)
ACKNOWLEDGEMENT = timedelta(hours=1)
SUBMITTED_BY, RESULTS_BY = time(21, 0), time(7, 0)
TARGETS = {"real-time": 90.0, "999": 90.0, "results": 90.0, "availability": 86.0}
_ASKED = frozenset({"270", "276", "278"})
_ANSWERED = frozenset({"Success", "TimedOut", "Receiver"})
_WEEK = timedelta(days=7)


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One line.  `share` in percent, None when there was nothing to measure; `open`: not due yet."""

    name: str
    total: int
    met: int
    open: int = 0
    share: float | None
    target: float

    @property
    def verdict(self) -> str:
        if self.share is None:
            return "nothing to measure"
        return "met" if self.share >= self.target else "missed"


def measures(rows: Sequence[Row], acknowledged: Mapping[int, datetime], now: datetime) -> list[Measure]:
    """Of the exchanges of one partner in one direction in one month.

    `acknowledged`: when the first TA1 or 999 to a journal row was made."""
    answers = [row for row in rows if row["kind"] == "real-time" and row["outcome"] in _ANSWERED]
    quick = sum(row["outcome"] == "Success" and row["answered_at"] - row["started_at"] <= ANSWER for row in answers)
    batches = [row for row in rows if row["kind"] == "submit" and row["outcome"] == "Success"]
    asking = [row for row in batches if _asks(row["payload_type"])]
    return [
        _measure("real-time", len(answers), quick),
        _timed("999", batches, lambda row: _acknowledgement(row, rows, acknowledged), _hour_after, now),
        _timed("results", asking, lambda row: _results(row, rows), lambda row: results_due(row["started_at"]), now),
    ]


def availability(downs: Sequence[Row], start: datetime, stop: datetime) -> Measure:
    """Of the worst calendar week (Sunday to Saturday, Eastern time) that touches a span; totals in minutes."""
    worst: tuple[float, int, int] | None = None
    day = start.astimezone(ZoneInfo(EASTERN.zone)).date()
    sunday = day - timedelta(days=(day.weekday() + 1) % 7)
    while (begins := at(sunday, time(0), EASTERN)) < stop:
        ends = min(at(sunday + _WEEK, time(0), EASTERN), stop)
        begins = max(begins, start)
        whole = (ends - begins).total_seconds()
        down = sum(_overlap(row["started_at"], row["answered_at"], begins, ends) for row in downs)
        share = 100.0 * (whole - down) / whole if whole > 0 else 100.0
        if worst is None or share < worst[0]:
            worst = (share, int(whole // 60), int((whole - down) // 60))
        sunday += _WEEK
    if worst is None:
        return Measure(name="availability", total=0, met=0, share=None, target=TARGETS["availability"])
    share, total, met = worst
    return Measure(name="availability", total=total, met=met, share=round(share, 2), target=TARGETS["availability"])


def results_due(submitted_at: datetime) -> datetime:
    """07:00 on the business day after the one to which a submission belongs: its own until 21:00, else the next."""
    local = submitted_at.astimezone(ZoneInfo(EASTERN.zone))
    day: date = local.date()
    if not is_business_day(day, EASTERN.calendar) or local.time() > SUBMITTED_BY:
        day = shift_business_days(day, 1, EASTERN.calendar)
    return at(shift_business_days(day, 1, EASTERN.calendar), RESULTS_BY, EASTERN)


def month_of(text: str) -> tuple[datetime, datetime]:
    """`2026-03` -> its first moment and that of the next month, Eastern time.  ValueError when it is no month."""
    first = date.fromisoformat(f"{text}-01")
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return at(first, time(0), EASTERN), at(following, time(0), EASTERN)


def _asks(payload_type: str) -> bool:
    use = use_of(payload_type) or ""
    return use.removeprefix("batch:") in _ASKED


def _hour_after(row: Row) -> datetime:
    due: datetime = row["started_at"] + ACKNOWLEDGEMENT
    return due


def _acknowledgement(row: Row, rows: Sequence[Row], acknowledged: Mapping[int, datetime]) -> datetime | None:
    """When the 999 was there: made by us, or fetched from the partner."""
    if row["direction"] == "in":
        return acknowledged.get(row["request_journal_id"])
    return _first(rows, "ack-retrieval", "payload_id", row["payload_id"])


def _results(row: Row, rows: Sequence[Row]) -> datetime | None:
    if row["direction"] == "in":
        return _first(rows, "document", "request_journal_id", row["request_journal_id"])
    return _first(rows, "results-retrieval", "payload_id", row["payload_id"])


def _first(rows: Sequence[Row], kind: str, name: str, value: Any) -> datetime | None:
    found = (row for row in rows if row["kind"] == kind and row[name] == value)
    return min((row["answered_at"] or row["started_at"] for row in found), default=None)


def _timed(name: str, rows: Sequence[Row], when: Any, due: Any, now: datetime) -> Measure:
    met = late = waiting = 0
    for row in rows:
        there, limit = when(row), due(row)
        if there is not None and there <= limit:
            met += 1
        elif there is None and now < limit:
            waiting += 1
        else:
            late += 1
    return _measure(name, met + late, met, waiting)


def _measure(name: str, total: int, met: int, waiting: int = 0) -> Measure:
    share = round(100.0 * met / total, 2) if total else None
    return Measure(name=name, total=total, met=met, open=waiting, share=share, target=TARGETS[name])


def _overlap(begins: datetime, ends: datetime, start: datetime, stop: datetime) -> float:
    return max(0.0, (min(ends, stop) - max(begins, start)).total_seconds())

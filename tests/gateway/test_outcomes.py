"""Figures for outcomes, from rows that say what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway import outcomes as made
from gateway.outcomes import Figure

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def value(figures: list[Figure], name: str, of: str = "all") -> tuple[float | None, int]:
    (found,) = [one for one in figures if one.name == name and one.of == of]
    return found.value, found.cases


def call(hours: float | None, status: str | None = "reached", **more: Any) -> dict[str, Any]:
    closed = NOON + hours * HOUR if hours is not None else None
    row = {"facility_id": "main", "discharged_at": NOON, "due_at": NOON + 48 * HOUR}
    return {**row, "closed_at": closed, "business_status": status, **more}


def test_time_to_contact_is_from_the_discharge_to_the_end_of_the_call() -> None:
    figures = made.time_to_contact(
        [call(2), call(10), call(50), call(40, "unable-to-reach"), call(None, None), call(4, facility_id="north")]
    )
    assert value(figures, "hours-median") == (7.0, 4)
    assert value(figures, "within-deadline") == (0.5, 6)
    assert value(figures, "unable-to-reach") == (0.1667, 6)
    assert value(figures, "hours-median", "north") == (4.0, 1)


@pytest.mark.parametrize(
    ("start", "status", "share"),
    [
        (5 * DAY, "booked", (1.0, 1.0, 1.0, 0.0)),
        (10 * DAY, "fulfilled", (0.0, 1.0, 1.0, 1.0)),
        (20 * DAY, "booked", (0.0, 0.0, 1.0, 0.0)),
        (31 * DAY, "booked", (0.0, 0.0, 0.0, 0.0)),
        (5 * DAY, "cancelled", (0.0, 0.0, 0.0, 0.0)),
        (5 * DAY, "noshow", (0.0, 0.0, 0.0, 0.0)),
        (-HOUR, "booked", (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_follow_up_counts_in_the_windows_that_it_meets(start: timedelta, status: str, share: tuple[float, ...]) -> None:
    left = [{"facility_id": "main", "patient_id": "p", "discharged_at": NOON}]
    figures = made.follow_ups(left, {"p": [{"start_at": NOON + start, "status": status}]})
    names = ("booked-within-7-days", "booked-within-14-days", "booked-within-30-days", "kept-within-14-days")
    assert tuple(value(figures, name)[0] for name in names) == share


def test_no_show_rate_leaves_out_what_was_cancelled_or_is_not_known() -> None:
    words = ("noshow", "fulfilled", "arrived", "checked-in", "cancelled", "booked")
    assert value(made.no_shows([{"facility_id": "main", "status": word} for word in words]), "rate") == (0.25, 4)


def stay(patient: str, begun: float, left: float | None, **more: Any) -> dict[str, Any]:
    row = {"facility_id": "main", "patient_id": patient, "disposition_category": "home"}
    moments = {"inpatient_at": NOON + begun * DAY, "discharged_at": NOON + left * DAY if left is not None else None}
    return {**row, **moments, "planned_readmission": False, "newborn": False, **more}


@pytest.mark.parametrize(
    ("stays", "rate"),
    [
        ([stay("p", 0, 3), stay("p", 33, None)], (1.0, 1)),
        ([stay("p", 0, 3), stay("p", 33.1, None)], (0.0, 1)),
        ([stay("p", 0, 3, planned_readmission=True), stay("p", 10, None)], (0.0, 1)),
        ([stay("p", 0, 3), stay("q", 10, None)], (0.0, 1)),
        ([stay("p", 0, 3), stay("p", 10, 12), stay("p", 20, None)], (1.0, 2)),
        ([stay("p", 0, 3, disposition_category="acute-transfer"), stay("p", 3, 9)], (0.0, 1)),
    ],
)
def test_readmission_is_the_next_inpatient_stay_within_thirty_days(
    stays: list[dict[str, Any]], rate: tuple[float, int]
) -> None:
    assert value(made.readmissions(stays, NOON, NOON + 30 * DAY), "within-30-days") == rate


def test_newborn_and_transferred_alone_are_no_index() -> None:
    stays = [stay("p", 0, 3, newborn=True), stay("q", 0, 3, disposition_category="expired")]
    assert made.readmissions(stays, NOON, NOON + 30 * DAY) == []


def decided(hours: float, **more: Any) -> dict[str, Any]:
    row = {"payer_id": "ACME", "requested_at": NOON, "clock_started_at": None, "decided_at": NOON + hours * HOUR}
    return {**row, "status": "certified", "overturned": False, "urgent": False, **more}


def test_authorization_turnaround_is_apart_for_expedited_and_overturned_denials_stay_denials() -> None:
    figures = made.authorizations(
        [
            decided(10),
            decided(30, clock_started_at=NOON + 10 * HOUR),
            decided(5, urgent=True),
            decided(1, status="denied"),
            decided(2, overturned=True, payer_id=None),
        ]
    )
    assert value(figures, "standard-hours-median") == (6.0, 4)
    assert value(figures, "expedited-hours-median") == (5.0, 1)
    assert value(figures, "denied") == (0.4, 5)
    assert value(figures, "denials-overturned") == (0.5, 2)
    assert value(figures, "denied", "unknown") == (1.0, 1)


def test_eligibility_failures_are_shares_of_their_reasons() -> None:
    figures = made.eligibility_failures(["75", "75", "42", "75"])
    assert value(figures, "rejections") == (4, 4)
    assert value(figures, "share", "75") == (0.75, 4)
    assert made.eligibility_failures([]) == []


def test_open_tasks_are_counted_by_age_and_queue() -> None:
    ages = (0.5, 2, 5, 20, 40)
    rows = [
        {"queue": "um", "opened_at": NOON - age * DAY, "due_at": NOON + (1 if age < 3 else -1) * HOUR} for age in ages
    ]
    figures = made.open_tasks(rows, NOON)
    names = ("under-1-day", "1-to-3-days", "3-to-7-days", "7-to-30-days", "over-30-days")
    assert [value(figures, name, "um")[0] for name in names] == [1, 1, 1, 1, 1]
    assert value(figures, "overdue", "um") == (0.6, 5)


def test_csv_has_a_head_and_a_line_for_each_figure() -> None:
    figures = made.no_shows([{"facility_id": 'a,"b', "status": "noshow"}])
    assert made.as_csv(figures) == ('measure,of,name,value,cases\nno-show,all,rate,1.0,1\nno-show,"a,""b",rate,1.0,1\n')

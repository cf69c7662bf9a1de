"""Calendar fixtures of domain reference 6.5 and the corners around them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.coordination import calendar
from gateway.coordination.calendar import Site

NEW_YORK = Site("America/New_York", "us-federal")
CHICAGO = Site("America/Chicago", "us-federal")


def local(text: str, site: Site = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(site.zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("discharged", "days", "due"),
    [
        ("2026-07-02T14:10", 2, "2026-07-07T23:59:59"),  # Friday 3 July is the observed holiday
        ("2026-10-09T10:00", 2, "2026-10-14T23:59:59"),  # Columbus Day
        ("2026-10-17T23:50", 2, "2026-10-20T23:59:59"),  # Saturday is day 0
        ("2026-12-31T09:00", 1, "2027-01-04T23:59:59"),  # New Year's Day is a Friday
        ("2027-12-30T09:00", 1, "2028-01-03T23:59:59"),  # New Year's Day 2028 observed in 2027
        ("2026-11-09T08:00", 2, "2026-11-12T23:59:59"),  # Veterans Day
        ("2028-02-28T08:00", 1, "2028-02-29T23:59:59"),
    ],
)
def test_business_days_skip_weekends_and_federal_holidays(discharged: str, days: int, due: str) -> None:
    assert calendar.within_business_days(local(discharged), days, NEW_YORK) == local(due)


@pytest.mark.parametrize(("days", "due"), [(7, "2026-07-09"), (14, "2026-07-16"), (30, "2026-08-01")])
def test_calendar_days_end_at_the_last_second_of_the_day(days: int, due: str) -> None:
    found = calendar.within_days(local("2026-07-02T14:10"), days, NEW_YORK)
    assert found == local(f"{due}T23:59:59")


def test_business_days_are_counted_on_the_facilitys_wall() -> None:
    moment = datetime(2026, 10, 6, 3, 30, tzinfo=UTC)  # still Monday evening in Chicago and New York
    assert calendar.local_date(moment, CHICAGO) == date(2026, 10, 5)
    assert calendar.within_business_days(moment, 1, CHICAGO) == local("2026-10-06T23:59:59", CHICAGO)


def test_elapsed_hours_cross_the_spring_clock_change() -> None:
    assert local("2026-03-06T09:00") + timedelta(hours=72) == local("2026-03-09T10:00")


def test_elapsed_hours_cross_the_autumn_clock_change() -> None:
    start = local("2026-10-31T22:00")
    assert start + timedelta(hours=20) == local("2026-11-01T17:00")
    assert start + timedelta(hours=36) == local("2026-11-02T09:00")


def test_standard_payer_deadline_is_the_end_of_the_seventh_day() -> None:
    assert calendar.within_days(local("2026-03-06T09:00"), 7, NEW_YORK) == local("2026-03-13T23:59:59")


def test_a_time_that_occurs_twice_is_the_first_and_one_that_does_not_exist_moves_forward() -> None:
    assert calendar.at(date(2026, 11, 1), time(1, 30), NEW_YORK) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert calendar.at(date(2026, 3, 8), time(2, 30), NEW_YORK) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_due_times_count_back_over_holidays() -> None:
    assert calendar.business_days_before(local("2026-07-06T08:00"), 2, NEW_YORK) == local("2026-07-01T23:59:59")


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [("2026-01-31T10:00", "2026-03-02T23:00", 30), ("2026-01-31T10:00", "2026-03-03T00:10", 31)],
)
def test_days_between_are_calendar_days(before: str, after: str, days: int) -> None:
    assert calendar.days_between(local(before), local(after), NEW_YORK, NEW_YORK) == days


def test_date_only_discharge_starts_deadlines_at_2359() -> None:
    midnight = local("2026-07-02T00:00")
    assert calendar.day_counts_from(midnight, "day", NEW_YORK) == local("2026-07-02T23:59")
    assert calendar.day_counts_from(midnight, "minute", NEW_YORK) == midnight


@pytest.mark.parametrize(
    ("moment", "is_open", "opens_on"),
    [
        ("2026-07-02T08:00", True, "2026-07-06"),
        ("2026-07-02T17:00", False, "2026-07-06"),
        ("2026-07-03T12:00", False, "2026-07-06"),
        ("2026-07-06T07:59", False, "2026-07-06"),
        ("2026-07-05T07:00", False, "2026-07-06"),
    ],
)
def test_office_is_open_in_its_hours_on_business_days(moment: str, is_open: bool, opens_on: str) -> None:
    assert calendar.is_open(local(moment), "08:00", "17:00", NEW_YORK) is is_open
    assert calendar.next_open_day(local(moment), "08:00", NEW_YORK) == date.fromisoformat(opens_on)


@pytest.mark.parametrize(
    ("moment", "due"),
    [("2026-07-02T14:59", "2026-07-02"), ("2026-07-02T15:00", "2026-07-06"), ("2026-07-04T09:00", "2026-07-06")],
)
def test_same_business_day_ends_at_three_in_the_afternoon(moment: str, due: str) -> None:
    assert calendar.same_business_day(local(moment), time(15), NEW_YORK) == local(f"{due}T23:59:59")


def test_calendars_are_named_weekdays_or_a_country() -> None:
    independence = date(2026, 7, 3)
    assert calendar.is_business_day(independence, "weekdays")
    assert not calendar.is_business_day(independence, "US-CA")
    assert not calendar.is_business_day(date(2026, 7, 4), "weekdays")
    with pytest.raises(NotImplementedError):
        calendar.holidays_of("ZZ", 2026)


@pytest.mark.parametrize(("text", "day"), [("2026-05-01", date(2026, 5, 1)), ("2026", None), (None, None), ("x", None)])
def test_parse_day_reads_full_dates_only(text: str | None, day: date | None) -> None:
    assert calendar.parse_day(text) == day

"""Deadlines: business days, calendar days and elapsed hours in a facility's time zone (domain reference 0 and 6.1).

"Within n business days of d" ends at 23:59:59 local of the n-th business day strictly after d; "within n calendar
days" at 23:59:59 local of d + n.  Hours are elapsed hours.  All moments, in and out, are aware UTC.
A local time that occurs twice is the first of the two; one that does not exist moves forward (decision 20).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import msgspec

END_OF_DAY = time(23, 59, 59)
_DAY = timedelta(days=1)
_COUNTRY_OF = {"us-federal": "US"}


class Site(msgspec.Struct, frozen=True):
    """Where a deadline is counted: IANA zone and calendar.

    A calendar is "us-federal", "weekdays" (no holidays), a country "US" or a subdivision "US-CA" of `holidays`, each
    followed by a site's own days off and days worked: "us-federal +2026-11-27 -2026-10-12".
    """

    zone: str = "America/New_York"
    calendar: str = "us-federal"


site_in = lru_cache(maxsize=1024)(Site)
"""The site of a zone and a calendar, made once."""


@lru_cache(maxsize=256)
def holidays_of(calendar: str, year: int) -> frozenset[date]:
    """Days off of one year, observed ones included.  Raises NotImplementedError for a calendar nobody knows."""
    base, *changes = calendar.split()
    found = frozenset[date]()
    if base != "weekdays":
        country, _, subdivision = _COUNTRY_OF.get(base, base).partition("-")
        listed = holidays.country_holidays(country, subdiv=subdivision or None, years=year)
        found = frozenset(day for day in listed if day.year == year)
    added = {date.fromisoformat(change[1:]) for change in changes if change.startswith("+")}
    worked = {date.fromisoformat(change[1:]) for change in changes if change.startswith("-")}
    return (found | {day for day in added if day.year == year}) - worked


def is_business_day(day: date, calendar: str) -> bool:
    return day.weekday() < 5 and day not in holidays_of(calendar, day.year)


@lru_cache(maxsize=4096)
def shift_business_days(day: date, count: int, calendar: str) -> date:
    """The |count|-th business day strictly after `day` (count > 0) or strictly before it (count < 0)."""
    step = _DAY if count > 0 else -_DAY
    left = abs(count)
    while left:
        day += step
        if is_business_day(day, calendar):
            left -= 1
    return day


def local_date(moment: datetime, site: Site) -> date:
    """The date on the facility's wall at `moment`."""
    return moment.astimezone(ZoneInfo(site.zone)).date()


@lru_cache(maxsize=4096)
def at(day: date, clock: time, site: Site) -> datetime:
    """Local wall-clock time of a day, as UTC."""
    return datetime.combine(day, clock, ZoneInfo(site.zone)).astimezone(UTC)


def end_of_day(day: date, site: Site) -> datetime:
    return at(day, END_OF_DAY, site)


def within_business_days(moment: datetime, count: int, site: Site) -> datetime:
    """Last second of the `count`-th business day after the day of `moment`."""
    return end_of_day(shift_business_days(local_date(moment, site), count, site.calendar), site)


def within_days(moment: datetime, count: int, site: Site) -> datetime:
    """Last second of the day `count` calendar days after the day of `moment`."""
    return end_of_day(local_date(moment, site) + timedelta(days=count), site)


def business_days_before(moment: datetime, count: int, site: Site) -> datetime:
    """Last second of the `count`-th business day before the day of `moment` (a due time counted back)."""
    return end_of_day(shift_business_days(local_date(moment, site), -count, site.calendar), site)


def days_between(earlier: datetime, later: datetime, earlier_site: Site, later_site: Site) -> int:
    """Calendar days from one facility's date to another's."""
    return (local_date(later, later_site) - local_date(earlier, earlier_site)).days


def day_counts_from(moment: datetime, precision: str | None, site: Site) -> datetime:
    """Where deadlines after a discharge start: 23:59 local of the day when only the date is known (2.5)."""
    if precision != "day":
        return moment
    return at(local_date(moment, site), time(23, 59), site)


def is_open(moment: datetime, opens: str, closes: str, site: Site) -> bool:
    """Whether an office with these hours ("HH:MM" local, business days only) is open."""
    here = moment.astimezone(ZoneInfo(site.zone))
    if not is_business_day(here.date(), site.calendar):
        return False
    return time.fromisoformat(opens) <= here.time() < time.fromisoformat(closes)


def next_open_day(moment: datetime, opens: str, site: Site) -> date:
    """The day on which a closed office opens next: today when it is a business day and still before `opens`."""
    here = moment.astimezone(ZoneInfo(site.zone))
    if is_business_day(here.date(), site.calendar) and here.time() < time.fromisoformat(opens):
        return here.date()
    return shift_business_days(here.date(), 1, site.calendar)


def same_business_day(moment: datetime, until: time, site: Site) -> datetime:
    """End of today when today is a business day and it is before `until` local, else end of the next one."""
    here = moment.astimezone(ZoneInfo(site.zone))
    if is_business_day(here.date(), site.calendar) and here.time() < until:
        return end_of_day(here.date(), site)
    return within_business_days(moment, 1, site)


def parse_day(text: str | None) -> date | None:
    """A date in ISO text, None when absent or not a full date."""
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None

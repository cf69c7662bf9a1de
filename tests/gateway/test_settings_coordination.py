"""Exceptions by facility, payer and time, calendars of a site's own, and what is refused in them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.coordination.calendar import is_business_day
from gateway.settings.check import SettingsError, load

FILE = """
[[calendar]]
id = "hospital"
base = "us-federal"
closed = [2026-11-27]
open = [2026-10-12]

[[facility]]
id = "main"
calendar = "hospital"

[coordination]
contact_bd = 2
enabled_rules = ["family-meeting"]

[[coordination.override]]
facility = "main"
since = 2026-07-01
set = { contact_bd = 1, languages = ["en", "es"] }
enable = ["los-exceeds-estimate"]

[[coordination.override]]
facility = "main"
payer = "AETNA"
set = { contact_bd = 3 }
disable = ["family-meeting"]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "baton.toml"
    file.write_text(text)
    return file


def test_more_specific_override_wins_and_the_day_counts(tmp_path: Path) -> None:
    rules = load(write(tmp_path, FILE)).coordination_settings()
    june = rules.at("main", frozenset(), "2026-06-30")
    july = rules.at("main", frozenset(), "2026-07-01")
    aetna = rules.at("main", frozenset({"AETNA"}), "2026-07-01")
    assert [one.contact_bd for one in (june, july, aetna, rules.at("other", frozenset(), "2026-07-01"))] == [2, 1, 3, 2]
    assert july.languages == ("en", "es") and july.enabled_rules == ("family-meeting", "los-exceeds-estimate")
    assert (aetna.enabled_rules, aetna.disabled_rules) == (("los-exceeds-estimate",), ("family-meeting",))


def test_a_calendar_of_ones_own_adds_and_takes_days(tmp_path: Path) -> None:
    rules = load(write(tmp_path, FILE)).coordination_settings()
    calendar = rules.facilities["main"][1]
    days = (date(2026, 11, 26), date(2026, 11, 27), date(2026, 10, 12), date(2026, 10, 13))
    assert [is_business_day(day, calendar) for day in days] == [False, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "[[coordination.override]]\nset = { contact_days = 1 }\n",
        '[[coordination.override]]\nset = { contact_bd = "soon" }\n',
        '[[calendar]]\nid = "x"\nbase = "MOON"\n',
        '[coordination]\nenabled_rules = ["family-meting"]\n',
        '[[coordination.override]]\nfacility = "nowhere"\nset = { contact_bd = 1 }\n',
    ],
)
def test_an_exception_that_means_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        load(write(tmp_path, text))

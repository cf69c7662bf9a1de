"""A scenario: messages with times relative to a day 0, so that samples never rot (decision 32).

Samples hold slots instead of dates, filled as they are sent:
    {ts D+0 14:10}     HL7 timestamp with the zone's offset of that moment
    {d D-200}          date, CCYYMMDD
    {yymmdd D+0}       date of an ISA segment
HL7 samples are kept with line ends that a person can read; on the wire segments end with CR.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

_SLOT = re.compile(r"\{(ts|d|yymmdd) D([+-]\d+)(?: (\d\d):(\d\d))?\}")
_MOMENT = re.compile(r"^D([+-]\d+) (\d\d):(\d\d)$")


@dataclass(slots=True, frozen=True)
class Step:
    """One message of the scenario."""

    at: datetime
    channel: str
    file: Path
    say: str
    ask: str = ""  # what the gateway asks of this patient's payer here, in place of a message
    mrn: str = ""


@dataclass(slots=True, frozen=True)
class Expectation:
    """A task that must be open at the end, or that was made and must be closed."""

    rule: str
    mrn: str
    open: bool


@dataclass(slots=True, frozen=True)
class Scenario:
    """All steps in order, with real times for the day 0 given."""

    title: str
    day0: date
    zone: ZoneInfo
    ends: datetime
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]

    def body(self, step: Step) -> bytes:
        """The bytes to send."""
        text = render(step.file.read_text("utf-8"), self.day0, self.zone)
        if step.file.suffix == ".hl7":
            text = text.rstrip("\n").replace("\n", "\r") + "\r"
        return text.encode("utf-8")


def load(folder: Path, day0: date) -> Scenario:
    """Read `scenario.toml` and its steps."""
    data = tomllib.loads((folder / "scenario.toml").read_text("utf-8"))
    zone = ZoneInfo(data["zone"])
    steps = tuple(
        Step(
            moment(step["at"], day0, zone),
            step["channel"],
            folder / step.get("file", ""),
            step["say"],
            step.get("ask", ""),
            step.get("mrn", ""),
        )
        for step in data["step"]
    )
    wanted = [Expectation(task["rule"], task["mrn"], True) for task in data.get("task", ())]
    wanted += [Expectation(task["rule"], task["mrn"], False) for task in data.get("closed", ())]
    return Scenario(data["title"], day0, zone, moment(data["ends"], day0, zone), steps, tuple(wanted))


def moment(text: str, day0: date, zone: ZoneInfo) -> datetime:
    """ "D+1 09:00" -> that local time; a time that the clock change skips moves forward."""
    found = _MOMENT.match(text)
    if found is None:
        raise ValueError(f"not a moment of a scenario: {text!r} (such as 'D+1 09:00')")
    days, hour, minute = (int(part) for part in found.groups())
    return _local(day0 + timedelta(days=days), time(hour, minute), zone)


def render(text: str, day0: date, zone: ZoneInfo) -> str:
    """Fill the slots of a sample."""

    def fill(found: re.Match[str]) -> str:
        kind, days, hour, minute = found.groups()
        day = day0 + timedelta(days=int(days))
        if kind == "d":
            return f"{day:%Y%m%d}"
        if kind == "yymmdd":
            return f"{day:%y%m%d}"
        return f"{_local(day, time(int(hour or 0), int(minute or 0)), zone):%Y%m%d%H%M%S%z}"

    return _SLOT.sub(fill, text)


def _local(day: date, at: time, zone: ZoneInfo) -> datetime:
    there_and_back = datetime.combine(day, at, zone).astimezone(ZoneInfo("UTC"))
    return there_and_back.astimezone(zone)

"""Scenario files for rules: messages in, tasks out (docs/site-rules.md has the form)."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from gateway.coordination.records import Task
from gateway.rehearsal import Rehearsal
from gateway.settings import Settings

_FORM = "%Y-%m-%d %H:%M"


class Step(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """At `at` (local time of the first facility) a message comes, inline or from a file; without one time passes."""

    at: str
    message: str = ""
    file: str = ""
    channel: str = ""


class Expectation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`state`: open | resolved | retracted | closed | none; what is left out is not compared."""

    rule: str
    state: str = "open"
    count: int = 1
    due: str = ""
    priority: str = ""
    queue: str = ""


class Scenario(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`only`: every task that the listed rules open has to be expected."""

    title: str
    settings: dict[str, object] = msgspec.field(default_factory=dict)
    step: list[Step] = msgspec.field(default_factory=list)
    expect: list[Expectation] = msgspec.field(default_factory=list)
    only: list[str] = msgspec.field(default_factory=list)


def read_scenario(file: Path) -> Scenario:
    """Raises ValueError with what is wrong in the file."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), type=Scenario)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None


def play(scenario: Scenario, settings: Settings, folder: Path) -> list[str]:
    """Play it and compare: what is not as expected, in sentences; empty when all is.  ValueError when it cannot run."""
    if not scenario.step:
        raise ValueError("the scenario has no step")
    zone = ZoneInfo(settings.facility[0].zone)
    given = settings.model_copy(
        update={"coordination": type(settings.coordination)(**(settings.coordination.model_dump() | scenario.settings))}
    )
    rehearsal = Rehearsal(given, _moment(scenario.step[0].at, zone))
    for number, step in enumerate(scenario.step, 1):
        try:
            _take(rehearsal, step, zone, folder)
        except (ValueError, OSError) as error:
            raise ValueError(f"step {number} at {step.at}: {error}") from None
    said = [text for wanted in scenario.expect for text in _compare(wanted, rehearsal.tasks, zone)]
    expected = {wanted.rule for wanted in scenario.expect}
    said += [
        f"{task.rule_id}: opened a task that nobody expects (due {_shown(task.due_at, zone)})"
        for task in rehearsal.tasks
        if task.rule_id in scenario.only and task.rule_id not in expected
    ]
    return said


def _take(rehearsal: Rehearsal, step: Step, zone: ZoneInfo, folder: Path) -> None:
    at = _moment(step.at, zone)
    text = step.message or ((folder / step.file).read_text() if step.file else "")
    if not text:
        rehearsal.wait(at)
        return
    stamp = f"{at.astimezone(zone):%Y%m%d%H%M%S}"
    body = "\r".join(line for line in text.strip().replace("{at}", stamp).splitlines() if line.strip())
    rehearsal.hear(body.encode(), at, step.channel)


def _compare(wanted: Expectation, tasks: list[Task], zone: ZoneInfo) -> list[str]:
    made = [task for task in tasks if task.rule_id == wanted.rule]
    fitting = [task for task in made if wanted.state in ("none", _state(task), "closed" if not task.open else "")]
    count = 0 if wanted.state == "none" else wanted.count
    if len(fitting) != count:
        found = ", ".join(f"{_state(task)} ({task.status_reason or task.reason})" for task in made) or "none"
        return [f"{wanted.rule}: expected {count} {wanted.state}, found {len(fitting)}; its tasks: {found}"]
    said = []
    for task in fitting:
        shown = {"due": _shown(task.due_at, zone), "priority": task.priority, "queue": task.queue}
        for name, value in shown.items():
            expected = getattr(wanted, name)
            if expected and expected != value:
                said.append(f"{wanted.rule}: {name} is {value}, expected {expected}")
    return said


def _state(task: Task) -> str:
    if task.open:
        return "open"
    return {"auto-resolved": "resolved", "retracted": "retracted"}.get(task.business_status or "", "closed")


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no time of the form 2026-07-02 14:10") from None


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):{_FORM}}"

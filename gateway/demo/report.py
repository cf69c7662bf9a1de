"""The end of a demo: the worklist as a table, and whether it holds what the scenario must give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from rich.table import Table

from gateway.demo.scenario import Expectation
from gateway.store.worklist import WorklistRow

_STYLE = {"stat": "bold red", "asap": "red", "urgent": "yellow", "routine": ""}


def worklist_table(rows: Iterable[WorklistRow], zone: ZoneInfo) -> Table:
    """Open tasks, the earliest due first."""
    table = Table(title="Worklist: open tasks", title_justify="left", expand=False)
    for name in ("task", "patient", "due", "priority", "queue", "why"):
        table.add_column(name, overflow="fold", no_wrap=name in ("patient", "due", "priority", "queue"))
    for row in rows:
        if not row.open:
            continue
        due = f"{row.due_at.astimezone(zone):%a %m-%d %H:%M}" + (" overdue" if row.overdue else "")
        priority = f"[{style}]{row.priority}[/]" if (style := _STYLE[row.priority]) else row.priority
        table.add_row(row.title, f"{row.initials} {row.mrn}", due, priority, row.queue, row.reason)
    return table


def find_missing(rows: Sequence[WorklistRow], expectations: Iterable[Expectation]) -> list[str]:
    """What the scenario must give and did not: one sentence each, empty when all is there."""
    missing = []
    for wanted in expectations:
        found = [row for row in rows if row.rule_id == wanted.rule and row.mrn == wanted.mrn]
        if wanted.open and not any(row.open for row in found):
            missing.append(f"{wanted.rule} for {wanted.mrn} should be open")
        if not wanted.open and not any(not row.open for row in found):
            missing.append(f"{wanted.rule} for {wanted.mrn} should have been made and closed")
    return missing

"""The rules as a document: docs/rules.md is this text, and a test holds the two together."""

from __future__ import annotations

from gateway.coordination.rules.declaration import Rule
from gateway.coordination.rules.registry import RULES

_INTRODUCTION = """# Transition rules

Generated from the declarations in `gateway/coordination/rules`. Each rule opens at most one task per key. A message
that shows the work done completes the task (`auto-resolved`); one that takes its reason away cancels it
(`retracted`). After a retraction the same trigger opens the next instance of the key, after a completion it does not.

"Business days" follow the calendar and time zone of the facility and end at 23:59:59 local. Default escalation: at
the due time the task is marked overdue and rises one priority; one business day later the lead of its queue is told.

For every rule: what cancels a stay (A11), a discharge (A13) or an appointment (S15, S17) also cancels the tasks
scoped to it; historical messages and channels in stage `load` make no tasks; newborns and classes C and N have no
discharge or authorization tasks.
"""


def rules_markdown() -> str:
    """The whole document, ending with a line feed."""
    index = ["| Rule | Task | Type | Priority | Queue |", "|---|---|---|---|---|"]
    index += [f"| [`{r.id}`](#{r.id}) | {r.task} | {r.type} | {r.priority} | {r.queue} |" for r in RULES]
    return "\n".join([_INTRODUCTION, *index, "", *(_section(rule) for rule in RULES)])


def _section(rule: Rule) -> str:
    rows = (
        ("Trigger", rule.trigger),
        ("Task", f"**{rule.task}** · {rule.type} · {rule.priority} · queue `{rule.queue}`"),
        ("Due", rule.due),
        ("Resolved by", rule.resolves),
        ("Retracted by", rule.retracts),
        ("Escalates", rule.escalates),
        ("Key", f"`{rule.id}\\|{rule.key.replace('|', chr(92) + '|')}`"),
        ("Basis", rule.basis),
    )
    lines = [f"## {rule.id}", "", f"Version {rule.version}.", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows), ""])

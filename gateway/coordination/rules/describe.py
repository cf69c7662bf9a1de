"""The rules as a document: docs/rules.md is this text, and a test holds the two together."""

from __future__ import annotations

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.condition_groups import GROUPS, HRRP_DRGS
from gateway.coordination.rules import desk, identity
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

Clocks are settings of `[coordination]` with their defaults; `[[coordination.override]]` gives a facility, a payer or a
time other ones, and switches rules on and off (docs/settings.md). A site adds rules of its own: docs/site-rules.md.
"""


_DEFAULTS = CoordinationSettings()


def module_of(rule: Rule) -> str:
    """The file that declares the rule."""
    acts = (rule.wants, rule.ripe, rule.look, rule.fire, rule.settle)
    named = next((act.__module__ for act in acts if act is not None), None)
    if named is None:  # rules that act elsewhere: on answers without a patient, on people
        named = next(one.__name__ for one in (identity, desk) if any(held is rule for held in vars(one).values()))
    return f"{named.replace('.', '/')}.py"


def proof_of(rule: Rule) -> str:
    """The file that tests it: named like the module."""
    return f"tests/gateway/coordination/rules/test_{module_of(rule).rpartition('/')[2]}"


def _clocks(rule: Rule) -> str:
    """The numbers that it asks for, with their defaults."""
    said = (f"`{name}` = {_plain(getattr(_DEFAULTS, name))}" for name in rule.settings)
    return "; ".join(said) or "none of its own"


def _plain(value: object) -> str:
    if isinstance(value, tuple | dict):
        return ", ".join(str(one) for one in value) or "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


def rules_markdown() -> str:
    """The whole document, ending with a line feed."""
    index = ["| Rule | Task | Type | Priority | Queue | On |", "|---|---|---|---|---|---|"]
    for r in RULES:
        on = "no" if r.extended else "yes"
        index.append(f"| [`{r.id}`](#{r.id}) | {r.task} | {r.type} | {r.priority} | {r.queue} | {on} |")
    return "\n".join([_INTRODUCTION, *index, "", *(_section(rule) for rule in RULES), _groups()])


def _groups() -> str:
    """The condition groups, which are data that a site may replace."""
    lines = [
        "## Condition groups",
        "",
        "ICD-10-CM prefixes, starter sets to be checked against a measure's own value sets. "
        "`coordination.condition_groups` replaces any of them by name.",
        "",
        "| Group | Prefixes |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {', '.join(prefixes)} |" for name, prefixes in GROUPS.items()]
    lines.append(f"| MS-DRG of hrrp, surgical | {', '.join(sorted(HRRP_DRGS))} |")
    return "\n".join([*lines, ""])


def _section(rule: Rule) -> str:
    rows = (
        ("Trigger", rule.trigger),
        ("Task", f"**{rule.task}** · {rule.type} · {rule.priority} · queue `{rule.queue}`"),
        ("Due", rule.due),
        ("Resolved by", rule.resolves),
        ("Retracted by", rule.retracts),
        ("Escalates", rule.escalates),
        ("Clocks", _clocks(rule)),
        ("Key", f"`{rule.id}\\|{rule.key.replace('|', chr(92) + '|')}`"),
        ("Basis", rule.basis),
        ("Code", f"`{module_of(rule)}`"),
        ("Proof", f"`{proof_of(rule)}`"),
    )
    extended = " Extended: off unless `coordination.enabled_rules` names it." if rule.extended else ""
    lines = [f"## {rule.id}", "", f"Version {rule.version}.{extended}", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in rows), ""])

"""Two rules that open nothing: work that is overdue goes to the lead, work whose owner is away goes to somebody else
(6.3).  The first is a step of every task's escalation (`declaration.next_step`), the second what the desk does."""

from __future__ import annotations

from gateway.coordination.people import ABSENT_RULE
from gateway.coordination.rules.declaration import OVERDUE_RULE, Rule

OVERDUE = Rule(
    id=OVERDUE_RULE,
    trigger="Any task still open one business day after its due time, whatever its rule's own escalation",
    task="None: the task itself goes to the lead of its queue",
    type="-",
    priority="-",
    due="-",
    queue="-",
    resolves="-",
    retracts="-",
    escalates="Due time + 1 business day: lead of the queue",
    key="task",
    basis="Product default",
    extended=True,
)

ABSENT = Rule(
    id=ABSENT_RULE,
    trigger="The owner of an open task is marked absent or has left. Where there are teams it runs without being "
    "named in `enabled_rules`; `disabled_rules` ends it",
    task="None: the task goes to the substitute, else to its team, else to the fallback team",
    type="-",
    priority="-",
    due="At once",
    queue="-",
    resolves="-",
    retracts="The owner is back: the task goes back to him, unless somebody is in the middle of it",
    escalates="-",
    key="task",
    basis="Product default",
    extended=True,
)

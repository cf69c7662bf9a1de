"""All rules of this installation, in the order in which they look."""

from __future__ import annotations

from gateway.coordination.rules import death
from gateway.coordination.rules.admission import NO_AUTH, READMISSION
from gateway.coordination.rules.authorization import DENIED, PENDED
from gateway.coordination.rules.coverage import INACTIVE, VERIFY
from gateway.coordination.rules.death import DEATH
from gateway.coordination.rules.declaration import Rule
from gateway.coordination.rules.discharge import CONTACT, UNBOOKED
from gateway.coordination.rules.followup import NO_SHOW
from gateway.coordination.rules.identity import MERGED, UNMATCHED

RULES: tuple[Rule, ...] = (
    DEATH,  # first: what it cancels it can give back; the others then find those tasks closed
    CONTACT,
    UNBOOKED,
    NO_SHOW,
    NO_AUTH,
    VERIFY,
    INACTIVE,
    PENDED,
    DENIED,
    READMISSION,
    MERGED,
    UNMATCHED,
)

BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULES}
death.RULES_BY_ID.update(BY_ID)

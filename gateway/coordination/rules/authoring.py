"""What a site's own rule is written with: `from gateway.coordination.rules.authoring import *` (docs/site-rules.md).

These names stay; everything else in the package may move.
"""

from __future__ import annotations

from gateway.coordination.calendar import (
    business_days_before,
    end_of_day,
    local_date,
    within_business_days,
    within_days,
)
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Appointment, Authorization, Coverage, Encounter, Patient, Task, Timer
from gateway.coordination.rules.declaration import (
    Check,
    Closing,
    Finding,
    Focus,
    Rule,
    done,
    evidence,
    gone,
    recorded_by,
    site_of,
)
from gateway.coordination.rules.payer import focus_of
from gateway.coordination.rules.stays import happened, scope_of, stay_of, stays_with

__all__ = [
    "Appointment",
    "Authorization",
    "Check",
    "Closing",
    "Coverage",
    "Draft",
    "Encounter",
    "Finding",
    "Focus",
    "Patient",
    "Rule",
    "Task",
    "Timer",
    "business_days_before",
    "done",
    "end_of_day",
    "evidence",
    "focus_of",
    "gone",
    "happened",
    "hours",
    "local_date",
    "recorded_by",
    "scope_of",
    "site_of",
    "stay_of",
    "stays_with",
    "within_business_days",
    "within_days",
]

"""What is announced or under way about a stay beside its status (domain reference 2.1): its flags.

Each flag keeps the recorded time of the message that spoke of it last, so that messages out of order leave the same
flags as in order: an A16 that comes after its A25 sets nothing.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.records import Encounter
from gateway.coordination.transitions.states import ENDED, GONE, IN_PROGRESS, OPEN_VISIT

Flags = dict[str, tuple[bool, datetime]]

PREADMISSION = "preadmission"
"""An A05 stands: an A27 then withdraws the announcement of the admission only."""

_SETS = {
    "A05": PREADMISSION,
    "A14": "pending-admit",
    "A15": "pending-transfer",
    "A16": "pending-discharge",
    "A09": "in-transit",
    "A32": "in-transit",
}
_CLEARS = {
    "A02": ("in-transit", "pending-transfer"),
    "A10": ("in-transit",),
    "A25": ("pending-discharge",),
    "A26": ("pending-transfer",),
    "A27": ("pending-admit",),
    "A33": ("in-transit",),
}
_DECODER = msgspec.json.Decoder(Flags)


def flags_of(encounter: Encounter) -> Flags:
    return {} if encounter.flags_json == "{}" else _DECODER.decode(encounter.flags_json)


def is_flagged(encounter: Encounter, flag: str) -> bool:
    return encounter.flags_json != "{}" and flags_of(encounter).get(flag, (False,))[0]


def flags_after(before: Encounter, column: str, status: str, at: datetime) -> tuple[str, bool]:
    """(`flags_json` after a message recorded at `at` that leaves the stay in `status`, is any of them another now)."""
    said: dict[str, bool] = dict.fromkeys(_CLEARS.get(column, ()), False)
    wanted = _SETS.get(column)
    if wanted is not None and _may_stand(wanted, status):
        said[wanted] = True
    if before.flags_json != "{}":
        said |= dict.fromkeys((flag for flag in _ended_by(before, status) if flag not in said), False)
    if not said:
        return before.flags_json, False
    flags = flags_of(before)
    changed = False
    for flag, on in said.items():
        was, since = flags.get(flag, (False, None))
        if since is None or at >= since:
            flags[flag] = (on, at)
            changed |= on is not was
    return msgspec.json.encode(dict(sorted(flags.items()))).decode(), changed


def _may_stand(flag: str, status: str) -> bool:
    if flag == PREADMISSION:
        return status == "preadmitted"
    if flag == "pending-admit":
        return status == "preadmitted" or status in OPEN_VISIT
    return status in IN_PROGRESS


def _ended_by(before: Encounter, status: str) -> list[str]:
    """Flags that a new status ends: an admission all that announced it, an end everything."""
    if status == before.status:
        return []
    on = [flag for flag, (is_on, _) in flags_of(before).items() if is_on]
    if status in ENDED or status in GONE:
        return on
    return [flag for flag in on if flag in (PREADMISSION, "pending-admit")] if status in IN_PROGRESS else []

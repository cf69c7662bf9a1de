"""What is announced or under way about a stay beside its status (domain reference 2.1): its flags.

Each flag keeps the recorded time of the message that spoke of it last, so that messages out of order leave the same
flags as in order: an A16 that comes after its A25 sets nothing.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.coordination.records import Encounter
from gateway.coordination.transitions.states import IN_PROGRESS, OPEN_VISIT

Flags = dict[str, tuple[bool, datetime]]

PREADMISSION = "preadmission"
"""An A05 stands: an A27 then withdraws the announcement of the admission only."""

ALL = "*"
"""Since when all flags that are not newer are off: the end of the stay."""

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
    "A38": (PREADMISSION, "pending-admit"),
}
_DECODER = msgspec.json.Decoder(Flags)


def flags_of(stay: Encounter) -> Flags:
    return {} if stay.flags_json == "{}" else _DECODER.decode(stay.flags_json)


def standing(stay: Encounter) -> set[str]:
    """The flags that are up: said, and fitting the status."""
    return _standing(flags_of(stay), stay.status) if stay.flags_json != "{}" else set()


def is_flagged(stay: Encounter, flag: str) -> bool:
    return flag in standing(stay)


def flags_after(
    before: Encounter, column: str, status: str, at: datetime, *, ends: bool = False, admits: bool = False
) -> tuple[str, bool]:
    """(`flags_json` after a message recorded at `at` that leaves the stay in `status`, is any of them another now).

    `ends`, `admits`: it ends the stay, or makes it an inpatient's, if only until a message that is known already."""
    said: dict[str, bool] = dict.fromkeys(_CLEARS.get(column, ()), False)
    if column in _SETS:
        said[_SETS[column]] = True
    flags = flags_of(before)
    if ends:
        said |= dict.fromkeys((ALL, *flags), False)
    elif admits or (flags and before.status == "preadmitted" and status in IN_PROGRESS):
        said |= {PREADMISSION: False, "pending-admit": False}
    if not said:
        return before.flags_json, False
    up = _standing(flags, before.status)
    ended_at = flags.get(ALL, (False, None))[1]
    for flag, on in said.items():
        since = flags.get(flag, (False, None))[1]
        if (since is None or at >= since) and (flag == ALL or ended_at is None or at >= ended_at):
            flags[flag] = (on, at)
    return msgspec.json.encode(dict(sorted(flags.items()))).decode(), _standing(flags, status) != up


def _standing(flags: Flags, status: str) -> set[str]:
    return {flag for flag, (on, _) in flags.items() if on and _may_stand(flag, status)}


def _may_stand(flag: str, status: str) -> bool:
    if flag == PREADMISSION:
        return status == "preadmitted"
    if flag == "pending-admit":
        return status == "preadmitted" or status in OPEN_VISIT
    return status in IN_PROGRESS

"""Condition groups that rules ask for (domain reference 6.4), as data: ICD-10-CM prefixes without the dot.

Starter sets, to be checked against a measure's own value sets; `coordination.condition_groups` replaces any of them.
ICD-9 and local codes match nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "hrrp-myocardial-infarction": ("I21",),
    "hrrp-heart-failure": ("I50", "I110", "I130", "I132"),
    "hrrp-pneumonia": ("J12", "J13", "J14", "J15", "J16", "J17", "J18", "J690"),
    "hrrp-copd": ("J41", "J42", "J43", "J44"),
    "chronic-lung": ("J41", "J42", "J43", "J44", "J45"),
    "chronic-dementia": ("G30", "F01", "F02", "F03"),
    "chronic-kidney": ("N18",),
    "chronic-depression": ("F32", "F33"),
    "chronic-heart-failure": ("I50",),
    "chronic-myocardial-infarction": ("I21", "I22", "I252"),
    "chronic-atrial-fibrillation": ("I48",),
    "chronic-stroke": ("I60", "I61", "I62", "I63", "I64", "G45"),
    "mental-health": (
        *(f"F{number}" for number in range(20, 54)),
        *(f"F{number}" for number in range(60, 70)),
        *(f"F{number}" for number in range(90, 100)),
        *("T1491", "R45851"),
        *(f"X{number}" for number in range(71, 84)),
    ),
    "substance-use": ("F10", "F11", "F12", "F13", "F14", "F15", "F16", "F18", "F19"),
    "social-risk": tuple(f"Z{number}" for number in range(55, 66)),
}
"""Groups of one family share the part before the first hyphen: "hrrp" are the readmissions-reduction groups, "chronic"
those of which an emergency follow-up needs two different ones."""

HRRP_DRGS = frozenset({"231", "232", "233", "234", "235", "236", "469", "470"})
"""MS-DRGs of the surgical readmissions-reduction groups: bypass, elective hip and knee replacement."""


def groups_of(code: str | None, replaced: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The groups of one code, as `principal_code` gives it; `replaced`: a site's own prefixes by group."""
    if not code:
        return frozenset()
    known = {**GROUPS, **replaced}
    return frozenset(name for name, prefixes in known.items() if prefixes and code.startswith(prefixes))


def in_family(groups: frozenset[str], family: str) -> frozenset[str]:
    return frozenset(name for name in groups if name == family or name.startswith(f"{family}-"))

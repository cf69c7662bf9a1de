"""Which stay a message is about (decision 9; domain reference 0 "principal id", 2.1 on A06)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.coordination.records import Encounter
from gateway.coordination.scope import PatientScope
from gateway.coordination.transitions.difference import stated
from gateway.coordination.transitions.states import ENDED, IN_PROGRESS, OPEN, OPEN_VISIT, WITHOUT_A_COLUMN
from mappings.events import CanonicalEvent, EncounterFacts, Identifier

STARTS = frozenset(("A01", "A04", "A05", "A14"))
CANCELS = frozenset(("A11", "A13", "A23", "A27", "A38"))
OF_A_STAY = frozenset(("A02", "A16", "A21", "A22", "A52", "A53"))
"""They say that a stay is in progress, so they open one where none is known, and never a second one."""


def find_encounter(home: PatientScope, event: CanonicalEvent, column: str) -> Encounter | None:
    """The encounter that the message names, else the one that it must mean.

    By visit number, alias or account; a number not seen yet joins the open encounter of the facility that has none, and
    on A06/A07 the one that the message converts; without a number, the only open one of the facility, a start of the
    same moment, or for A03 and A13 the newest ended one with the same start.
    """
    facts = event.encounter
    if facts is None or not home.encounters:
        return None
    key = key_of(facts)
    if key is None:
        return _unnumbered(home, event, column)
    named = [one for one in home.encounters.values() if is_named(one, key, event.facility)]
    if not named and facts.visit_number is None:
        named = [one for one in home.encounters.values() if one.account_number == key.value and _here(one, event)]
    if named:
        return _liveliest(named)
    return _joined(home, event, column)


def may_open(home: PatientScope, event: CanonicalEvent, column: str) -> bool:
    """Whether a message that names no known encounter opens one.  An A08 (or another without a state of its own) never
    opens a second one, an A02 or a leave none beside an open one; a message without a number opens one only where its
    meaning needs none to be there."""
    facts = event.encounter
    assert facts is not None
    here = [one for one in home.encounters.values() if _here(one, event)]
    in_progress = any(one.status in OPEN for one in here)
    if column in OF_A_STAY:
        return not in_progress
    if column in WITHOUT_A_COLUMN:
        return not here and facts.class_ not in (None, "unknown")
    if key_of(facts) is None:
        return column not in CANCELS and not in_progress
    return True


def key_of(facts: EncounterFacts) -> Identifier | None:
    """The identifier that names the encounter: the feed's choice, else the visit number."""
    if facts.key is not None:
        return facts.key
    number = stated(facts.visit_number)
    return Identifier(value=number) if number else None


def is_named(encounter: Encounter, key: Identifier, facility: str) -> bool:
    """Same number, under the same authority where both have one, else at the same facility; never one merged away."""
    if encounter.merged_into is not None:
        return False
    if encounter.visit_number != key.value and not _is_alias(encounter, key.value):
        return False
    if key.authority and encounter.visit_authority:
        return key.authority == encounter.visit_authority
    return encounter.facility_id == facility


def with_alias(encounter: Encounter, number: str) -> str:
    """`aliases_json` with one more number."""
    aliases = msgspec.json.decode(encounter.aliases_json, type=list[str])
    return msgspec.json.encode([*aliases, number]).decode()


def _is_alias(encounter: Encounter, number: str) -> bool:
    return encounter.aliases_json != "[]" and msgspec.json.encode(number).decode() in encounter.aliases_json


def _here(encounter: Encounter, event: CanonicalEvent) -> bool:
    return encounter.facility_id == event.facility


def _open_here(home: PatientScope, event: CanonicalEvent) -> list[Encounter]:
    """Stays in progress at the facility; planned ones when there is none."""
    here = [one for one in home.encounters.values() if one.status in OPEN and _here(one, event)]
    return [one for one in here if one.status in IN_PROGRESS] or here


def _joined(home: PatientScope, event: CanonicalEvent, column: str) -> Encounter | None:
    """The encounter to which a number not seen before belongs."""
    facts = event.encounter
    assert facts is not None
    open_here = _open_here(home, event)
    account = stated(facts.account_number)
    if column in ("A06", "A07"):
        accounts = {account, *(stated(prior.account_number) for prior in event.prior)} - {None}
        return _only([one for one in open_here if one.account_number in accounts]) or _only(open_here)
    if facts.visit_number is None:
        return None
    return _only(
        [
            one
            for one in open_here
            if one.visit_number is None and (not account or one.account_number in (None, account))
        ]
    )


def _unnumbered(home: PatientScope, event: CanonicalEvent, column: str) -> Encounter | None:
    facts = event.encounter
    assert facts is not None
    found = _repeated(home, event, column) or _only(_open_here(home, event))
    if found is not None:
        return found
    suits: Callable[[Encounter], bool]
    if column in STARTS:
        suits = lambda one: facts.admitted_at is not None and one.started_at == facts.admitted_at  # noqa: E731
    elif column in ("A03", "A13"):
        suits = lambda one: one.status in ENDED and facts.admitted_at in (None, one.started_at)  # noqa: E731
    else:
        return None
    return _liveliest([one for one in home.encounters.values() if _here(one, event) and suits(one)])


_OUTCOMES = {
    "A03": ENDED,
    "A11": OPEN_VISIT | {"cancelled"},
    "A13": IN_PROGRESS,
    "A23": frozenset(("deleted",)),
    "A27": frozenset(("cancelled",)),
    "A38": frozenset(("cancelled",)),
}


def _repeated(home: PatientScope, event: CanonicalEvent, column: str) -> Encounter | None:
    """The stay that this very message ended or re-opened before: told again it must not mean the next one."""
    outcome = _OUTCOMES.get(column, frozenset[str]())
    return _only(
        [
            one
            for one in home.encounters.values()
            if one.status in outcome and one.status_at == event.recorded_at and _here(one, event)
        ]
    )


def _only(candidates: list[Encounter]) -> Encounter | None:
    return candidates[0] if len(candidates) == 1 else None


def _liveliest(candidates: list[Encounter]) -> Encounter | None:
    """An open one before a closed one, then the newest."""
    return max(candidates, key=lambda one: (one.status in OPEN, one.recorded_at), default=None)

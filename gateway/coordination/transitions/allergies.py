"""What the patient is allergic to: AL1 as a whole set, IAM as single changes (domain reference 2.5).

Every item keeps the recorded time of the message that spoke of it last, a removed one too, and the set that of its
newest whole list: messages out of order leave the same items as in order.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from gateway.coordination.changes import JSON
from gateway.coordination.draft import Draft
from gateway.coordination.records import Patient
from gateway.coordination.transitions.difference import encoded, present
from mappings.events import Allergy, PatientFacts

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 500
"""Items kept of one patient; what comes after is left out."""


class Item(msgspec.Struct, omit_defaults=True):
    at: datetime
    code: str | None = None
    text: str | None = None
    type: str | None = None
    severity: str | None = None
    removed: bool = False


class Allergies(msgspec.Struct, omit_defaults=True):
    since: datetime | None = None  # of the newest whole list
    items: dict[str, Item] = {}


def apply_allergies(draft: Draft, facts: PatientFacts) -> None:
    """Fold the message's list in; emits `patient.allergies-changed` with what came and went."""
    if facts.allergies is None:
        return
    person, at = draft.subject.patient, draft.event.recorded_at
    known = msgspec.json.decode(person.allergies_json, type=Allergies)
    before = {name for name, item in known.items.items() if not item.removed}
    for one in facts.allergies:
        _say(known, one, at)
    if facts.allergies_complete:
        _complete(known, {one.id for one in facts.allergies}, at)
    after = {name for name, item in known.items.items() if not item.removed}
    fresh = draft.update(person, None, allergies_json=encoded(known))
    if before != after:
        _announce(draft, fresh, known, sorted(after - before), sorted(before - after))


def _say(known: Allergies, one: Allergy, at: datetime) -> None:
    held = known.items.get(one.id)
    if held is None and (len(known.items) >= MOST or (known.since or _NEVER) > at):
        return  # the newest whole list, which is newer, does not name it
    if held is not None and held.at > at:
        return
    known.items[one.id] = Item(
        at=at, code=one.code, text=one.text, type=one.type, severity=one.severity, removed=one.removed
    )


def _complete(known: Allergies, named: set[str], at: datetime) -> None:
    """A whole list: what it does not name is gone, unless a newer message spoke of it."""
    if known.since is None or at >= known.since:
        known.since = at
    for name, item in known.items.items():
        if name not in named and not item.removed and item.at <= at:
            known.items[name] = Item(at=at, code=item.code, text=item.text, removed=True)


def _announce(draft: Draft, person: Patient, known: Allergies, came: list[str], went: list[str]) -> None:
    def shown(name: str) -> JSON:
        item = known.items[name]
        return present({"code": item.code, "text": item.text, "type": item.type, "severity": item.severity})

    data: dict[str, JSON] = {
        "added_allergies": [shown(name) for name in came],
        "removed_allergies": [shown(name) for name in went],
    }
    draft.emit("patient.allergies-changed", person, data)
    draft.transition("allergies-changed", person, None, str(len(came)))

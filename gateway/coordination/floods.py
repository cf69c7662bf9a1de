"""Update floods (decision 15; domain reference 2.5): many A08 in a row are one event with the combined changes.

State is applied, and rules run, at once and in order.  What waits is the news that nothing but a detail of the person
or of a stay changed: at most `update_hold_s` seconds, on a timer in the patient's lane.  Any other event of the patient
is published behind it, so nothing is overtaken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.coordination.changes import Emitted
from gateway.coordination.draft import Draft
from gateway.coordination.records import Timer
from gateway.coordination.scope import PatientScope
from gateway.coordination.tasks import lane_of

FLOOD = "update-flood"
"""`rule_id` of the timer."""
TRIGGERS = frozenset(("ADT^A08", "ADT^A31"))
UPDATES = frozenset(("encounter.updated", "patient.updated"))
MOST = 20
"""Objects of one patient whose news waits; with more, it goes out."""
MOST_MESSAGES = 100
"""Messages that one event names, the newest."""


class Held(msgspec.Struct, omit_defaults=True):
    """News that waits, the fields of `Emitted`: of its object the last data, each change from the first old value to
    the last new one."""

    type: str
    facility_id: str
    patient_id: str
    aggregate: str
    aggregate_id: str
    revision: int
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, Any]
    changes: list[dict[str, Any]]
    restricted: bool
    messages: list[str]


def hold_updates(draft: Draft) -> None:
    """The last step of a decision: keep its news back, or publish what waits before it."""
    subject = draft.scope.subject
    if subject is None or draft.outcome != "processed":
        return
    if _may_wait(draft):
        _hold(draft, subject)
        return
    for home in (subject, *draft.scope.others.values()) if draft.emitted else ():
        release(draft, home, first=True)


def release(draft: Draft, home: PatientScope, *, first: bool = False) -> None:
    """Publish what waits of this patient; `first`: before what the draft says by now."""
    held = held_of(home)
    if not held:
        return
    told = [event for one in held if (event := _combined(draft, one)) is not None]
    draft.emitted[:] = [*told, *draft.emitted] if first else [*draft.emitted, *told]
    draft.update(home.patient, home, held_json="[]")
    for timer in [one for one in home.timers.values() if one.rule_id == FLOOD]:
        draft.clear_timer(timer, home)


def held_of(home: PatientScope) -> list[Held]:
    text = home.patient.held_json
    return [] if text == "[]" else msgspec.json.decode(text, type=list[Held])


def _may_wait(draft: Draft) -> bool:
    """Only details changed, by an update, and nothing was odd: no transition, no task, no flag."""
    return bool(
        draft.settings.update_hold_s
        and draft.emitted
        and draft.event.trigger in TRIGGERS
        and not draft.flags
        and not draft.cause.replayed
        and not draft.transitions
        and all(one.type in UPDATES and one.changes for one in draft.emitted)
    )


def _hold(draft: Draft, home: PatientScope) -> None:
    held = {(one.type, one.aggregate_id): one for one in held_of(home)}
    for event in draft.emitted:
        key = (event.type, event.aggregate_id)
        held[key] = _joined(held.pop(key, None), event, draft.cause.message_id)
    if len(held) > MOST:
        release(draft, home, first=True)
        return
    draft.emitted.clear()
    draft.update(home.patient, home, held_json=msgspec.json.encode(list(held.values())).decode())
    if any(one.rule_id == FLOOD for one in home.timers.values()):
        return
    draft.set_timer(
        Timer(
            timer_id=draft.ids.new("tmr"),
            facility_id=home.patient.facility_id,
            patient_id=home.patient.patient_id,
            lane=lane_of(draft),
            channel=draft.cause.channel,
            rule_id=FLOOD,
            kind="release",
            fire_at=draft.now + timedelta(seconds=draft.settings.update_hold_s),
            set_at=draft.now,
            message_id=draft.cause.message_id,
        )
    )


def _joined(before: Held | None, event: Emitted, message_id: str) -> Held:
    changes = {str(one["path"]): one for one in (before.changes if before else ())}
    for one in event.changes:
        path = str(one["path"])
        changes[path] = {**one, "old": changes[path]["old"]} if path in changes else one
    messages = [*(before.messages if before else ()), message_id]
    return Held(
        type=event.type,
        facility_id=event.facility_id,
        patient_id=event.patient_id,
        aggregate=event.aggregate,
        aggregate_id=event.aggregate_id,
        revision=event.revision,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        data=event.data,
        changes=[one for one in changes.values() if one["old"] != one["new"]],
        restricted=event.restricted,
        messages=messages[-MOST_MESSAGES:],
    )


def _combined(draft: Draft, held: Held) -> Emitted | None:
    """The one event; None when all that changed was changed back.  Its id is of the decision that publishes it."""
    if not held.changes:
        return None
    told = msgspec.structs.asdict(held)
    messages = told.pop("messages")
    if len(messages) > 1:
        told["data"] = {**held.data, "messages": messages}
    event_id = draft.ids.new("evt", f"held|{held.type}|{held.aggregate_id}")
    return Emitted(event_id=event_id, **told)

"""Timers that come due: fired by themselves, or before a message that was recorded after their moment.

After an outage the messages of a feed are heard one after the other, and the timers that came due meanwhile would find
all of them applied.  So a message that was recorded later than a timer's moment, on the timer's own feed, fires it
first: what comes out is what would have come out in time.  Decision 17 is kept: whatever was received before that
moment is decided already, and this is the message of the feed for which the timer waited.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.compute.collect import Collector
from gateway.compute.protocol import Configure
from gateway.coordination.changes import Cause, Considered, CoordinationSettings, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.records import Timer
from gateway.coordination.scope import PatientScope, Scope
from gateway.store.ports import WorkItem
from mappings.events import CanonicalEvent

LATE = timedelta(minutes=5)
"""A timer this much past its moment was held (decision 17): the task it makes says so."""


def fire(
    timer: Timer,
    home: PatientScope,
    lanes: tuple[int, ...],
    configuration: Configure,
    settings: CoordinationSettings,
    collector: Collector,
    considered: list[Considered] | None,
) -> None:
    """What the timer does to the patient, at its own moment."""
    cause = Cause(
        message_id=timer.message_id,
        origin=f"{timer.timer_id}.{int(timer.fire_at.timestamp())}",
        channel=timer.channel,
        received_at=timer.fire_at,
        lanes=lanes,
        config_version=configuration.version,
    )
    scope = Scope(subject=home)
    fired = TimerFired(timer=timer, late=collector.now - timer.fire_at > LATE)
    changes = decide(scope, fired, cause, collector.now, settings, configuration.salt, considered)
    collector.add(changes, cause, "timer", scope)


def overdue(home: PatientScope, channel: str, by: datetime) -> Iterator[Timer]:
    """The patient's timers of this feed whose moment is before `by`, the earliest first, with those that the firing of
    an earlier one sets.  The caller fires each before it takes the next."""
    fired: set[tuple[str, datetime]] = set()
    while True:
        waiting = (one for one in home.timers.before(by) if one.channel == channel)
        timer = next((one for one in waiting if (one.timer_id, one.fire_at) not in fired), None)
        if timer is None:
            return
        fired.add((timer.timer_id, timer.fire_at))
        yield timer


def heard_by(work: WorkItem, event: CanonicalEvent, now: datetime) -> datetime:
    """Up to when this message shows that nothing more is to come."""
    return min(event.recorded_at, work.received_at, now)

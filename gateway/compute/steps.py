"""The two steps of a batch, without any process around them: read, then decide.

Pure in effect: bytes and state in, changes out.  `worker` runs them in the compute process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gateway.compute.acting import act, channel_of, place_of
from gateway.compute.answers import acknowledged, match_answer, says_down
from gateway.compute.collect import Collector
from gateway.compute.firing import fire, heard_by, overdue
from gateway.compute.gaps import BEHIND, blocked_by, fold_gap, note_gap
from gateway.compute.keys import header_keys, keys_of
from gateway.compute.numbers import asked_numbers, judged
from gateway.compute.parted import UNREAD, FetchPart, Group, PartedBodies, decide_group, no_parts
from gateway.compute.protocol import (
    EVENT_DECODER,
    EVENT_ENCODER,
    Act,
    Configure,
    Decide,
    Decided,
    ItemDone,
    ItemKeys,
    Read,
    ReadDone,
)
from gateway.compute.schedule import send_out
from gateway.compute.state import State
from gateway.compute.unmatched import NOBODY, close_unmatched, open_unmatched
from gateway.coordination.changes import Cause, Considered, CoordinationSettings
from gateway.coordination.decide import decide
from gateway.coordination.records import Timer
from gateway.coordination.scope import PatientScope, Scope, lanes_of_patient
from gateway.lanes import feed_lane
from gateway.store.ports import LoadRequest, WorkItem
from mappings import registry
from mappings.events import CanonicalEvent, SlotFacts
from mappings.profile import FeedProfile
from mappings.reading import ItemReading, Reading
from parsers.errors import ParseError

NO_PROFILE = FeedProfile(channel="")


class Heard(msgspec.Struct, array_like=True):
    """What reading made of one work item: neither for a timer, one of both for the others."""

    reading: Reading | None = None
    failure: tuple[str, str, str] | None = None  # stage, reason, detail


_Item = tuple[WorkItem, Heard]
"""One work item between its reading and its decision."""


class Steps:
    """Holds the configuration and the batch that was read last."""

    def __init__(self, mark: Callable[[int], None] = lambda work_id: None, fetch: FetchPart = no_parts) -> None:
        """`mark` is told the work id that is being computed, so that a death can be laid at its door.  `fetch` gives
        the parts of a body that is read so."""
        self._mark = mark
        self._bodies = PartedBodies(fetch, place_of)
        self._configuration: Configure | None = None
        self._batch: list[_Item] = []
        self._state: State | None = None  # what the newest decisions left
        self.renders = True  # whether events are made ready to leave
        self.considered: list[Considered] | None = None  # takes what each rule made of it, for whoever asks why

    def configure(self, request: Configure) -> None:
        self._configuration = request

    @property
    def configuration(self) -> Configure:
        assert self._configuration is not None
        return self._configuration

    def profile(self, channel: str) -> FeedProfile:
        return self.configuration.profiles.get(channel, NO_PROFILE)

    def coordination(self, channel: str) -> CoordinationSettings:
        table = self.configuration.coordination
        return table.get(channel) or table.get("") or CoordinationSettings()

    @property
    def state(self) -> State | None:
        """What the newest decisions left."""
        return self._state

    # -- read ------------------------------------------------------------------------------------------------------

    def read(self, request: Read) -> ReadDone:
        return self.take((work, self._heard(work, request.group)) for work in request.items)

    def _heard(self, work: WorkItem, limit: int) -> Heard:
        if not work.size:
            return self.heard(work)
        self._mark(work.work_id)
        return Heard(Reading(items=self._bodies.read(work, self.profile(work.channel), limit).items))

    def take(self, items: Iterable[tuple[WorkItem, Heard]]) -> ReadDone:
        """The next batch: work with what was heard of it."""
        self._batch = []
        load = LoadRequest()
        keys: list[ItemKeys] = []
        for item in items:
            self._batch.append(item)
            identifiers = self._keys_of(*item, load)
            load.identifiers.extend(identifiers)
            keys.append(ItemKeys(work_id=item[0].work_id, identifiers=identifiers))
        self._mark(0)
        return ReadDone(request=load, keys=keys)

    def heard(self, work: WorkItem) -> Heard:
        """Read one item: needs no state."""
        self._mark(work.work_id)
        try:
            if work.kind == "read":
                profile = self.profile(work.channel)
                repeated = work.repeated and not work.replayed
                return Heard(registry.read(work.source_kind, work.body, profile, work.received_at, repeated))
            if work.kind == "event":
                event = EVENT_DECODER.decode(work.body)
                return Heard(Reading(items=(ItemReading(item=work.item, outcome="events", events=(event,)),)))
        except ParseError as error:
            return Heard(failure=("parse", error.oddity.code, str(error)))
        except Exception as error:  # a mapping must survive one item (decision 18)
            return Heard(failure=("map", "mapping-failed", place_of(error)))
        return Heard()

    def _keys_of(self, work: WorkItem, heard: Heard, load: LoadRequest) -> list[tuple[str, str]]:
        if work.kind == "timer":
            load.timers.append(work.body.decode())
            return []
        profile = self.profile(work.channel)
        if heard.reading is None:
            return list(header_keys(work.body, profile))
        load.numbers += asked_numbers(work, profile)
        found = keys_of(work, heard.reading, profile, self.coordination(work.channel), load)
        if (group := self._bodies.group(work)) is not None:
            for head in group.unread:
                found.extend(header_keys(head, profile))
        return found

    # -- decide ----------------------------------------------------------------------------------------------------

    def decide(self, request: Decide) -> Decided:
        assert request.count <= len(self._batch), "the batch was not read here"
        assert self._state is not None or not request.follows, "what it follows was not decided here"
        state = self._state = State(request.rows, self._state if request.follows else None)
        batch = self._batch[: request.count]
        collector = Collector(self.configuration, request.now, renders=self.renders)
        done: list[ItemDone] = []
        for work, heard in batch:
            self._mark(work.work_id)
            if (group := self._bodies.group(work)) is not None:
                if not self._decide_group(work, group, state, collector):
                    break
                if group.last:
                    done.append(ItemDone(work_id=work.work_id, outcome="processed"))
                continue
            collector.begin()
            try:
                done.append(self._decide_item(work, heard, state, collector, request))
            except Exception as error:  # one item's failure ends the batch before it: its scope may be half changed
                done.append(self._fail(work, collector, place_of(error)))
                collector.keep()
                break
            collector.keep()
        self._mark(0)
        return Decided(
            writes=collector.writes(), done=done, recorded=collector.recorded, rule_failures=collector.rule_failures
        )

    def _decide_group(self, work: WorkItem, group: Group, state: State, collector: Collector) -> bool:
        def decide_part(part: ItemReading) -> None:
            self._decide_part(work, part, state, collector)
            if part.reason in UNREAD and part.item in group.heads:
                note_gap(work, group.heads[part.item], self.profile(work.channel), state, collector)

        return decide_group(work, group, collector, decide_part, place_of)

    @staticmethod
    def _fail(work: WorkItem, collector: Collector, place: str) -> ItemDone:
        """A message is parked; a timer has no message to park: it is dropped, and the log says so."""
        collector.abandon()
        if work.kind == "timer":
            collector.drop_timer(work.body.decode())
            collector.rule_failures.append(("timer", place))
            return ItemDone(work_id=work.work_id, outcome="processed")
        collector.park(work, work.item, "decide", "decision-failed", place)
        return ItemDone(work_id=work.work_id, outcome="parked", reason="decision-failed")

    def _decide_item(
        self, work: WorkItem, heard: Heard, state: State, collector: Collector, request: Decide
    ) -> ItemDone:
        collector.finish_work(work)
        if work.kind == "timer":
            self._fire(work, state, collector, request)
            return ItemDone(work_id=work.work_id, outcome="processed")
        if heard.failure is not None or heard.reading is None:
            stage, reason, detail = heard.failure or ("map", "mapping-failed", "")
            collector.park(work, work.item, stage, reason, detail)
            note_gap(work, work.body, self.profile(work.channel), state, collector)
            return ItemDone(work_id=work.work_id, outcome="parked", reason=reason)
        reading = judged(work, heard.reading, self.profile(work.channel), state)
        parts = reading.items
        if work.replayed and work.kind == "read" and any(part.item == work.item for part in parts) and len(parts) > 1:
            parts = tuple(part for part in parts if part.item == work.item)  # one parked item, not its siblings again
        else:
            collector.replies(work, reading)
            collector.received(work, len(parts) - 1)
        for part in parts:
            self._decide_part(work, part, state, collector)
        return ItemDone(work_id=work.work_id, outcome=parts[0].outcome if parts else "processed")

    def _decide_part(self, work: WorkItem, part: ItemReading, state: State, collector: Collector) -> None:
        if part.outcome == "parked":
            place = part.cause.location if part.cause else ""
            collector.park(work, part.item, "map", part.reason or "unreadable", place)
            return
        if part.outcome != "events":
            collector.end(work, part.item, part.outcome, part.reason)
            return
        outcome, reason = "processed", None
        for index, event in enumerate(part.events):
            outcome, reason = self._decide_event(work, part.item, index, event, state, collector)
            if outcome in ("parked", "requeued"):
                break
        if outcome == "parked" and reason and reason.startswith(BEHIND):
            collector.park(work, part.item, "order", reason, "")
            collector.wait_for(f"gap:{reason.removeprefix(BEHIND)}")
        elif outcome == "parked":
            collector.park(work, part.item, "decide", reason or "parked", "")
        elif outcome not in ("requeued", "unmatched"):
            collector.end(work, part.item, outcome, reason)

    def _decide_event(
        self, work: WorkItem, item: int, index: int, event: CanonicalEvent, state: State, collector: Collector
    ) -> tuple[str, str | None]:
        profile = self.profile(work.channel)
        if event.acknowledgement is not None:
            return self._decide_acknowledgement(work, item, event, state, collector)
        if event.member is not None and event.patient is None:
            return self._decide_answer(work, item, event, state, collector)
        if event.slot is not None and work.kind == "event":
            return self._decide_slot(work, item, event, event.slot, state, collector)
        scope = state.scope_of(event, profile)
        return self._run(work, item, index, event, scope, state, collector)

    def _decide_answer(
        self, work: WorkItem, item: int, event: CanonicalEvent, state: State, collector: Collector
    ) -> tuple[str, str | None]:
        """A payer's answer: hop 1 finds its patient and sends it to his lane, hop 2 finds him again and decides
        (decisions 10 and 14)."""
        assert event.member is not None
        if work.kind == "read" and event.member.payer_id and event.request is None:
            collector.payer_said(event.member.payer_id, down=says_down(event))
        match = match_answer(event, state, self.coordination(work.channel).asking)
        home = state.root(match.patient_id) if match.patient_id else None
        if home is None:
            collector.unmatched(work, item, event, match.reason or "unmatched", EVENT_ENCODER.encode(event))
            if event.type == "authorization.denied" and not work.replayed:
                settings = self.coordination(work.channel)
                cause = self._cause(work, item, 0)
                changes, scope = open_unmatched(event, cause, collector.now, settings, self.configuration.salt)
                collector.add(changes, cause, event.trigger, scope)
            return "unmatched", None
        if self._goes_on(work, item, event, home, collector):
            return "requeued", None
        ended = self._run(work, item, 0, event, Scope(subject=home), state, collector)
        if event.type == "authorization.denied" and NOBODY in state.patients:
            self._close_unmatched(work, item, event, state, collector)
        return ended

    def _decide_slot(
        self, work: WorkItem, item: int, event: CanonicalEvent, slot: SlotFacts, state: State, collector: Collector
    ) -> tuple[str, str | None]:
        """Time of a schedule goes to every patient whom it may concern; each hears it in his own lanes."""
        if not slot.patient_id:
            return send_out(work, item, event, slot, state, collector)
        home = state.root(slot.patient_id)
        if home is None:
            return "filtered", "no-patient"
        if self._goes_on(work, item, event, home, collector):
            return "requeued", None
        return self._run(work, item, 0, event, Scope(subject=home), state, collector)

    @staticmethod
    def _goes_on(work: WorkItem, item: int, event: CanonicalEvent, home: PatientScope, collector: Collector) -> bool:
        """Hop 1 sends what it found to the patient's lanes; so does hop 2 when a merge gave him others meanwhile."""
        lanes = lanes_of_patient(home.patient) or work.lanes
        if work.kind != "read" and set(lanes) <= set(work.lanes):
            return False
        collector.requeue(work, item, lanes, EVENT_ENCODER.encode(event))
        return True

    def _decide_acknowledgement(
        self, work: WorkItem, item: int, event: CanonicalEvent, state: State, collector: Collector
    ) -> tuple[str, str | None]:
        """A TA1 or 999: about a question of ours, or about something that nobody waits for."""
        found = acknowledged(event, state)
        home = state.root(found[1]) if found else None
        if found is None or home is None:
            return "filtered", "acknowledgement"
        if self._goes_on(work, item, event, home, collector):
            return "requeued", None
        return self._run(work, item, 0, found[0], Scope(subject=home), state, collector)

    def _close_unmatched(
        self, work: WorkItem, item: int, event: CanonicalEvent, state: State, collector: Collector
    ) -> None:
        scope = Scope(subject=state.patients[NOBODY])
        opened, cause = self._cause(work, item, 0), self._cause(work, item, 999)
        settings = self.coordination(work.channel)
        changes = close_unmatched(scope, opened, event, cause, collector.now, settings, self.configuration.salt)
        if changes is not None:
            collector.add(changes, cause, event.trigger, scope)

    def _cause(self, work: WorkItem, item: int, index: int) -> Cause:
        """`index` tells the events of one item apart, so that each derives ids of its own."""
        return Cause(
            message_id=f"m-{work.journal_id}",
            item=item * 1000 + index,
            channel=work.channel,
            control_id=work.control_id,
            received_at=work.received_at,
            lanes=work.lanes,
            config_version=self.configuration.version,
            replayed=work.replayed,
        )

    def _run(
        self,
        work: WorkItem,
        item: int,
        index: int,
        event: CanonicalEvent,
        scope: Scope,
        state: State,
        collector: Collector,
    ) -> tuple[str, str | None]:
        blocked = blocked_by(work, scope, self.configuration)
        if blocked is not None:
            return "parked", f"{BEHIND}{blocked}"
        for home in (scope.subject, *scope.others.values()):
            if home is not None and not work.replayed:  # what failed with a timer is tried again without it
                for timer in overdue(home, work.channel, heard_by(work, event, collector.now)):
                    self._fire_now(timer, home, work.lanes, collector)
        cause = self._cause(work, item, index)
        changes = decide(
            scope,
            event,
            cause,
            collector.now,
            self.coordination(work.channel),
            self.configuration.salt,
            self.considered,
        )
        state.absorb(scope)
        collector.add(changes, cause, event.trigger, scope)
        for number, told in enumerate(changes.told):
            lane = feed_lane(work.channel)
            collector.send(work, f"{cause.item}|{number}", (lane,), EVENT_ENCODER.encode(told))
        collector.note_recorded(work.channel, event.recorded_at)
        if work.replayed and scope.subject is not None and changes.outcome == "processed":
            fold_gap(cause.message_id, scope.subject, collector)
        return changes.outcome, changes.reason

    def _fire(self, work: WorkItem, state: State, collector: Collector, request: Decide) -> None:
        timer_id = work.body.decode()
        home = next((p for p in state.patients.values() if timer_id in p.timers), None)
        if home is None:
            return  # cleared between its queueing and now
        timer = home.timers[timer_id]
        if timer.fire_at > request.now:
            return  # moved to a later time after it was queued
        root = state.root(home.patient.patient_id) or home
        self._fire_now(timer, root, work.lanes, collector)

    def _fire_now(self, timer: Timer, home: PatientScope, lanes: tuple[int, ...], collector: Collector) -> None:
        settings = self.coordination(timer.channel)
        fire(timer, home, lanes, self.configuration, settings, collector, self.considered)

    def act(self, request: Act) -> Decided:
        """Apply a person's command; the outcome `filtered` carries the conflict."""
        return act(request, self.configuration, self.coordination(channel_of(request.command)))

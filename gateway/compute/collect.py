"""Gathers what a batch of decisions changes into one WriteSet: of each record the last state."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.compute.answering import ApplicationAnswers, Outcome
from gateway.compute.protocol import Configure
from gateway.coordination.changes import Cause, Changes, Outgoing
from gateway.coordination.keys import KEYS, Key, key_of
from gateway.coordination.records import (
    Appointment,
    Authorization,
    Coverage,
    Encounter,
    EncounterLocation,
    Inquiry,
    Patient,
    PatientIdentifier,
    Record,
    Task,
    Timer,
)
from gateway.coordination.scope import Scope
from gateway.envelope import Rendering, routing_key
from gateway.store.ports import (
    FURTHER,
    EventRow,
    ItemEnd,
    NewWork,
    Parked,
    PayerWord,
    Progress,
    Reply,
    WorkItem,
    WriteSet,
)
from mappings.events import CanonicalEvent
from mappings.reading import Reading, ReplyDraft

_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}(\^[0-9]{1,4}){0,5}")
"""A detail that is a place in a message."""

TABLES: dict[type[Record], str] = {
    Patient: "patients",
    PatientIdentifier: "patient_identifiers",
    Encounter: "encounters",
    EncounterLocation: "encounter_locations",
    Appointment: "appointments",
    Coverage: "coverages",
    Authorization: "authorizations",
    Task: "tasks",
    Timer: "timers",
    Inquiry: "inquiries",
}


class _Part:
    """What one work item adds, until it is known that the item did not fail."""

    def __init__(self) -> None:
        self.records: defaultdict[type[Record], dict[Key, Record]] = defaultdict(dict)
        self.deleted_timers: list[str] = []
        self.appended: dict[str, list[Any]] = {}
        self.events: list[EventRow] = []
        self.done: list[int] = []
        self.progress: list[Progress] = []
        self.ends: list[ItemEnd] = []
        self.parked: list[Parked] = []
        self.new_work: list[NewWork] = []
        self.replies: list[Reply] = []
        self.received: dict[str, int] = {}
        self.appeared: list[str] = []
        self.payers: dict[str, PayerWord] = {}


class Collector:
    """One batch.  `begin`, then `keep` or `abandon` around each item."""

    def __init__(self, configuration: Configure, now: datetime, *, renders: bool = True) -> None:
        """`renders` False: nobody reads the events."""
        self.now = now
        self._renders = renders
        self.rule_failures: list[tuple[str, str]] = []
        self.recorded: dict[str, datetime] = {}
        self._configuration = configuration
        self._answers = ApplicationAnswers(configuration.answering, now)
        self._kept: list[_Part] = []
        self._part = _Part()

    def begin(self) -> None:
        self._part = _Part()

    def abandon(self) -> None:
        """Forget what the item added, but that its work row is done: it will be parked."""
        done = self._part.done
        self._part = _Part()
        self._part.done = done

    def keep(self) -> None:
        self._kept.append(self._part)

    # -- what items add ----------------------------------------------------------------------------------------------

    def finish_work(self, work: WorkItem) -> None:
        self._part.done.append(work.work_id)

    def end(self, work: WorkItem, item: int, end: str, reason: str | None) -> None:
        self._part.ends.append(
            ItemEnd(journal_id=work.journal_id, item=item, end=end, reason=reason, channel=work.channel)
        )
        self._answer(work, item, Outcome(end, reason or ""))

    def _answer(self, work: WorkItem, item: int, outcome: Outcome) -> None:
        reply = self._answers.reply(work, item, outcome, self._facility(work.channel))
        if reply is not None:
            self._part.replies.append(reply)

    def received(self, work: WorkItem, further: int) -> None:
        """A journal row was counted as one item when it came; reading may find further ones."""
        if work.kind == "read" and further:
            counts = self._part.received
            counts[work.channel] = counts.get(work.channel, 0) + further

    def go_on(self, work: WorkItem, cursor: bytes, items: int) -> None:
        """So many items were found, and the row stands for the rest of its body from now on."""
        self._part.progress.append(Progress(work_id=work.work_id, cursor=cursor))
        self.received(work, items)

    def park_rest(self, work: WorkItem, item: int, cursor: bytes, stage: str, reason: str, detail: str) -> None:
        """What of the body could not be read is tried again from there."""
        self.park(work, item, stage, reason, detail)
        self._part.parked[-1].payload = cursor

    def heard(self, work: WorkItem, item: int, head: bytes) -> None:
        """How a message of a body in parts begins."""
        self._answers.heard(work, item, head)

    def park(self, work: WorkItem, item: int, stage: str, reason: str, detail: str, payload: bytes = b"") -> None:
        self._part.parked.append(
            Parked(
                journal_id=work.journal_id,
                item=item,
                channel=work.channel,
                facility_id=self._facility(work.channel),
                stage=stage,
                reason=reason,
                detail=detail,
                attempts=work.attempts + 1,
                kind=work.kind if not payload else "event",
                lanes=work.lanes,
                payload=payload or (work.body if work.kind == "event" else b""),
            )
        )
        self._answer(work, item, Outcome("parked", reason, stage, detail if _PLACE.fullmatch(detail) else ""))

    def unmatched(self, work: WorkItem, item: int, event: CanonicalEvent, reason: str, payload: bytes) -> None:
        """An answer whose patient is not known (yet): parked under its keys; a denial makes a task at once."""
        self.park(work, item, "match", reason, "", payload)
        parked = self._part.parked[-1]
        member = event.member
        assert member is not None
        numbers = (*member.traces, *((member.reference,) if member.reference else ()))
        keys = [f"trace:{number}" for number in dict.fromkeys(numbers)]
        if member.member_id:
            keys.append(f"member:{member.member_id}")
        parked.match_keys = tuple(keys)

    def send(self, work: WorkItem, about: str, lanes: Sequence[int], payload: bytes) -> None:
        """Work in another scope that comes of this one, an item of its own; `about` tells it apart from others."""
        self.requeue(work, further_item(about), lanes, payload)
        self._part.new_work[-1].further = True

    def requeue(self, work: WorkItem, item: int, lanes: Sequence[int], payload: bytes) -> None:
        self._part.new_work.append(
            NewWork(
                journal_id=work.journal_id,
                item=item,
                kind="event",
                lanes=tuple(lanes),
                payload=payload,
                received_at=work.received_at,
                channel=work.channel,
                replayed=work.replayed,
            )
        )

    def replies(self, work: WorkItem, reading: Reading) -> None:
        if work.kind == "read":
            for reply in reading.replies:
                self.reply(work, reply)

    def reply(self, work: WorkItem, reply: ReplyDraft) -> None:
        self._part.replies.append(
            Reply(
                journal_id=work.journal_id,
                channel=work.channel,
                partner=reply.partner,
                kind=reply.kind,
                body=reply.body,
                facility_id=self._facility(work.channel),
            )
        )

    def payer_said(self, payer_id: str, *, down: bool) -> None:
        """An answer of this payer, about the payer itself."""
        _hear(self._part.payers, PayerWord(payer_id=payer_id, down=down))

    def drop_timer(self, timer_id: str) -> None:
        self._part.deleted_timers.append(timer_id)

    def wait_for(self, key: str) -> None:
        """The item parked last becomes work again when `key` appears."""
        self._part.parked[-1].match_keys = (key,)

    def appeared(self, key: str) -> None:
        self._part.appeared.append(key)

    def note_recorded(self, channel: str, recorded_at: datetime) -> None:
        newest = self.recorded.get(channel)
        if newest is None or recorded_at > newest:
            self.recorded[channel] = recorded_at

    def upsert(self, record: Record) -> None:
        self._part.records[type(record)][key_of(record)] = record

    def add(self, changes: Changes, cause: Cause, trigger: str, scope: Scope) -> None:
        part = self._part
        for record in changes.upserts:
            kind = type(record)
            part.records[kind][KEYS[kind](record)] = record
            if (appeared := _APPEARANCES.get(kind)) is not None:
                part.appeared += appeared(record)
        part.deleted_timers.extend(changes.deleted_timers)
        self._append("transitions", changes.transitions)
        self._append("task_changes", changes.task_changes)
        self._append("merges", changes.merges)
        part.replies += (_document(one, cause) for one in changes.documents)
        if self._renders and changes.emitted:
            part.events += event_rows(changes, cause, trigger, scope, self.now)
        self.rule_failures.extend((failure.rule_id, failure.error) for failure in changes.failures)

    def _append(self, table: str, rows: Sequence[Record]) -> None:
        if rows:
            self._part.appended.setdefault(table, []).extend(rows)

    def _facility(self, channel: str) -> str:
        profile = self._configuration.profiles.get(channel)
        return profile.default_facility if profile is not None else "main"

    # -- the result --------------------------------------------------------------------------------------------------

    def writes(self) -> WriteSet:
        records, deleted_timers = self._last_states()
        rows: dict[str, list[Any]] = {TABLES[kind]: [*held.values()] for kind, held in records.items() if held}
        appended: dict[str, list[Any]] = {}
        received: dict[str, int] = {}
        payers: dict[str, PayerWord] = {}
        for part in self._kept:
            for table, added in part.appended.items():
                appended.setdefault(table, []).extend(added)
            for channel, count in part.received.items():
                received[channel] = received.get(channel, 0) + count
            for word in part.payers.values():
                _hear(payers, word)
        return WriteSet(
            rows=rows,
            deleted_timers=deleted_timers,
            appended=appended,
            events=[event for part in self._kept for event in part.events],
            done=[work_id for part in self._kept for work_id in part.done],
            progress=[each for part in self._kept for each in part.progress],
            ends=[end for part in self._kept for end in part.ends],
            parked=[parked for part in self._kept for parked in part.parked],
            new_work=[work for part in self._kept for work in part.new_work],
            replies=[reply for part in self._kept for reply in part.replies],
            received=received,
            appeared=[key for part in self._kept for key in part.appeared],
            payers=list(payers.values()),
        )

    def _last_states(self) -> tuple[dict[type[Record], dict[Key, Record]], list[str]]:
        """Of each record the last state; timers that are gone in the end."""
        records: dict[type[Record], dict[Key, Record]] = {}
        deleted: list[str] = []
        for part in self._kept:
            for kind, held in part.records.items():
                records.setdefault(kind, {}).update(held)
            for timer_id in part.deleted_timers:
                records.get(Timer, {}).pop(timer_id, None)
            if deleted:
                deleted = [one for one in deleted if one not in part.records.get(Timer, ())]
            deleted += part.deleted_timers
        return records, deleted


def event_rows(changes: Changes, cause: Cause, trigger: str, scope: Scope, now: datetime) -> list[EventRow]:
    """The events of one decision as they are stored and leave."""
    rendering, journal_id, item = Rendering(cause, trigger, now), _journal_id(cause), cause.item // 1000
    lane = cause.lanes[0] if cause.lanes else 0
    patient = scope.subject.patient if scope.subject is not None else None
    rows = []
    for one in changes.emitted:
        other = scope.others.get(one.patient_id)
        rows.append(
            EventRow(
                event_id=one.event_id,
                type=one.type,
                facility_id=one.facility_id,
                patient_id=one.patient_id,
                aggregate=one.aggregate,
                aggregate_id=one.aggregate_id,
                revision=one.revision,
                journal_id=journal_id,
                item=item,
                lane=lane,
                routing_key=routing_key(one.type, one.facility_id),
                occurred_at=one.occurred_at,
                recorded_at=one.recorded_at,
                emitted_at=now,
                restricted=one.restricted,
                body=rendering.render(one, other.patient if other is not None else patient),
            )
        )
    return rows


def further_item(about: str) -> int:
    """A number from FURTHER on: the same on every run."""
    return FURTHER + (int.from_bytes(blake2b(about.encode(), digest_size=4).digest(), "big") >> 3)


def _hear(heard: dict[str, PayerWord], word: PayerWord) -> None:
    """The newest word counts; outages in a row add up."""
    before = heard.get(word.payer_id)
    if before is not None and before.down and word.down:
        word = msgspec.structs.replace(word, answers=before.answers + word.answers)
    heard[word.payer_id] = word


def _coverage_appeared(record: Coverage) -> list[str]:
    return [f"member:{record.member_id}"] if record.member_id else []


def _inquiry_appeared(record: Inquiry) -> list[str]:
    return [f"trace:{text}" for text in (record.trace, record.reference) if text]


def _authorization_appeared(record: Authorization) -> list[str]:
    return [f"trace:{record.trace}"] if record.trace else []


_APPEARANCES: dict[type[Record], Callable[[Any], list[str]]] = {
    Coverage: _coverage_appeared,
    Inquiry: _inquiry_appeared,
    Authorization: _authorization_appeared,
}
"""Keys under which an answer that found nobody waits: it is tried again when a record has one."""


def _document(one: Outgoing, cause: Cause) -> Reply:
    return Reply(
        journal_id=_journal_id(cause),
        channel=one.channel,
        partner=one.partner,
        kind=one.kind,
        body=one.body,
        facility_id=one.facility_id,
        inquiry_id=one.inquiry_id,
    )


def _journal_id(cause: Cause) -> int:
    """The message behind a cause; 0 for what a person or program asked for."""
    return int(cause.message_id[2:]) if cause.message_id.startswith("m-") else 0

"""Gathers what a batch of decisions changes into one WriteSet: of each record the last state."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.compute.answering import ApplicationAnswers, Outcome
from gateway.compute.protocol import Configure
from gateway.coordination.changes import Cause, Changes, Emitted, Outgoing
from gateway.coordination.keys import Key, key_of
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
from gateway.envelope import render, routing_key
from gateway.store.ports import FURTHER, EventRow, ItemEnd, NewWork, Parked, PayerWord, Reply, WorkItem, WriteSet
from mappings.events import CanonicalEvent
from mappings.reading import Reading

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
        self.ends: list[ItemEnd] = []
        self.parked: list[Parked] = []
        self.new_work: list[NewWork] = []
        self.replies: list[Reply] = []
        self.received: dict[str, int] = {}
        self.appeared: list[str] = []
        self.payers: dict[str, PayerWord] = {}


class Collector:
    """One batch.  `begin`, then `keep` or `abandon` around each item."""

    def __init__(self, configuration: Configure, now: datetime) -> None:
        self.now = now
        self.rule_failures: list[tuple[str, str]] = []
        self.recorded: dict[str, datetime] = {}
        self._configuration = configuration
        self._answers = ApplicationAnswers(configuration.answering, now)
        self._kept = _Part()
        self._part = _Part()

    def begin(self) -> None:
        self._part = _Part()

    def abandon(self) -> None:
        """Forget what the item added, but that its work row is done: it will be parked."""
        done = self._part.done
        self._part = _Part()
        self._part.done = done

    def keep(self) -> None:
        kept, part = self._kept, self._part
        for kind, records in part.records.items():
            kept.records[kind].update(records)
        for timer_id in part.deleted_timers:
            kept.records.get(Timer, {}).pop(timer_id, None)
        if kept.deleted_timers:
            kept.deleted_timers = [one for one in kept.deleted_timers if one not in part.records.get(Timer, ())]
        kept.deleted_timers.extend(part.deleted_timers)
        for table, rows in part.appended.items():
            kept.appended.setdefault(table, []).extend(rows)
        kept.events.extend(part.events)
        kept.done.extend(part.done)
        kept.ends.extend(part.ends)
        kept.parked.extend(part.parked)
        kept.new_work.extend(part.new_work)
        kept.replies.extend(part.replies)
        kept.appeared.extend(part.appeared)
        for word in part.payers.values():
            _hear(kept.payers, word)
        for channel, count in part.received.items():
            kept.received[channel] = kept.received.get(channel, 0) + count

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

    def received(self, work: WorkItem, items: int) -> None:
        """A journal row was counted as one item when it came; reading may find more."""
        if work.kind == "read" and items > 1:
            counts = self._part.received
            counts[work.channel] = counts.get(work.channel, 0) + items - 1

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
        if work.kind != "read":
            return
        for reply in reading.replies:
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
            self.upsert(record)
            if isinstance(record, Coverage) and record.member_id:
                part.appeared.append(f"member:{record.member_id}")
            elif isinstance(record, Inquiry):
                part.appeared += (f"trace:{text}" for text in (record.trace, record.reference) if text)
            elif isinstance(record, Authorization) and record.trace:
                part.appeared.append(f"trace:{record.trace}")
        part.deleted_timers.extend(changes.deleted_timers)
        self._append("transitions", changes.transitions)
        self._append("task_changes", changes.task_changes)
        self._append("merges", changes.merges)
        part.replies += (_document(one, cause) for one in changes.documents)
        patient = scope.subject.patient if scope.subject is not None else None
        for emitted in changes.emitted:
            other = scope.others.get(emitted.patient_id)
            self._event(emitted, cause, trigger, other.patient if other is not None else patient)
        self.rule_failures.extend((failure.rule_id, failure.error) for failure in changes.failures)

    def _append(self, table: str, rows: Sequence[Record]) -> None:
        if rows:
            self._part.appended.setdefault(table, []).extend(rows)

    def _event(self, emitted: Emitted, cause: Cause, trigger: str, patient: Patient | None) -> None:
        journal_id = _journal_id(cause)
        self._part.events.append(
            EventRow(
                event_id=emitted.event_id,
                type=emitted.type,
                facility_id=emitted.facility_id,
                patient_id=emitted.patient_id,
                aggregate=emitted.aggregate,
                aggregate_id=emitted.aggregate_id,
                revision=emitted.revision,
                journal_id=journal_id,
                item=cause.item // 1000,
                lane=cause.lanes[0] if cause.lanes else 0,
                routing_key=routing_key(emitted.type, emitted.facility_id),
                occurred_at=emitted.occurred_at,
                recorded_at=emitted.recorded_at,
                emitted_at=self.now,
                restricted=emitted.restricted,
                body=render(emitted, cause, trigger, patient, self.now),
            )
        )

    def _facility(self, channel: str) -> str:
        profile = self._configuration.profiles.get(channel)
        return profile.default_facility if profile is not None else "main"

    # -- the result --------------------------------------------------------------------------------------------------

    def writes(self) -> WriteSet:
        kept = self._kept
        rows: dict[str, list[Any]] = {
            TABLES[kind]: list(records.values()) for kind, records in kept.records.items() if records
        }
        return WriteSet(
            rows=rows,
            deleted_timers=kept.deleted_timers,
            appended=kept.appended,
            events=kept.events,
            done=kept.done,
            ends=kept.ends,
            parked=kept.parked,
            new_work=kept.new_work,
            replies=kept.replies,
            received=kept.received,
            appeared=kept.appeared,
            payers=list(kept.payers.values()),
        )


def further_item(about: str) -> int:
    """A number from FURTHER on: the same on every run."""
    return FURTHER + (int.from_bytes(blake2b(about.encode(), digest_size=4).digest(), "big") >> 3)


def _hear(heard: dict[str, PayerWord], word: PayerWord) -> None:
    """The newest word counts; outages in a row add up."""
    before = heard.get(word.payer_id)
    if before is not None and before.down and word.down:
        word = msgspec.structs.replace(word, answers=before.answers + word.answers)
    heard[word.payer_id] = word


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

"""Holds the senders' ledger, the store and the bus together.  Every list that is not empty is a broken promise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from tests.support.evidence import Evidence
from tests.support.ledger_client import SendersLedger, Sent

EVENT_OF = {"admit": "encounter.admitted", "update": "patient.updated", "discharge": "encounter.discharged"}


@dataclass(slots=True)
class Findings:
    """By kind: what is wrong, a sentence each."""

    lost: list[str] = field(default_factory=list)  # acknowledged and not stored
    unknown: list[str] = field(default_factory=list)  # stored and never sent
    unended: list[str] = field(default_factory=list)  # stored and not ended, or ended as something else
    effects: list[str] = field(default_factory=list)  # not exactly one
    unpublished: list[str] = field(default_factory=list)  # committed and not on the bus, or the reverse
    inversions: list[str] = field(default_factory=list)  # of one patient's messages
    ledger: list[str] = field(default_factory=list)  # the gateway's own sums
    odd_answers: list[str] = field(default_factory=list)

    @property
    def broken(self) -> dict[str, list[str]]:
        """The kinds that are not empty, with a few examples each."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: [f"{len(list_)} in all", *list_[:5]] for name, list_ in found.items() if list_}


async def find_lost(ledger: SendersLedger, evidence: Evidence) -> list[str]:
    """Acknowledged and not stored; may be asked at any moment."""
    acked = set(ledger.acked)
    stored = {bytes(digest) for (digest,) in await evidence.rows("SELECT digest FROM journal")}
    return sorted(control_id for control_id in acked if ledger.sent[control_id].digest not in stored)


async def reconcile(ledger: SendersLedger, evidence: Evidence, seen: Sequence[str] | None) -> Findings:
    """After the last message is answered and nothing is pending.

    `seen`: ids of the events in the order in which a consumer of the bus got them, repeats included; None: the event
    log is the bus."""
    findings = Findings(odd_answers=list(ledger.odd_answers))
    findings.lost = await find_lost(ledger, evidence)
    first = await _journal(ledger, evidence, findings)
    await _ends(first, evidence, findings)
    events = await evidence.rows("SELECT event_id, type, journal_id, aggregate_id FROM events ORDER BY tx, seq")
    await _effects(first, evidence, events, findings)
    _order(first, events, seen, findings)
    await _sums(evidence, findings)
    return findings


async def _journal(ledger: SendersLedger, evidence: Evidence, findings: Findings) -> dict[int, Sent]:
    """Journal id of the first copy -> the message."""
    by_digest = {each.digest: each for each in ledger.sent.values()}
    first: dict[int, Sent] = {}
    copies: Counter[str] = Counter()
    for journal_id, digest, original in await evidence.rows(
        "SELECT journal_id, digest, duplicate_of FROM journal ORDER BY journal_id"
    ):
        message = by_digest.get(bytes(digest))
        if message is None:
            findings.unknown.append(f"m-{journal_id}")
        elif original is None:
            first[journal_id] = message
            copies[message.control_id] += 1
    findings.effects += [
        f"{control_id} stored {count} times as new" for control_id, count in copies.items() if count > 1
    ]
    last: dict[str, int] = {}
    for message in first.values():
        if message.sequence < last.get(message.mrn, -1):
            findings.inversions.append(f"journal: {message.control_id}")
        last[message.mrn] = message.sequence
    return first


async def _ends(first: dict[int, Sent], evidence: Evidence, findings: Findings) -> None:
    ends: dict[int, str] = dict(await evidence.rows("SELECT journal_id, word FROM item_end"))
    for journal_id, original in await evidence.rows("SELECT journal_id, duplicate_of FROM journal"):
        expected = "processed" if original is None else "duplicate"
        if ends.get(journal_id) != expected:
            findings.unended.append(f"m-{journal_id} is {ends.get(journal_id)}, not {expected}")
    for table in ("work", "outbox", "parked", "undelivered"):
        if left := await evidence.count(table):
            findings.unended.append(f"{left} rows of {table}")


async def _effects(
    first: dict[int, Sent], evidence: Evidence, events: list[tuple[Any, ...]], findings: Findings
) -> None:
    """One encounter per visit, one contact task per discharge, one event per message of each kind that it causes."""
    caused = Counter((journal_id, type_) for _, type_, journal_id, _ in events)
    visits = Counter(visit for (visit,) in await evidence.rows("SELECT visit_number FROM encounters"))
    contacts = Counter(
        visit
        for (visit,) in await evidence.rows(
            "SELECT e.visit_number FROM tasks t JOIN encounters e ON e.encounter_id = t.encounter_id "
            "WHERE t.rule_id = 'discharge-contact-2bd'"
        )
    )
    for journal_id, message in first.items():
        number = caused[journal_id, EVENT_OF[message.step]]
        unchanged = message.step == "update" and message.sequence < 3
        if number != (0 if unchanged else 1):
            findings.effects.append(f"{message.control_id}: {number} events {EVENT_OF[message.step]}")
        if message.step == "admit" and visits[message.visit] != 1:
            findings.effects.append(f"{message.control_id}: {visits[message.visit]} encounters")
        if message.step == "discharge" and contacts[message.visit] != 1:
            findings.effects.append(f"{message.control_id}: {contacts[message.visit]} contact tasks")
    created = Counter(aggregate for _, type_, _, aggregate in events if type_ == "task.created")
    tasks = Counter(task_id for (task_id,) in await evidence.rows("SELECT task_id FROM tasks"))
    findings.effects += [f"{task}: created {created[task]} times" for task in created | tasks if created[task] != 1]
    keys = Counter(key for (key,) in await evidence.rows("SELECT task_key FROM tasks"))
    findings.effects += [f"{count} tasks {key}" for key, count in keys.items() if count > 1]


def _order(
    first: dict[int, Sent], events: list[tuple[Any, ...]], seen: Sequence[str] | None, findings: Findings
) -> None:
    """Each patient's messages reach the bus in their order, at the first sight of each event and at the last."""
    cause = {event_id: first.get(journal_id) for event_id, _, journal_id, _ in events}
    if seen is None:
        _inversions((cause[event_id] for event_id, *_ in events), "event log", findings)
        return
    missing, extra = cause.keys() - set(seen), set(seen) - cause.keys()
    findings.unpublished += [f"{event_id} is not on the bus" for event_id in sorted(missing)]
    findings.unpublished += [f"{event_id} is on the bus only" for event_id in sorted(extra)]
    known = [event_id for event_id in seen if event_id in cause]
    _inversions((cause[event_id] for event_id in dict.fromkeys(known)), "bus, first sight", findings)
    latest = list(dict.fromkeys(reversed(known)))
    _inversions((cause[event_id] for event_id in reversed(latest)), "bus, last sight", findings)


def _inversions(messages: Iterable[Sent | None], where: str, findings: Findings) -> None:
    last: dict[str, int] = {}
    for message in messages:
        if message is None:
            continue
        if message.sequence < last.get(message.mrn, -1):
            findings.inversions.append(f"{where}: {message.control_id}")
        last[message.mrn] = max(message.sequence, last.get(message.mrn, -1))


async def _sums(evidence: Evidence, findings: Findings) -> None:
    """The gateway's counters against what is there to be counted."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for channel, word, count in await evidence.rows("SELECT channel, word, count FROM ledger"):
        counted[channel][word] += int(count)
    truth: dict[str, Counter[str]] = defaultdict(Counter)
    for channel, count in await evidence.rows("SELECT channel, count(*) FROM journal GROUP BY channel"):
        truth[channel]["received"] = int(count)
    for channel, word, count in await evidence.rows(
        "SELECT channel, word, count(*) FROM item_end GROUP BY channel, word"
    ):
        truth[channel][word] = int(count)
    sinks = [channel for channel in counted if channel.startswith("sink:")]
    for sink in sinks:
        events = await evidence.count("events")
        truth[sink] = Counter(committed=events, confirmed=events)
    for channel in counted | truth:
        if +counted[channel] != +truth[channel]:
            findings.ledger.append(f"{channel}: says {dict(counted[channel])}, is {dict(truth[channel])}")

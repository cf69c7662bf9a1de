"""The application acknowledgement of enhanced mode: what processing made of one message, told to its sender.

It is decided with the message's end and written in the same commit, one for each item at most; a later retry of a
parked message is not told again.  Its text is made of our own words and of places, never of values.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.store.ports import Reply, WorkItem
from parsers.hl7v2.acknowledgement import CONDITIONS, AckError, Ours, application_code, build_answer
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import scan_header

KIND = "ACK"

_WAITS = ("behind:",)
"""Reasons of an item that is parked only until another was folded in: its end is still to come."""

_PLACES = {
    "no-patient-id": ("101", "PID^1^3"),
    "no-prior-id": ("101", ""),
    "no-appointment-id": ("101", "SCH^1^1"),
    "no-location": ("101", "PV1^1^3"),
    "no-message-type": ("101", "MSH^1^9"),
    "structure": ("100", ""),
    "merge-cycle": ("204", "MRG^1^1"),
    "unmatched": ("204", "PID^1^3"),
}
"""Reason of a parked or rejected item -> condition of table 0357, and place; empty: the place of what ended it."""


class AnswerRule(msgspec.Struct, frozen=True):
    """How a channel answers.  `application_ack`: auto | always | never.  `accept_ack`: our MSH-15."""

    ack_mode: str = "auto"
    application_ack: str = "auto"
    accept_ack: str = "NE"


class Outcome(msgspec.Struct, frozen=True):
    """An item's end.  `place` is a location ("PID^1^3") where one is known."""

    end: str
    reason: str
    stage: str = ""
    place: str = ""


class ApplicationAnswers:
    """Makes the answers of one batch."""

    def __init__(self, rules: dict[str, AnswerRule], now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._split: tuple[int, list[bytes]] = (0, [])
        self._heads: dict[tuple[int, int], bytes] = {}

    def reply(self, work: WorkItem, item: int, outcome: Outcome, facility_id: str) -> Reply | None:
        """The answer to item `item` of `work`; None where none is due, or not yet."""
        rule = self._rules.get(work.channel)
        if rule is None or work.kind != "read" or work.source_kind != "hl7v2" or outcome.reason.startswith(_WAITS):
            return None
        message = self._message(work, item)
        header = scan_header(message) if message is not None else None
        if header is None:
            return None
        verdict, error = judge(outcome)
        code = application_code(header, rule.ack_mode, verdict, rule.application_ack)
        if code is None:
            return None
        ours = Ours(self._now, f"A{work.journal_id}.{item}", rule.accept_ack, "NE")
        return Reply(
            journal_id=work.journal_id,
            channel=work.channel,
            partner=f"m-{work.journal_id}",  # answers need no order among each other: MSA-2 tells them apart
            kind=f"{KIND}.{item}" if item else KIND,
            body=build_answer(header, code, ours, error),
            facility_id=facility_id,
            once=True,
        )

    def heard(self, work: WorkItem, item: int, head: bytes) -> None:
        """How message `item` of a body in parts begins: all that its answer needs."""
        if work.channel in self._rules:
            self._heads[work.journal_id, item] = head

    def _message(self, work: WorkItem, item: int) -> bytes | None:
        if work.size:
            return self._heads.get((work.journal_id, item))
        if self._split[0] != work.journal_id:
            self._split = (work.journal_id, split_batch(work.body).messages)
        messages = self._split[1]
        return messages[item] if item < len(messages) else None


def judge(outcome: Outcome) -> tuple[str, AckError | None]:
    """(verdict for `application_code`, the error that goes with it).

    Processed, and filtered as nothing to us: AA.  Parked: AE, the content keeps it from being processed, or a person of
    ours must look.  Filtered for what its header says, and rejected: AR."""
    reason = outcome.reason
    if outcome.end == "parked":
        code, place = _PLACES.get(reason, ("", ""))
        place = place or outcome.place
        if not code:
            code = (reason if reason in CONDITIONS else "100") if outcome.stage == "parse" else "207"
        text = "kept, a person looks after it" if code == "207" else ""
        return "error", AckError(code, place, text)
    if outcome.end == "rejected":
        code, place = _PLACES.get(reason, ("100", ""))
        return "reject", AckError(code, place)
    if reason == "test-message":
        return "reject", AckError("202", "MSH^1^11", "not processed: test traffic")
    if reason.startswith("no-mapping:"):
        code, place = ("201", "MSH^1^9^1^2") if "^" in reason else ("200", "MSH^1^9^1^1")
        return "reject", AckError(code, place, "kept, not processed: no mapping for this event")
    return "accept", None

"""What reading one stored body gives: its items, the answers it deserves, and what was odd."""

from __future__ import annotations

from mappings.events import CanonicalEvent, Facts, Problem


class ItemReading(Facts, frozen=True, kw_only=True):
    """One item of a body (decision 7): the message of a frame, a message of a batch, a patient of a transaction set.

    outcome: `events` (go on with `events`), `filtered`, `parked` or `rejected`, the last three with `reason`.
    """

    item: int
    outcome: str
    reason: str | None = None  # "no-mapping:ADT^A19", "test-message", "no-patient-id", "damaged-tree" ...
    events: tuple[CanonicalEvent, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def cause(self) -> Problem | None:
        """Of the problems the one that ended it: the first error, else what was noted last."""
        errors = (problem for problem in self.problems if problem.severity == "error")
        return next(errors, self.problems[-1] if self.problems else None)


class ReplyDraft(Facts, frozen=True, kw_only=True):
    """A TA1 or 999 to send back.  Control numbers are slots: `{ISA13}` (9 digits, TA1 and 999), `{GS06}`, `{ST02}`
    (4 digits); the store fills them from the partner's stored sequence."""

    kind: str  # TA1 | 999
    partner: str  # whose control numbers it takes: the partner's id, else ISA06 of the sender
    body: bytes


class Reading(Facts, frozen=True, kw_only=True):
    """Everything that a body says."""

    items: tuple[ItemReading, ...]
    replies: tuple[ReplyDraft, ...] = ()
    problems: tuple[Problem, ...] = ()

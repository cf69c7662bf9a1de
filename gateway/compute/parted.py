"""A body in parts is read group by group: some messages or patients, their commit, the next (decision 8).

The reading goes on from where the last commit left it.  Where it stands is kept in the work row (`Cursor`), so that a
process that dies takes it up there: the body is read again, what was committed is passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.compute.collect import Collector
from gateway.store.limits import PART
from gateway.store.ports import WorkItem
from mappings.events import Problem
from mappings.hl7v2 import read_message
from mappings.profile import FeedProfile
from mappings.reading import ItemReading, ReplyDraft
from mappings.x12 import read_parts
from parsers.content import Content, PartedContent
from parsers.hl7v2.batch_stream import TooLong, read_batch

FetchPart = Callable[[int, int], bytes]
"""(journal id, part) -> its bytes."""

_HEAD = 4096

TOO_LONG, FAILED = "too-long", "mapping-failed"
UNREAD = (TOO_LONG, FAILED)
"""Reasons of messages of which nothing is known but how they begin."""

Place = Callable[[Exception], str]


def no_parts(journal_id: int, part: int) -> bytes:
    """Where whole bodies alone are read."""
    raise LookupError("no parts here")


class Cursor(msgspec.Struct, frozen=True):
    """How far a body was read: the first item that was not, and how many of its answers were made."""

    item: int = 0
    replies: int = 0

    @classmethod
    def read(cls, text: bytes) -> Cursor:
        return cls(*(int(word) for word in text.split(b","))) if text else cls()

    def __bytes__(self) -> bytes:
        return b"%d,%d" % (self.item, self.replies)

    def after(self, part: ItemReading | ReplyDraft) -> Cursor:
        if isinstance(part, ReplyDraft):
            return Cursor(self.item, self.replies + 1)
        return Cursor(part.item + 1, self.replies)

    def passed(self, part: ItemReading | ReplyDraft, replies: int) -> bool:
        """Whether this one was read before; `replies`: answers of the body that came before it."""
        return replies < self.replies if isinstance(part, ReplyDraft) else part.item < self.item


@dataclass(slots=True)
class Group:
    """What is decided and committed together.  `heads`: how the HL7 messages among it begin, for who answers them.

    `last`: the body ends with it, or cannot be read on: then `failure` says why (stage, reason, detail)."""

    begins: Cursor
    parts: list[ItemReading | ReplyDraft]
    heads: dict[int, bytes]
    last: bool
    failure: tuple[str, str, str] | None = None

    @property
    def unread(self) -> Iterator[bytes]:
        """How the messages begin that no mapping could read."""
        return (self.heads[part.item] for part in self.items if part.reason in UNREAD and part.item in self.heads)

    @property
    def items(self) -> tuple[ItemReading, ...]:
        return tuple(part for part in self.parts if isinstance(part, ItemReading))


class PartedReading:
    """The reading of one work item.  `place` says where an exception came from, without a value."""

    def __init__(self, work: WorkItem, profile: FeedProfile, fetch: FetchPart, place: Place) -> None:
        self.work_id = work.work_id
        self._place = place
        self._at = Cursor.read(work.body)
        self._ahead: deque[ItemReading | ReplyDraft] = deque()
        self._heads: dict[int, bytes] = {}
        self._failure: tuple[str, str, str] | None = None
        self._ended = False
        content = PartedContent(work.size, PART, lambda number: fetch(work.journal_id, number))
        if work.replayed and not work.body:  # one item of it that was parked, not its siblings again
            self._rest = self._only(content, work, profile)
        else:
            self._rest = self._read(content, work, profile, self._at)

    def group(self, work: WorkItem, limit: int) -> Group | None:
        """Up to `limit` parts from the work item's cursor on; None when this reading has passed it."""
        begins = Cursor.read(work.body)
        while self._at != begins:
            if not self._ahead:
                return None
            part = self._ahead.popleft()
            self._at = self._at.after(part)
            if isinstance(part, ItemReading):
                self._heads.pop(part.item, None)
        while len(self._ahead) <= limit and not self._ended:
            self._read_on()
        last = self._ended and len(self._ahead) <= limit
        parts = list(self._ahead)[:limit]
        return Group(begins, parts, self._heads, last, self._failure if last else None)

    def _read_on(self) -> None:
        try:
            self._ahead.append(next(self._rest))
        except StopIteration:
            self._ended = True
        except Exception as error:  # what reads the body must survive it (decision 18): the rest of it is parked
            self._ended = True
            self._failure = ("map", FAILED, self._place(error))

    def _only(self, content: Content, work: WorkItem, profile: FeedProfile) -> Iterator[ItemReading | ReplyDraft]:
        for part in self._read(content, work, profile, Cursor(work.item)):
            if isinstance(part, ItemReading):
                yield part
                return

    def _read(
        self, content: Content, work: WorkItem, profile: FeedProfile, begin: Cursor
    ) -> Iterator[ItemReading | ReplyDraft]:
        if work.source_kind == "hl7v2":
            yield from self._read_messages(content, profile, work.received_at, begin.item)
            return
        replies = 0
        repeated = work.repeated and not work.replayed
        for part in read_parts(content, profile, work.received_at, repeated=repeated):
            if not isinstance(part, ItemReading | ReplyDraft):
                continue
            if not begin.passed(part, replies):
                yield part
            replies += isinstance(part, ReplyDraft)

    def _read_messages(
        self, content: Content, profile: FeedProfile, received_at: datetime, first: int
    ) -> Iterator[ItemReading]:
        item = -1
        for item, raw in enumerate(read_batch(content)):
            if item < first:
                continue
            if isinstance(raw, TooLong):
                self._heads[item] = raw.head
                yield ItemReading(item=item, outcome="parked", reason=TOO_LONG)
                continue
            self._heads[item] = raw[:_HEAD]
            try:
                read = read_message(raw, profile, received_at, item)
            except Exception as error:  # a mapping must survive one message (decision 18)
                where = Problem(severity="error", code=FAILED, location=self._place(error), text="")
                read = ItemReading(item=item, outcome="parked", reason=FAILED, problems=(where,))
            yield read
        if item < 0:
            yield ItemReading(item=0, outcome="filtered", reason="empty-batch")


class PartedBodies:
    """The bodies in parts of a batch; the reading of one goes on from batch to batch."""

    def __init__(self, fetch: FetchPart, place: Place) -> None:
        self._fetch = fetch
        self._place = place
        self._reading: PartedReading | None = None
        self._groups: dict[int, Group] = {}

    def read(self, work: WorkItem, profile: FeedProfile, limit: int) -> Group:
        """The next group of up to `limit` parts: the reading goes on, or begins anew where the work row says."""
        held = self._reading
        group = held.group(work, limit) if held is not None and held.work_id == work.work_id else None
        if group is None:
            held = self._reading = PartedReading(work, profile, self._fetch, self._place)
            group = held.group(work, limit)
            assert group is not None, "a reading begins at its cursor"
        self._groups = {work.work_id: group}
        return group

    def group(self, work: WorkItem) -> Group | None:
        """What was read of this item for the batch in hand; None when its body came whole."""
        return self._groups[work.work_id] if work.size else None


def decide_group(
    work: WorkItem, group: Group, collector: Collector, decide: Callable[[ItemReading], None], place: Place
) -> bool:
    """Decide on the parts of a group one by one, and say what becomes of the rest of the body.

    A part that fails is parked alone.  False: one did, and state may be half changed: nothing more may be decided upon
    it in this batch; the parts behind it are read again.
    """
    cursor, items, sound = group.begins, 0, True
    for part in group.parts:
        collector.begin()
        try:
            if isinstance(part, ReplyDraft):
                collector.reply(work, part)
            else:
                items += 1
                collector.heard(work, part.item, group.heads.get(part.item, b""))
                decide(part)
        except Exception as error:  # one item's failure costs its neighbours nothing
            sound = False
            collector.abandon()
            if isinstance(part, ItemReading):
                collector.park(work, part.item, "decide", "decision-failed", place(error))
        collector.keep()
        cursor = cursor.after(part)
        if not sound:
            break
    collector.begin()
    if not group.last or (not sound and part is not group.parts[-1]):
        collector.go_on(work, bytes(cursor), items)
    else:
        if group.failure is not None:
            items += 1
            collector.park_rest(work, cursor.item, bytes(cursor), *group.failure)
        collector.finish_work(work)
        collector.received(work, items - 1)
    collector.keep()
    return sound

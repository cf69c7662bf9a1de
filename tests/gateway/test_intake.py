from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from channels.ports import HEAD, Answer, Inbound
from gateway.admission import dedup_key, journal_text
from gateway.intake import GroupCommitIntake, IntakeFeed, IntakeLimits
from gateway.lanes import feed_lane, patient_lane, payer_lane
from gateway.store.limits import PART
from gateway.store.ports import Stored
from mappings.profile import Facility, FeedProfile
from tests.gateway.fakes.ingest_store import IngestStore

PROFILE = FeedProfile(
    channel="adt",
    default_authority="HOME",
    facilities=(Facility(id="general", aliases=("HOSP",)),),
    default_facility="main",
)
FEED = IntakeFeed(profile=PROFILE, hold_seconds=0.2)
LIMITS = IntakeLimits(retry_seconds=0.02, slow_commit_seconds=0.1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISA = (
    b"ISA*00*          *00*          *ZZ*PAYER1         *ZZ*BATON          "
    b"*260301*1200*^*00501*000000905*0*P*:~GS*HB*PAYER1*BATON*20260301*1200*1*X*005010X279A1~ST*271*0001~"
)


def message(
    control_id: str = "1",
    *,
    event: str = "ADT^A01",
    version: str = "2.5",
    accept: str = "",
    application: str = "",
    tail: bytes = b"",
) -> bytes:
    header = f"MSH|^~\\&|ADT|HOSP|BATON|GW|20260301120000||{event}|{control_id}|P|{version}|||{accept}|{application}\r"
    return header.encode() + b"PID|1||77^^^HOSP^MR\r" + tail


class Blocks:
    """A body in blocks of an odd size."""

    def __init__(self, body: bytes, size: int) -> None:
        self.size = size
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 700_001):
            await asyncio.sleep(0)
            yield self._body[start : start + 700_001]


class Peer:
    """Submits units and keeps their answers."""

    def __init__(
        self, store: IngestStore | None = None, feed: IntakeFeed = FEED, limits: IntakeLimits = LIMITS
    ) -> None:
        self.store = store or IngestStore()
        self.stored: list[int] = []
        self.intake = GroupCommitIntake(
            self.store, {feed.channel: feed}, limits=limits, clock=lambda: NOW, on_stored=self.stored.append
        )
        self.answers: list[Answer] = []
        self.order: list[int] = []

    def send(self, body: bytes, *, broken: str | None = None, kind: str = "hl7v2") -> None:
        number = len(self.order) + len(self.answers)

        def answered(answer: Answer) -> None:
            self.answers.append(answer)
            self.order.append(number)

        self.intake.submit(Inbound("adt", "peer:1", NOW, body, answered, broken, kind))

    def send_large(self, body: bytes, announced: int | None = None, kind: str = "hl7v2") -> None:
        source = Blocks(body, len(body) if announced is None else announced)
        self.intake.submit(Inbound("adt", "file", NOW, body[:HEAD], self.answers.append, kind=kind, source=source))

    async def ask(self, body: bytes, *, broken: str | None = None, kind: str = "hl7v2") -> Answer:
        self.send(body, broken=broken, kind=kind)
        await self.intake.drain()
        return self.answers[-1]


def msa(answer: Answer) -> list[bytes]:
    assert answer.reply is not None
    segment = next(each for each in answer.reply.split(b"\r") if each.startswith(b"MSA"))
    return segment.split(b"|")


async def test_intake_message_is_stored_and_acknowledged() -> None:
    peer = Peer()
    answer = await peer.ask(message("42"))
    assert msa(answer)[1:3] == [b"AA", b"42"]
    assert (answer.accepted, answer.close) == (True, False)
    row = peer.store.rows[0]
    assert (row.channel, row.control_id, row.message_type, row.sender) == ("adt", "42", "ADT^A01", "ADT|HOSP")
    assert (row.facility_id, row.acknowledgement, row.rejected) == ("general", "AA", None)
    assert row.lanes == (patient_lane("HOSP", "77"),)
    assert peer.stored == [1]


async def test_intake_answer_waits_for_the_commit() -> None:
    peer = Peer()
    peer.store.gate.clear()
    peer.send(message())
    await asyncio.sleep(0.03)
    assert peer.store.calls == 1 and not peer.answers
    peer.store.gate.set()
    await peer.intake.drain()
    assert len(peer.answers) == 1


async def test_intake_arrivals_during_a_commit_share_the_next() -> None:
    peer = Peer()
    peer.store.gate.clear()
    peer.send(message("0"))
    await asyncio.sleep(0.01)
    for n in range(1, 100):
        peer.send(message(str(n)))
    peer.store.gate.set()
    await peer.intake.drain()
    assert peer.store.commits == [1, 99]
    assert [row.control_id for row in peer.store.rows] == [str(n) for n in range(100)]
    assert [msa(answer)[2] for answer in peer.answers] == [str(n).encode() for n in range(100)]


@pytest.mark.parametrize(
    ("limits", "expected"), [(IntakeLimits(batch_rows=3), [3, 3, 1]), (IntakeLimits(batch_bytes=200), [2, 2, 2, 1])]
)
async def test_intake_batch_is_bounded_by_rows_and_bytes(limits: IntakeLimits, expected: list[int]) -> None:
    peer = Peer(limits=limits)
    for n in range(7):
        peer.send(message(str(n)))
    await peer.intake.drain()
    assert peer.store.commits == expected


async def test_intake_arrivals_gather_after_a_large_commit_and_not_after_a_small_one() -> None:
    peer = Peer(limits=IntakeLimits(crowd_rows=2, gather_seconds=0.05))
    for group in (range(3), range(3, 5), range(5, 6)):
        for number in group:
            peer.send(message(f"{number}"))
        await asyncio.sleep(0)  # the commit of a group begins, unless it waits for more
    await peer.intake.drain()
    assert peer.store.commits == [3, 3]
    for number in (6, 7):
        peer.send(message(f"{number}"))
        await peer.intake.drain()
    assert peer.store.commits == [3, 3, 1, 1]
    assert len(peer.answers) == 8


async def test_intake_duplicate_is_answered_as_the_first() -> None:
    peer = Peer()
    first, second = await peer.ask(message("7")), await peer.ask(message("7"))
    assert msa(first) == msa(second)
    assert len(peer.store.rows) == 1
    assert peer.intake.traffic["adt"].duplicates == 1


async def test_intake_same_control_id_with_other_body_is_new() -> None:
    peer = Peer()
    await peer.ask(message("7"))
    await peer.ask(message("7", tail=b"PV1|1|I\r"))
    assert len(peer.store.rows) == 2


async def test_intake_row_refused_by_the_store_does_not_touch_its_neighbours() -> None:
    peer = Peer()
    peer.store.refuse_body = b"BAD"
    for control_id in ("1", "BAD", "3"):
        peer.send(message(control_id))
    await peer.intake.drain()
    assert [msa(answer)[1] for answer in peer.answers] == [b"AA", b"AR", b"AA"]
    assert [answer.accepted for answer in peer.answers] == [True, False, True]


@pytest.mark.parametrize(
    ("accept", "application", "mode", "code"),
    [
        ("", "", "auto", "AA"),
        ("AL", "", "auto", "CA"),
        ("NE", "AL", "auto", None),
        ("ER", "", "auto", None),
        ("SU", "", "auto", "CA"),
        ("AL", "AL", "original", "AA"),
        ("", "", "enhanced", "CA"),
    ],
)
async def test_intake_code_follows_msh_15_and_ack_mode(
    accept: str, application: str, mode: str, code: str | None
) -> None:
    peer = Peer(feed=dataclasses.replace(FEED, ack_mode=mode))
    answer = await peer.ask(message(accept=accept, application=application))
    assert answer.accepted
    assert (answer.reply is None) if code is None else (msa(answer)[1] == code.encode())
    assert peer.store.rows[0].acknowledgement == (code or "")


@pytest.mark.parametrize(
    ("changes", "body", "reason", "error"),
    [
        ({}, b"hello", None, b""),
        ({"require_control_id": True}, message(""), "no-control-id", b"101"),
        ({"versions": ("2.3",)}, message(), "version", b"203"),
        ({"unknown_event": "reject", "known_events": frozenset({"ADT^A02"})}, message(), "unknown-event", b"201"),
        ({"unknown_event": "reject", "known_events": frozenset({"SIU^S12"})}, message(), "unknown-event", b"200"),
    ],
)
async def test_intake_unit_that_can_never_be_read_is_kept_and_answered_ar(
    changes: dict[str, object], body: bytes, reason: str | None, error: bytes
) -> None:
    peer = Peer(feed=dataclasses.replace(FEED, **changes))  # type: ignore[arg-type]
    answer = await peer.ask(body)
    assert msa(answer)[1] == b"AR" and not answer.accepted and not answer.close
    row = peer.store.rows[0]
    assert row.rejected == (reason or row.rejected) and row.rejected
    assert (row.lanes, row.dedup_key, row.body) == ((), None, body)
    if error:
        assert answer.reply is not None and error in answer.reply
    assert peer.stored == []


async def test_intake_batch_is_not_refused_for_what_its_header_cannot_hold() -> None:
    strict = {"require_control_id": True, "versions": ("2.5",), "unknown_event": "reject"}
    peer = Peer(feed=dataclasses.replace(FEED, **strict))  # type: ignore[arg-type]
    answer = await peer.ask(b"BHS|^~\\&|ADT1|GENHOSP\r" + message() + b"BTS|1\r")
    assert msa(answer)[1] == b"AA" and peer.store.rows[0].rejected is None


@pytest.mark.parametrize(("accept", "code"), [("", b"AR"), ("AL", b"CR")])
async def test_intake_message_without_type_is_kept_and_refused_with_its_place(accept: str, code: bytes) -> None:
    peer = Peer()
    answer = await peer.ask(message(event="", accept=accept))
    assert answer.reply is not None and b"\rMSA|" + code + b"|1\rERR||MSH^1^9|101" in answer.reply
    assert [row.rejected for row in peer.store.rows] == ["no-message-type"]


async def test_intake_empty_control_id_is_accepted() -> None:
    peer = Peer()
    assert msa(await peer.ask(message("")))[1:3] == [b"AA", b""]


@pytest.mark.parametrize(
    ("body", "broken", "code", "close"),
    [
        (message(), "truncated", b"AR", False),
        (b"rubbish", "truncated", None, False),
        (message(), "oversize", b"AR", True),
        (b"rubbish", "oversize", None, True),
        (b"rubbish", "noise", None, True),
    ],
)
async def test_intake_broken_frame_is_kept_as_rejected(
    body: bytes, broken: str, code: bytes | None, close: bool
) -> None:
    peer = Peer()
    answer = await peer.ask(body, broken=broken)
    assert (None if answer.reply is None else msa(answer)[1]) == code
    assert (answer.close, answer.accepted) == (close, False)
    assert (peer.store.rows[0].rejected, peer.store.rows[0].body) == (broken, body)


async def test_intake_store_away_closes_after_the_hold_budget_and_keeps_the_batch() -> None:
    peer = Peer()
    peer.store.away = True
    peer.send(message("9"))
    await asyncio.sleep(0.1)
    assert not peer.answers and not peer.intake.accepting
    resumed: list[bool] = []
    peer.intake.when_accepting(lambda: resumed.append(True))
    await asyncio.sleep(0.25)
    assert peer.answers == [Answer(reply=None, close=True, accepted=False)]
    assert not resumed
    peer.store.away = False
    await peer.intake.drain()
    assert resumed == [True] and peer.intake.accepting
    assert len(peer.store.rows) == 1 and len(peer.answers) == 1
    assert msa(await peer.ask(message("9")))[1] == b"AA"
    assert peer.intake.traffic["adt"].duplicates == 1


@pytest.mark.parametrize(("accept", "code"), [("", b"AR"), ("AL", b"CE")])
async def test_intake_nak_after_the_hold_budget_is_never_ae(accept: str, code: bytes) -> None:
    peer = Peer(feed=dataclasses.replace(FEED, on_store_timeout="nak", hold_seconds=0.05))
    peer.store.away = True
    peer.send(message(accept=accept))
    await asyncio.sleep(0.15)
    assert msa(peer.answers[0])[1] == code and peer.answers[0].reply is not None and b"207" in peer.answers[0].reply
    await peer.intake.close()


async def test_intake_hold_waits_for_the_store() -> None:
    peer = Peer(feed=dataclasses.replace(FEED, on_store_timeout="hold", hold_seconds=0.01))
    peer.store.away = True
    peer.send(message())
    await asyncio.sleep(0.1)
    assert not peer.answers
    peer.store.away = False
    await peer.intake.drain()
    assert msa(peer.answers[0])[1] == b"AA"


async def test_intake_hanging_commit_stops_reading_and_ends_the_hold() -> None:
    peer = Peer()
    peer.store.gate.clear()
    peer.send(message())
    await asyncio.sleep(0.3)
    assert not peer.intake.accepting
    assert peer.answers == [Answer(reply=None, close=True, accepted=False)]
    peer.store.gate.set()
    await peer.intake.drain()
    assert peer.intake.accepting and len(peer.store.rows) == 1


async def test_intake_fault_of_the_store_does_not_lose_the_batch() -> None:
    class Faulty(IngestStore):
        def _store(self, entry: object) -> Stored:
            if self.calls < 3:
                raise ValueError("a fault")
            return Stored(journal_id=1)

    peer = Peer(Faulty())
    assert msa(await peer.ask(message()))[1] == b"AA"


async def test_intake_answer_callback_that_raises_does_not_stop_the_others() -> None:
    peer = Peer()

    def gone(_: Answer) -> None:
        raise OSError("the peer went away")

    peer.intake.submit(Inbound("adt", "peer:1", NOW, message("1"), gone))
    peer.send(message("2"))
    await peer.intake.drain()
    assert len(peer.answers) == 1


async def test_intake_backlog_and_disk_stop_reading() -> None:
    state = {"backlog": 0, "short": False}
    intake = GroupCommitIntake(
        IngestStore(),
        {"adt": FEED},
        limits=IntakeLimits(max_backlog=10, retry_seconds=0.01),
        backlog=lambda: int(state["backlog"]),
        disk_short=lambda: bool(state["short"]),
    )
    assert intake.accepting
    state["backlog"] = 11
    assert intake.full and not intake.accepting
    resumed = asyncio.Event()
    intake.when_accepting(resumed.set)
    state.update(backlog=0, short=True)
    await asyncio.sleep(0.05)
    assert not resumed.is_set()
    assert intake.full
    state["short"] = False
    await asyncio.wait_for(resumed.wait(), 5)
    assert intake.accepting and not intake.full
    await intake.close()


async def test_intake_interchange_is_read_by_position() -> None:
    peer = Peer()
    answer = await peer.ask(ISA, kind="x12")
    assert answer == Answer(reply=None, close=False, accepted=True)
    row = peer.store.rows[0]
    assert (row.kind, row.sender, row.control_id, row.message_type) == ("x12", "PAYER1", "000000905", "271")
    assert row.lanes == (payer_lane("PAYER1"),)


@pytest.mark.parametrize("body", [b"", b"ISA*00", b"MSH|^~\\&|" + b"x" * 200])
async def test_intake_file_that_is_no_interchange_is_rejected(body: bytes) -> None:
    peer = Peer()
    answer = await peer.ask(body, kind="x12")
    assert answer == Answer(reply=None, close=False, accepted=False)
    assert peer.store.rows[0].rejected == "no-interchange"


async def test_intake_large_body_is_a_duplicate_of_itself() -> None:
    peer = Peer()
    body = message(tail=b"OBX|1|TX|||" + b"x" * (2 << 20) + b"\r")
    assert msa(await peer.ask(body)) == msa(await peer.ask(body))
    assert len(peer.store.rows) == 1


async def test_intake_batch_takes_the_lane_of_its_first_message_and_the_feed() -> None:
    peer = Peer()
    answer = await peer.ask(b"BHS|^~\\&|ADT|HOSP|||20260301||||B1\r" + message() + b"BTS|1\r")
    assert msa(answer)[1] == b"AA"
    assert peer.store.rows[0].lanes == tuple(sorted((feed_lane("adt"), patient_lane("HOSP", "77"))))


async def test_intake_batch_is_answered_message_by_message_where_the_feed_wants_it() -> None:
    body = b"BHS|^~\\&|ADT|HOSP|BATON|GW|20260301||||B1\r" + message("1") + message("2") + b"BTS|2\r"
    peer = Peer(feed=dataclasses.replace(FEED, batch_answer="each"))
    reply = (await peer.ask(body)).reply
    assert reply is not None and reply.startswith(b"BHS|") and reply.endswith(b"BTS|2\r")
    assert b"\rMSA|AA|1\r" in reply and b"\rMSA|AA|2\r" in reply
    assert msa(await peer.ask(message("3")))[1:3] == [b"AA", b"3"]
    assert msa(await Peer().ask(body))[1:3] == [b"AA", b"B1"]
    assert len(peer.store.rows) == 2


async def test_intake_message_without_patient_goes_to_the_feed_lane() -> None:
    peer = Peer()
    await peer.ask(b"MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5\rEVN|A01\r")
    assert peer.store.rows[0].lanes == (feed_lane("adt"),)


@pytest.mark.parametrize("value", [b"\x00", b"\xff\xfe", b"a\x00b", b"x" * 5000, "é".encode(), b"\xed\xa0\x80"])
async def test_intake_hostile_header_values_become_storable_text(value: bytes) -> None:
    text = journal_text(value)
    assert "\0" not in text and len(text) <= 200
    text.encode("utf-8")


async def test_dedup_key_differs_by_channel_and_content() -> None:
    peer = Peer()
    await peer.ask(message("1"))
    row = peer.store.rows[0]
    assert row.dedup_key is not None and len(row.dedup_key) == 8 + len(row.control_id) + 1 + 16
    row.channel = "other"
    assert dedup_key(row, None) != row.dedup_key


LARGE = message("large") + b"ZZZ|" + bytes(range(32, 127)) * 30_000


async def test_large_body_is_staged_in_parts_then_committed_as_one_message() -> None:
    peer = Peer()
    peer.send_large(LARGE)
    await peer.intake.drain()
    (row,) = peer.store.rows
    parts = peer.store.staged[row.staged]
    assert b"".join(parts) == LARGE and [len(part) for part in parts[:-1]] == [PART] * (len(LARGE) // PART)
    assert (row.body, row.size, row.digest) == (b"", len(LARGE), sha256(LARGE).digest())
    assert row.control_id == "large" and row.lanes == (patient_lane("HOSP", "77"),)
    (answer,) = peer.answers
    assert answer.accepted and msa(answer)[1:3] == [b"AA", b"large"]


async def test_large_body_sent_again_is_a_duplicate_of_it_held_whole_or_not() -> None:
    peer = Peer()
    await peer.ask(LARGE)
    peer.send_large(LARGE)
    await peer.intake.drain()
    assert peer.answers[1].duplicate_of == 1 and peer.answers[1].accepted
    assert peer.store.dropped == [1] and len(peer.store.rows) == 1


async def test_small_messages_are_acknowledged_while_a_large_body_comes() -> None:
    peer = Peer()
    peer.send_large(LARGE)
    await asyncio.sleep(0)
    peer.send(message("small"))
    await peer.intake.drain()
    assert [row.control_id for row in peer.store.rows] == ["small", "large"]


@pytest.mark.parametrize("announced", [-1, 1])
async def test_large_body_that_is_not_as_announced_is_no_message(announced: int) -> None:
    peer = Peer()
    peer.send_large(LARGE, len(LARGE) + announced)
    await peer.intake.drain()
    assert peer.store.rows == [] and peer.store.dropped == [1]
    assert peer.answers == [Answer(close=True, accepted=False)]


async def test_large_body_comes_again_when_the_store_was_away() -> None:
    peer = Peer()
    peer.store.away = True
    peer.send_large(LARGE)
    await peer.intake.drain()
    assert peer.answers == [Answer(close=True, accepted=False)]
    peer.store.away = False
    peer.send_large(LARGE)
    await peer.intake.drain()
    assert peer.answers[1].accepted and len(peer.store.rows) == 1


async def test_large_body_without_a_header_is_kept_and_rejected() -> None:
    peer = Peer()
    peer.send_large(b"junk " * 400_000)
    await peer.intake.drain()
    (row,) = peer.store.rows
    assert row.rejected and row.staged and not peer.answers[0].accepted and peer.store.dropped == []


async def test_large_interchange_is_known_by_its_head() -> None:
    peer = Peer()
    peer.send_large(ISA + b"X" * (2 << 20), kind="x12")
    await peer.intake.drain()
    (row,) = peer.store.rows
    assert (row.message_type, row.control_id, row.lanes) == ("271", "000000905", (payer_lane("PAYER1"),))

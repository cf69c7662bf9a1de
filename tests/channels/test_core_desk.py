"""What is promised when: nothing before the commit, the same answer for the same request, the payer asked once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.core_answers import Outgoing, Unavailable
from channels.core_desk import Desk
from channels.core_partners import CorePartner, Gatekeeper, fits, hash_password
from channels.core_ports import Asked, Made, NotAsked
from channels.ports import Answer
from parsers.core.envelope import Envelope
from parsers.core.payloads import BY_USE
from parsers.x12.interchange import read_interchanges
from tests.channels.fakes.core_book import FakeBook
from tests.channels.fakes.file_intake import FileIntake
from tests.parsers.core.core_messages import ANSWER, BATCH, FIELDS, REQUEST
from tests.support.waiting import until

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
PARTNER = CorePartner(name="hospital", relay={"payer": "bigpayer"})
ASKING = REQUEST.replace(b"~SE*3*", b"~HL*1**20*1~NM1*PR*2*BIG PAYER*****PI*12345~SE*5*")


class Payer:
    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int | None]] = []
        self.problem: NotAsked | None = None

    async def ask(self, document: bytes, request_journal_id: int | None = None) -> Asked:
        self.asked.append((document, request_journal_id))
        if self.problem is not None:
            raise self.problem
        return Asked(ANSWER, 50)


class Opened:
    def __init__(self, answer_seconds: float = 5.0) -> None:
        self.intake, self.book, self.payer = FileIntake(), FakeBook(), Payer()
        self.intake.answers[ASKING] = Answer(journal_id=7)
        self.desk = Desk(
            "core",
            self.intake,
            self.book,
            {"bigpayer": self.payer},
            clock=lambda: NOW,
            answer_seconds=answer_seconds,  # type: ignore[arg-type]
        )

    async def handle(self, fields: dict[str, str] = FIELDS, payload: bytes | None = ASKING, **changes: str) -> Outgoing:
        envelope = Envelope(form="mime", fields=fields | changes, payload=payload)
        return await self.desk.handle(PARTNER, envelope, "10.0.0.1:1")


async def test_desk_promises_nothing_before_the_commit() -> None:
    made = Opened()
    made.intake.silent = True
    asking = asyncio.create_task(made.handle())
    await until(lambda: bool(made.intake.units))
    await asyncio.sleep(0)
    assert not asking.done() and made.payer.asked == [] and made.book.noted == []
    made.intake.units[0].answered(Answer(journal_id=7))
    assert (await asking).payload == ANSWER and made.payer.asked == [(ASKING, 7)]
    unit = made.intake.units[0]
    assert (unit.kind, unit.body) == ("x12", ASKING) and FIELDS["PayloadID"].replace("-", "") in unit.identity


@pytest.mark.parametrize("how", ["not accepting", "gave up", "book away"])
async def test_desk_our_own_outage_promises_nothing_and_the_same_request_may_come_again(how: str) -> None:
    made = Opened()
    if how == "not accepting":
        made.intake.accepting = False
    elif how == "gave up":
        made.intake.answers[ASKING] = Answer(accepted=False, close=True)
    else:
        made.book.away = True
    with pytest.raises((Unavailable, RuntimeError)):
        await made.handle()
    made.intake.accepting, made.book.away = True, False
    made.intake.answers[ASKING] = Answer(journal_id=8, duplicate_of=7 if how == "book away" else None)
    assert (await made.handle()).payload == ANSWER
    assert made.payer.asked[-1] == (ASKING, 7 if how == "book away" else 8)


async def test_desk_request_whose_answer_came_before_we_ended_is_not_asked_again() -> None:
    made = Opened()
    made.intake.answers[ASKING] = Answer(journal_id=8, duplicate_of=7)
    real = made.desk._exchange(PARTNER, Envelope(form="mime", fields=FIELDS), NOW, "Success")
    real.direction, real.request_journal_id, real.answer_journal_id = "out", 7, 50
    made.book.noted.append(real)
    made.book.bodies[50] = ANSWER
    assert (await made.handle()).payload == ANSWER and made.payer.asked == []


async def test_desk_what_is_no_interchange_is_refused_and_kept() -> None:
    made = Opened()
    made.intake.answers[ASKING] = Answer(accepted=False)
    outgoing = await made.handle()
    assert outgoing.error is not None and outgoing.error.code == "PayloadIllegal" and len(made.intake.units) == 1


async def test_desk_copies_at_once_ask_the_payer_once_and_all_hear_of_an_outage() -> None:
    made = Opened()
    made.intake.silent = True
    asking = [asyncio.create_task(made.handle()) for _ in range(3)]
    await until(lambda: bool(made.intake.units))
    made.intake.units[0].answered(Answer(accepted=False, close=True))
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable] * 3 and len(made.intake.units) == 1


@pytest.mark.parametrize("later", [True, False])
async def test_desk_payer_who_cannot_be_asked_is_answered_in_x12(later: bool) -> None:
    made = Opened()
    made.payer.problem = NotAsked("no-answer" if later else "PayloadTypeIllegal", "why", later=later)
    outgoing = await made.handle()
    assert outgoing.payload is not None and outgoing.payload_type == BY_USE["271"]
    interchange = next(read_interchanges(outgoing.payload))
    assert [s.id for s in interchange.groups[0].sets] == ["271"]
    assert b"~AAA*Y**42*P~NM1*PR*2*BIG PAYER*****PI*12345~" in outgoing.payload
    assert (await made.book.find("in|core|hospital|" + FIELDS["PayloadID"].replace("-", ""))).outcome == "Receiver"  # type: ignore[union-attr]


async def test_desk_request_that_no_271_can_answer_gets_an_envelope_error() -> None:
    made = Opened()
    made.intake.answers[REQUEST] = Answer(journal_id=9)
    made.payer.problem = NotAsked("no-answer", "why", later=True)
    outgoing = await made.handle(payload=REQUEST)  # it names no payer
    assert outgoing.error is not None and outgoing.error.code == "Receiver"


async def test_desk_without_a_channel_behind_waits_for_the_gateways_answer_until_the_time_is_up() -> None:
    made = Opened(answer_seconds=0.05)
    late = await made.handle(ReceiverID="OTHER")
    assert late.error is not None and late.error.code == "Receiver"
    made.book.made[7] = [Made(1, "999", REQUEST.replace(b"ST*270", b"ST*999"), NOW)]
    again = await made.handle(ReceiverID="OTHER")
    assert again.payload_type == BY_USE["999"] and made.payer.asked == []


async def test_desk_batch_is_receipted_and_passed_on() -> None:
    made = Opened()
    fields: dict[str, Any] = BATCH | {"PayloadLength": "", "CheckSum": ""}
    for _ in range(2):
        outgoing = await made.handle(fields)
        assert (outgoing.payload_type, outgoing.payload) == (BY_USE["receipt"], None)
    assert made.book.passed_on == [("bigpayer", 7)] and made.payer.asked == []


async def test_gatekeeper_knows_partners_by_password_or_certificate_and_nobody_else() -> None:
    keeper = Gatekeeper(
        [
            CorePartner(name="one", user="One", password_hash=hash_password("right")),
            CorePartner(name="two", certificate_names=frozenset({"two.example"})),
        ]
    )
    nothing: frozenset[str] = frozenset()

    async def who(user: str, password: str, names: frozenset[str] = nothing) -> str | None:
        partner = await keeper.recognise(user, password, names)
        return partner.name if partner is not None else None

    assert await who("ONE", "right") == await who("one", "right") == "one"
    assert await who("", "", frozenset({"two.example"})) == "two"
    for attempt in (("one", "wrong"), ("one", ""), ("two", ""), ("", ""), ("nobody", "right")):
        assert await who(*attempt) is None
    assert keeper.refused == 5
    assert not fits("x", "plain") and not fits("x", "scrypt$1$zz$zz")

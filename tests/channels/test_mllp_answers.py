"""Answers of our own over the connection of their message."""

from __future__ import annotations

import asyncio

import pytest

from channels.mllp_answers import ConnectionAnswers
from channels.ports import Answer, Delivery, DeliveryError, Outcome
from parsers.mllp import frame
from tests.channels.test_mllp_listener import House, Peer, house

SENDER = "ADT1|GENHOSP"


def answer(peer: str, number: int = 1, sender: str = SENDER) -> Delivery:
    return Delivery(f"r-{number}", f"m-{number}", "", b"MSH|second%d" % number, {"peer": peer, "sender": sender})


async def spoke(it: House, peer: Peer, sender: str = SENDER) -> str:
    """The peer sent a message that was stored for `sender`; how the listener names it."""
    count = len(it.intake.inbounds)
    await peer.send(frame(b"MSH|1"))
    await it.intake.until(count + 1)
    it.intake.answer(count, Answer(b"first", sender=sender))
    assert await peer.answer() == b"first"
    return it.intake.inbounds[count].peer


async def test_answer_goes_to_the_connection_of_its_message() -> None:
    async with house(automatic=False) as it:
        one, two = await it.connect(), await it.connect()
        first, second = await spoke(it, one), await spoke(it, two)
        answers = ConnectionAnswers(lambda: it.listener, 60)
        assert await answers.deliver([answer(second, 2), answer(first, 1)]) == [Outcome.CONFIRMED] * 2
        assert (await one.answer(), await two.answer()) == (b"MSH|second1", b"MSH|second2")


async def test_answer_does_not_go_before_the_answers_that_are_due() -> None:
    async with house(automatic=False) as it:
        peer = await it.connect()
        await peer.send(frame(b"MSH|1"))
        await it.intake.until(1)
        it.intake.answer(0, Answer(b"first", sender=SENDER))
        assert await ConnectionAnswers(lambda: it.listener, 60).deliver([answer(it.intake.inbounds[0].peer)])
        assert [await peer.answer(), await peer.answer()] == [b"first", b"MSH|second1"]


async def test_answer_goes_to_the_newest_connection_that_spoke_for_the_same_sender() -> None:
    async with house(automatic=False) as it:
        gone, other, back = await it.connect(), await it.connect(), await it.connect()
        name = await spoke(it, gone)
        await spoke(it, other, "LAB|GENHOSP")
        answers = ConnectionAnswers(lambda: it.listener, 60)
        await gone.close()
        await it.until(lambda: it.listener.connections == 2)
        assert await answers.deliver([answer(name)]) == [Outcome.FAILED]  # nobody of this sender yet
        await spoke(it, back)
        assert await answers.deliver([answer(name)]) == [Outcome.CONFIRMED]
        assert await back.answer() == b"MSH|second1"


async def test_answer_of_another_certificate_is_not_given_away() -> None:
    async with house(automatic=False) as it:
        peer = await it.connect()
        await spoke(it, peer)
        answers = ConnectionAnswers(lambda: it.listener, 60)
        assert await answers.deliver([answer("127.0.0.1:1 engine.example")]) == [Outcome.FAILED]
        assert await answers.deliver([answer("10.0.0.9:1")]) == [Outcome.FAILED]


async def test_answer_that_nobody_comes_for_is_given_up_after_its_time() -> None:
    async with house() as it:
        answers = ConnectionAnswers(lambda: it.listener, 0.05)
        assert await answers.deliver([answer("127.0.0.1:1")]) == [Outcome.FAILED]
        async with asyncio.timeout(5):
            while await answers.deliver([answer("127.0.0.1:1")]) != [Outcome.REFUSED]:  # noqa: ASYNC110 - its time passes
                await asyncio.sleep(0.01)


async def test_answer_waits_while_the_listener_is_closed() -> None:
    with pytest.raises(DeliveryError):
        await ConnectionAnswers(lambda: None, 60).deliver([answer("127.0.0.1:1")])

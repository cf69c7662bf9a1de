"""The MLLP sender against peers that answer as told, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.mllp_sender import ACTIONS, MllpSender, MllpSenderSettings
from channels.ports import Delivery, DeliveryError, Outcome
from parsers.hl7v2.forwarding import expects_accept, without_conditions
from parsers.hl7v2.header import scan_header
from parsers.mllp import frame

Answer = Callable[[bytes, asyncio.StreamWriter], None]
OK, LATER, NEVER = Outcome.CONFIRMED, Outcome.FAILED, Outcome.REFUSED


def message(number: int | str, *, accept: str = "", application: str = "") -> bytes:
    conditions = f"|||{accept}|{application}" if accept or application else ""
    return f"MSH|^~\\&|A|B|C|D|20260302||ADT^A08|M{number}|P|2.5{conditions}\rPID|1||{number}\r".encode()


def delivery(number: int | str, key: str = "", body: bytes = b"") -> Delivery:
    return Delivery(f"d{number}", key or f"k{number}", "", body or message(number), {})


def acknowledge(code: str = "AA", control_id: str | None = None) -> Answer:
    def write(body: bytes, writer: asyncio.StreamWriter) -> None:
        asked = scan_header(body).control_id.decode() if control_id is None else control_id
        writer.write(frame(f"MSH|^~\\&|C|D|A|B|2026||ACK|X|P|2.5\rMSA|{code}|{asked}\r".encode()))

    return write


def silence(body: bytes, writer: asyncio.StreamWriter) -> None:
    """No answer."""


class Receiver:
    """Reads frames and answers by `answer`, or by `answers` first, one for each message."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.answers: list[Answer] = []
        self.answer: Answer = acknowledge()
        self.connections = 0
        self.port = 0

    @property
    def ids(self) -> list[str]:
        return [scan_header(body).control_id.decode() for body in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                body = (await reader.readuntil(b"\x1c\r"))[1:-2]
                self.got.append(body)
                (self.answers.pop(0) if self.answers else self.answer)(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peers(**options: Any) -> AsyncIterator[tuple[Receiver, MllpSender]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    sender = MllpSender(MllpSenderSettings("127.0.0.1", receiver.port, **{"timeout": 5.0, **options}))
    try:
        yield receiver, sender
    finally:
        await sender.close()
        server.close()


async def test_sender_messages_go_out_in_order_over_one_connection() -> None:
    async with peers() as (receiver, sender):
        assert await sender.deliver([delivery(n) for n in range(5)]) == [OK] * 5
        assert receiver.ids == [f"M{n}" for n in range(5)]
        assert (receiver.connections, sender.connected, sender.answers) == (1, 1, {"AA": 5})


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("AA", OK), ("CA", OK), ("AE", NEVER), ("CE", NEVER), ("CR", NEVER), ("AR", LATER), ("ZZ", LATER), ("", LATER)],
)
async def test_sender_does_by_code_what_the_table_says(code: str, outcome: Outcome) -> None:
    async with peers() as (receiver, sender):
        receiver.answers = [acknowledge(code)]
        assert await sender.deliver([delivery(1), delivery(2)]) == [outcome, OK]
        assert receiver.ids == ["M1", "M2"]


async def test_sender_nothing_of_a_key_overtakes_what_was_not_taken() -> None:
    async with peers() as (receiver, sender):
        receiver.answers = [acknowledge("AR")]
        batch = [delivery(1, "a"), delivery(2, "b"), delivery(3, "a")]
        assert await sender.deliver(batch) == [LATER, OK, LATER]
        assert receiver.ids == ["M1", "M2"]
        assert await sender.deliver([batch[0], batch[2], delivery(4)]) == [LATER, LATER, OK]  # the key rests
        assert receiver.ids == ["M1", "M2", "M4"]
        sender.resume()
        assert await sender.deliver([batch[0], batch[2]]) == [OK, OK]
        assert receiver.ids == ["M1", "M2", "M4", "M1", "M3"]


async def test_sender_waits_for_the_answer_to_its_message_and_leaves_others_out() -> None:
    def late(body: bytes, writer: asyncio.StreamWriter) -> None:
        acknowledge("AE", "M0")(body, writer)
        acknowledge("AA", "")(body, writer)
        acknowledge("CA")(body, writer)

    async with peers() as (receiver, sender):
        receiver.answers = [late]
        assert await sender.deliver([delivery(1), delivery(2)]) == [OK, OK]
        assert (sender.unexpected, sender.answers) == (2, {"CA": 1, "AA": 1})


async def test_sender_two_answers_in_one_packet_are_each_that_of_its_message() -> None:
    def both(body: bytes, writer: asyncio.StreamWriter) -> None:
        acknowledge("AA")(body, writer)
        acknowledge("AE", "M2")(body, writer)  # the answer to a message that is not sent yet

    async with peers() as (receiver, sender):
        receiver.answers = [both, silence]
        assert await sender.deliver([delivery(1), delivery(2)]) == [OK, NEVER]


async def test_sender_peer_that_repeats_no_control_id_is_taken_when_told_so() -> None:
    async with peers(match=False) as (receiver, sender):
        receiver.answer = acknowledge("AA", "1")
        assert await sender.deliver([delivery(1)]) == [OK]


async def test_sender_without_an_answer_closes_before_it_sends_again() -> None:
    async with peers(timeout=0.2) as (receiver, sender):
        receiver.answers = [silence]
        with pytest.raises(DeliveryError, match="no answer"):
            await sender.deliver([delivery(1), delivery(2)])
        assert (receiver.ids, sender.connected, sender.lost) == (["M1"], 0, 1)
        assert await sender.deliver([delivery(1), delivery(2)]) == [OK, OK]
        assert (receiver.ids, receiver.connections) == (["M1", "M1", "M2"], 2)


async def test_sender_what_was_taken_before_the_peer_left_is_confirmed() -> None:
    async with peers() as (receiver, sender):
        receiver.answers = [acknowledge(), *[lambda body, writer: writer.close()] * 2]
        assert await sender.deliver([delivery(n) for n in range(4)]) == [OK, LATER, LATER, LATER]
        assert await sender.deliver([delivery(n) for n in range(1, 4)]) == [OK] * 3


async def test_sender_peer_that_closes_after_each_answer_gets_each_message_once() -> None:
    def once(body: bytes, writer: asyncio.StreamWriter) -> None:
        acknowledge()(body, writer)
        writer.close()

    async with peers() as (receiver, sender):
        receiver.answer = once
        assert await sender.deliver([delivery(n) for n in range(6)]) == [OK] * 6
        assert (receiver.ids, receiver.connections, sender.lost) == ([f"M{n}" for n in range(6)], 6, 0)


@pytest.mark.parametrize(("action", "outcome"), [("fail", NEVER), ("ok", OK)])
async def test_sender_missing_answer_may_count_as_something_else(action: str, outcome: Outcome) -> None:
    async with peers(timeout=0.2, actions=ACTIONS | {"none": action}) as (receiver, sender):
        receiver.answers = [silence]
        assert await sender.deliver([delivery(1), delivery(2)]) == [outcome, OK]


async def test_sender_stop_sends_nothing_more_until_resumed() -> None:
    async with peers(actions=ACTIONS | {"AR": "stop"}) as (receiver, sender):
        receiver.answers = [acknowledge(), acknowledge("AR")]
        assert await sender.deliver([delivery(1), delivery(2), delivery(3)]) == [OK, LATER, LATER]
        with pytest.raises(DeliveryError, match="stops this channel"):
            await sender.deliver([delivery(2), delivery(3)])
        assert receiver.ids == ["M1", "M2"]
        sender.resume()
        assert await sender.deliver([delivery(2), delivery(3)]) == [OK, OK]


async def test_sender_gives_up_after_its_attempts() -> None:
    async with peers(attempts=2) as (receiver, sender):
        receiver.answer = acknowledge("AR")
        assert await sender.deliver([delivery(1)]) == [LATER]
        sender.resume()
        assert await sender.deliver([delivery(1)]) == [NEVER]


async def test_sender_nobody_there_is_said_once_for_the_batch() -> None:
    async with peers() as (_, sender):
        pass
    with pytest.raises(DeliveryError, match="no connection"):
        await sender.deliver([delivery(1), delivery(2)])


async def test_sender_keys_are_spread_and_keep_their_order_over_several_connections() -> None:
    async with peers(connections=3) as (receiver, sender):
        batch = [delivery(f"{key}.{n}", key) for n in range(8) for key in "abcdef"]
        assert await sender.deliver(batch) == [OK] * 48
        assert 1 < receiver.connections <= 3
        for key in "abcdef":
            assert [name for name in receiver.ids if name.startswith(f"M{key}")] == [f"M{key}.{n}" for n in range(8)]


async def test_sender_batch_goes_out_message_by_message_and_goes_on_where_it_was() -> None:
    body = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(1) + message(2) + message(3) + b"BTS|3\rFTS|1\r"
    async with peers() as (receiver, sender):
        receiver.answers = [acknowledge(), acknowledge("AR")]
        assert await sender.deliver([delivery("b", body=body)]) == [LATER]
        sender.resume()
        assert await sender.deliver([delivery("b", body=body)]) == [OK]
        assert receiver.ids == ["M1", "M2", "M2", "M3"]
        assert not any(b"BTS" in got for got in receiver.got)


async def test_sender_asks_for_one_answer_whatever_the_message_asked_of_us() -> None:
    async with peers() as (receiver, sender):
        assert await sender.deliver([delivery(1, body=message(1, accept="NE", application="AL"))]) == [OK]
        assert receiver.got == [message(1).replace(b"|2.5\r", b"|2.5||||\r")]


async def test_sender_as_sent_waits_only_for_what_the_message_asks() -> None:
    async with peers(original=False) as (receiver, sender):
        receiver.answers = [silence]
        asked = [message(1, accept="NE", application="AL"), message(2, accept="AL")]
        assert await sender.deliver([delivery(n, body=body) for n, body in enumerate(asked)]) == [OK, OK]
        assert receiver.got == asked


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [("", "", True), ("AL", "NE", True), ("er", "", True), ("NE", "AL", False), ("", "AL", False), ('""', '""', True)],
)
def test_expects_accept_by_the_conditions(accept: str, application: str, expected: bool) -> None:
    header = scan_header(f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5|||{accept}|{application}|".encode())
    assert expects_accept(header) is expected


@settings(max_examples=100)
@given(st.binary(max_size=60), st.sampled_from([b"\r", b"\n", b"\r\n"]), st.booleans())
def test_without_conditions_changes_nothing_but_two_fields(tail: bytes, end: bytes, plain: bool) -> None:
    conditions = b"|" if plain else b"AL|NE"
    head = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5|||"
    body = head + conditions + b"|US|8859/1" + end + b"PID|1||7" + end + tail
    got = without_conditions(body)
    assert got == head + b"|" + b"|US|8859/1" + end + b"PID|1||7" + end + tail


def test_without_conditions_of_a_short_header_is_the_message_itself() -> None:
    for body in (b"MSH|^~\\&|A", b"", b"rubbish", b"FHS|^~\\&|||||||||||||AL|AL"):
        assert without_conditions(body) == body
    assert without_conditions(b"MSH|^~\\&|||||||||||||AL") == b"MSH|^~\\&|||||||||||||"

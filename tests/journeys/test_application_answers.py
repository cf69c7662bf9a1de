"""Enhanced mode over real sockets: the accept answer after the commit, the application answer after processing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from channels.mllp_client import Reply, read_reply
from parsers.hl7v2.message import Message
from parsers.mllp import frame
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.played_gateway import Open, PlayedGateway
from tests.support.waiting import until

pytestmark = pytest.mark.journey


def enhanced(body: bytes, accept: bytes = b"AL", application: bytes = b"AL") -> bytes:
    head, _, rest = body.partition(b"\r")
    fields = head.split(b"|")
    fields += [b""] * (16 - len(fields))
    fields[14], fields[15] = accept, application
    return b"|".join(fields) + b"\r" + rest


class Engine:
    """An engine of enhanced mode: it sends, and reads whatever comes."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def send(self, body: bytes) -> None:
        self.writer.write(frame(body))
        await self.writer.drain()

    async def reply(self) -> Reply:
        async with asyncio.timeout(10):
            return read_reply((await self.reader.readuntil(b"\x1c\r"))[1:-2])


@asynccontextmanager
async def engine(played: PlayedGateway, channel: str = "adt") -> AsyncIterator[Engine]:
    opened = Engine(await asyncio.open_connection("127.0.0.1", played.gateway.port_of(channel)))
    yield opened
    opened.writer.close()


async def test_accept_answer_then_application_answer_on_the_same_connection(
    played: PlayedGateway, morning: datetime
) -> None:
    async with engine(played) as one:
        await one.send(enhanced(sent.admit("100", "V100", morning, "C1")))
        replies = [await one.reply(), await one.reply()]
        assert [(reply.code, reply.control_id) for reply in replies] == [("CA", "C1"), ("AA", "C1")]
        header = Message(replies[1].body).segments[0]
        assert (header.text(9), header.text(10), header.text(15), header.text(16)) == ("ACK", "A1.0", "NE", "NE")

        nobody = enhanced(sent.admit("", "V101", morning, "C2"))
        await one.send(nobody)
        assert [(await one.reply()).code, (await one.reply()).code] == ["CA", "AE"]
        await until(lambda: _pending(played, 0))
        await one.send(nobody)  # the same again: the same two answers
        accept, again = await one.reply(), await one.reply()
        assert (accept.code, again.code, again.control_id) == ("CA", "AE", "C2")
        assert b"ERR||PID^1^3|101^" in again.body

        unknown = enhanced(sent.admit("100", "V100", morning, "C3")).replace(b"ADT^A01", b"ADT^Z99")
        await one.send(unknown)
        assert [(await one.reply()).code, (await one.reply()).code] == ["CA", "AR"]

        await one.send(enhanced(sent.admit("102", "V102", morning, "C4"), application=b"ER"))
        assert (await one.reply()).code == "CA"
        await one.send(enhanced(sent.admit("103", "V103", morning, "C5"), accept=b"NE", application=b"SU"))
        last = await one.reply()
        assert (last.code, last.control_id) == ("AA", "C5")  # and none to C4
    await played.settle()
    await played.assert_balanced()
    assert await played.count("replies") == 4


async def test_original_mode_never_gets_a_second_answer(played: PlayedGateway, morning: datetime) -> None:
    await played.accepted("adt", sent.admit("100", "V100", morning, "C1"), sent.admit("", "V101", morning, "C2"))
    assert await played.count("replies") == 0


async def test_application_answer_survives_a_restart_and_finds_its_sender_again(
    played: PlayedGateway, morning: datetime
) -> None:
    async with engine(played) as one, played.gateway.pipeline.between_batches():  # nothing is processed meanwhile
        await one.send(enhanced(sent.admit("100", "V100", morning, "C1")))
        assert (await one.reply()).code == "CA"
    await until(lambda: played.gateway.sources["adt"].connections == 0)
    await until(lambda: _pending(played, 1))
    await played.stop()
    await played.start()
    async with engine(played) as one:
        await one.send(sent.register("G2", morning, "C9"))
        first, second = await one.reply(), await one.reply()
        assert {(reply.code, reply.control_id) for reply in (first, second)} == {("AA", "C9"), ("AA", "C1")}
    await until(lambda: _pending(played, 0))


async def _pending(played: PlayedGateway, count: int) -> bool:
    return await played.count("outbox", "sink = 'adt'") == count


async def test_application_answer_goes_to_the_call_back_connection(
    tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                got.append((await reader.readuntil(b"\x1c\r"))[1:-2])
                asked = Message(got[-1]).segments[0].text(10)
                answer = f"MSH|^~\\&|A|B|C|D|2026||ACK|7|P|2.5.1\rMSA|CA|{asked}\r"
                writer.write(frame(answer.encode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    more = f"""
[[channel]]
name = "twice"
kind = "mllp-listener"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
[channel.callback]
host = "127.0.0.1"
port = {port}
"""
    played = await open_gateway(Ground(tmp_path), more=more)
    async with engine(played, "twice") as one:
        await one.send(enhanced(sent.admit("100", "V100", morning, "C1")))
        assert (await one.reply()).code == "CA"
        await until(lambda: len(got) == 1)
        answer = read_reply(got[0])
        assert (answer.code, answer.control_id) == ("AA", "C1")
        assert Message(got[0]).segments[0].text(15) == "AL"
        await played.settle()
        one.writer.close()
        assert await one.reader.read() == b""  # nothing more on its own connection
    await played.assert_balanced()
    server.close()


async def test_message_that_kills_the_compute_process_is_answered_ae_when_it_is_parked(
    tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    budgets = "[pipeline]\nbudget_seconds = 0.3\nmax_attempts = 2\n"
    played = await open_gateway(Ground(tmp_path), packages=("tests.support.poison",), more=budgets)
    async with engine(played) as one:
        await one.send(enhanced(sent.register("100", morning, "C1", "POISON-EXIT")))
        await one.send(enhanced(sent.register("101", morning, "C2")))
        replies = [await one.reply() for _ in range(4)]
    said = {(reply.code, reply.control_id) for reply in replies}
    assert said == {("CA", "C1"), ("CA", "C2"), ("AE", "C1"), ("AA", "C2")}
    [refused] = [reply for reply in replies if reply.code == "AE"]
    assert b"|207^Application internal error^HL70357|E" in refused.body and b"POISON" not in refused.body
    await played.settle()
    await played.assert_balanced()

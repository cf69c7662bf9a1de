from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
import uvloop

from channels.mllp_listener import MllpListener, MllpListenerSettings
from channels.ports import Answer
from parsers.mllp import frame
from tests.channels.held_intake import HeldIntake

Play = Callable[[Coroutine[Any, Any, None]], None]


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        async with asyncio.timeout(5):
            return (await self.reader.readuntil(b"\x1c\r"))[1:-2]

    async def rest(self) -> bytes:
        """What comes until the listener ends the stream."""
        async with asyncio.timeout(5):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


class House:
    """A listener on a free port, its intake and its peers."""

    def __init__(self, listener: MllpListener, intake: HeldIntake, port: int) -> None:
        self.listener = listener
        self.intake = intake
        self.port = port
        self.peers: list[Peer] = []

    async def connect(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        return peer

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the condition is the listener's own state
                await asyncio.sleep(0.002)


@asynccontextmanager
async def house(automatic: bool = True, **settings: object) -> AsyncIterator[House]:
    intake = HeldIntake(automatic)
    listener = MllpListener(MllpListenerSettings(name="adt", port=0, **settings), intake)  # type: ignore[arg-type]
    opened = House(listener, intake, await listener.start())
    try:
        yield opened
    finally:
        await listener.close()
        for peer in opened.peers:
            await peer.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a scenario on the standard loop and on uvloop."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(scenario)

    return run


def test_listener_one_frame_is_submitted_and_answered(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            peer = await it.connect()
            await peer.send(frame(b"MSH|1"))
            assert await peer.answer() == b"ACK MSH|1"
            [inbound] = it.intake.inbounds
            assert (inbound.channel, inbound.broken, inbound.kind) == ("adt", None, "hl7v2")
            assert inbound.peer == "{}:{}".format(*peer.writer.get_extra_info("sockname"))
            assert inbound.received_at.utcoffset() is not None
            [status] = it.listener.peers
            assert (status.peer, status.frames, status.last_received_at) == (inbound.peer, 1, inbound.received_at)
            assert (it.listener.connections, it.listener.frames) == (1, 1)

    play(scenario())


def test_listener_pipelined_frames_are_answered_in_order(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            peer = await it.connect()
            await peer.send(b"".join(frame(b"MSH|%d" % n) for n in range(500)))
            assert [await peer.answer() for _ in range(500)] == [b"ACK MSH|%d" % n for n in range(500)]

    play(scenario())


def test_listener_answers_that_come_out_of_order_leave_in_order(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(frame(b"A") + frame(b"B") + frame(b"C"))
            await it.intake.until(3)
            for index in (2, 0, 1):
                it.intake.answer(index)
            assert [await peer.answer() for _ in range(3)] == [b"ACK A", b"ACK B", b"ACK C"]

    play(scenario())


def test_listener_answer_without_reply_sends_nothing_and_stays_open(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(frame(b"A") + frame(b"B"))
            await it.intake.until(2)
            it.intake.answer(0, Answer())
            it.intake.answer(1)
            assert await peer.answer() == b"ACK B"

    play(scenario())


def test_listener_closing_answer_without_reply_ends_the_connection_unanswered(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(frame(b"A") + frame(b"B"))
            await it.intake.until(2)
            it.intake.answer(0, Answer(close=True, accepted=False))
            it.intake.answer(1)
            assert await peer.rest() == b""
            await it.until(lambda: it.listener.connections == 0)

    play(scenario())


def test_listener_oversize_frame_is_answered_then_closed_without_reading_on(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False, max_frame=100_000) as it:
            peer = await it.connect()
            peer.writer.write(b"\x0bMSH|" + b"x" * 3_000_000)
            await it.intake.until(1)
            [inbound] = it.intake.inbounds
            assert (inbound.broken, len(inbound.body)) == ("oversize", 65536)
            it.intake.answer(0, Answer(b"AR"))
            assert await peer.answer() == b"AR"
            await it.until(lambda: it.listener.connections == 0)
            assert len(it.intake.inbounds) == 1

    play(scenario())


def test_listener_noise_beyond_the_allowance_is_kept_and_closed(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(b"GET / HTTP/1.1\r\n" * 5000)
            await it.intake.until(1)
            assert it.intake.inbounds[0].broken == "noise"
            it.intake.answer(0, Answer())
            assert await peer.rest() == b""

    play(scenario())


def test_listener_frame_cut_by_close_is_kept_and_not_answered(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            peer = await it.connect()
            await peer.send(frame(b"A") + b"\x0bMSH|cut")
            assert await peer.answer() == b"ACK A"
            peer.writer.transport.abort()
            await it.intake.until(2)
            assert (it.intake.inbounds[1].body, it.intake.inbounds[1].broken) == (b"MSH|cut", "truncated")
            await it.until(lambda: it.listener.connections == 0)

    play(scenario())


def test_listener_half_closed_peer_gets_all_answers(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False, max_unanswered=2) as it:
            peer = await it.connect()
            await peer.send(b"".join(frame(b"%d" % n) for n in range(5)) + b"\x0bMSH|cut")
            peer.writer.write_eof()
            for count in range(1, 7):
                await it.intake.until(count)
                it.intake.answer(count - 1)
            assert await peer.rest() == b"".join(frame(b"ACK %d" % n) for n in range(5))
            assert it.intake.inbounds[5].broken == "truncated"

    play(scenario())


def test_listener_open_frame_over_its_time_is_kept_and_closed(play: Play) -> None:
    async def scenario() -> None:
        async with house(frame_timeout=0.1) as it:
            peer = await it.connect()
            await peer.send(b"\x0bMSH|slow")
            assert await peer.rest() == b""
            assert (it.intake.inbounds[0].body, it.intake.inbounds[0].broken) == (b"MSH|slow", "truncated")

    play(scenario())


def test_listener_open_frame_while_reading_is_paused_is_not_timed_out(play: Play) -> None:
    async def scenario() -> None:
        async with house(frame_timeout=0.1) as it:
            peer = await it.connect()
            await peer.send(b"\x0bMSH|")
            await it.until(lambda: it.listener.peers != [])
            it.listener.pause()
            await asyncio.sleep(0.3)
            it.listener.resume()
            await peer.send(b"1\x1c\r")
            assert await peer.answer() == b"ACK MSH|1"

    play(scenario())


def test_listener_idle_peer_is_closed_when_a_limit_is_set(play: Play) -> None:
    async def scenario() -> None:
        async with house(idle_timeout=0.1) as it:
            peer = await it.connect()
            assert await peer.rest() == b""
            assert it.intake.inbounds == []

    play(scenario())


def test_listener_unanswered_frames_at_the_limit_pause_reading(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False, max_unanswered=3) as it:
            peer = await it.connect()
            await peer.send(b"".join(frame(b"%d" % n) for n in range(10)))
            await it.intake.until(3)
            await asyncio.sleep(0.02)
            assert len(it.intake.inbounds) == 3
            assert [status.reading for status in it.listener.peers] == [False]
            for index in range(10):
                await it.intake.until(index + 1)
                it.intake.answer(index)
            assert [await peer.answer() for _ in range(10)] == [b"ACK %d" % n for n in range(10)]
            await it.until(lambda: [status.reading for status in it.listener.peers] == [True])

    play(scenario())


def test_listener_intake_that_does_not_accept_stops_reading_until_it_does(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            peer = await it.connect()
            it.intake.accept(False)
            await peer.send(frame(b"A"))
            await it.until(lambda: [status.reading for status in it.listener.peers] == [False])
            await peer.send(frame(b"B"))
            await asyncio.sleep(0.02)
            assert b"B" not in it.intake.bodies
            it.intake.accept(True)
            assert [await peer.answer() for _ in range(2)] == [b"ACK A", b"ACK B"]

    play(scenario())


def test_listener_submits_nothing_of_a_new_connection_while_the_intake_is_full(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            it.intake.accept(False)
            it.intake.full = True
            peer = await it.connect()
            await peer.send(frame(b"A"))
            await it.until(lambda: [status.reading for status in it.listener.peers] == [False])
            assert it.intake.bodies == []
            it.intake.full = False
            it.intake.accept(True)
            assert await peer.answer() == b"ACK A"

    play(scenario())


def test_listener_peer_that_does_not_read_its_answers_is_not_read(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False, max_unanswered=1_000_000) as it:
            peer = await it.connect()
            transport = cast(asyncio.Transport, peer.writer.transport)
            transport.pause_reading()
            await peer.send(frame(b"A"))
            await it.intake.until(1)
            it.intake.answer(0, Answer(b"x" * 30_000_000))
            await it.until(lambda: [status.reading for status in it.listener.peers] == [False])
            await peer.send(frame(b"B"))
            await asyncio.sleep(0.02)
            assert it.intake.bodies == [b"A"]
            it.intake.automatic = True
            transport.resume_reading()
            async with asyncio.timeout(10):
                await peer.reader.readexactly(30_000_003)
            assert await peer.answer() == b"ACK B"

    play(scenario())


def test_listener_paused_channel_reads_nothing_from_old_and_new_peers(play: Play) -> None:
    async def scenario() -> None:
        async with house() as it:
            old = await it.connect()
            await it.until(lambda: it.listener.connections == 1)
            it.listener.pause()
            new = await it.connect()
            for peer in (old, new):
                await peer.send(frame(b"A"))
            await asyncio.sleep(0.03)
            assert it.intake.inbounds == []
            it.listener.resume()
            assert [await old.answer(), await new.answer()] == [b"ACK A", b"ACK A"]

    play(scenario())


def test_listener_drain_answers_what_was_submitted_then_closes(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer, idle = await it.connect(), await it.connect()
            await peer.send(frame(b"A") + b"\x0bMSH|half")
            await it.intake.until(1)
            await it.until(lambda: it.listener.connections == 2)
            draining = asyncio.create_task(it.listener.drain(5))
            await asyncio.sleep(0.02)
            assert not draining.done()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", it.port)
            await peer.send(b"more\x1c\r")
            it.intake.answer(0)
            assert await peer.rest() == frame(b"ACK A")
            assert await idle.rest() == b""
            await draining
            assert it.listener.connections == 0
            assert it.intake.bodies == [b"A"]

    play(scenario())


def test_listener_drain_gives_up_at_its_time_limit(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(frame(b"A"))
            await it.intake.until(1)
            await it.listener.drain(0.05)
            assert it.listener.connections == 0

    play(scenario())
    assert "closed with 1 frames unanswered" in caplog.text


def test_listener_connections_over_a_limit_are_refused_with_one_warning(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with house(max_connections_per_peer=2) as it:
            first, second = await it.connect(), await it.connect()
            await it.until(lambda: it.listener.connections == 2)
            for _ in range(5):
                refused = await it.connect()
                try:
                    assert await refused.rest() == b""
                except ConnectionError:
                    pass
            await second.close()
            await it.until(lambda: it.listener.connections == 1)
            third = await it.connect()
            for peer in (first, third):
                await peer.send(frame(b"A"))
                assert await peer.answer() == b"ACK A"

    play(scenario())
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_listener_probe_that_connects_and_closes_logs_nothing_above_debug(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with house() as it:
            for reset in (False, True):
                peer = await it.connect()
                await it.until(lambda: it.listener.connections == 1)
                if reset:
                    peer.writer.transport.abort()
                else:
                    await peer.close()
                await it.until(lambda: it.listener.connections == 0)

    caplog.set_level(logging.DEBUG, "channels")
    play(scenario())
    assert {record.levelno for record in caplog.records if record.name.startswith("channels")} == {logging.DEBUG}


def test_listener_answers_of_one_turn_leave_in_one_write(play: Play) -> None:
    async def scenario() -> None:
        async with house(automatic=False) as it:
            peer = await it.connect()
            await peer.send(b"".join(frame(b"%d" % n) for n in range(20)))
            await it.intake.until(20)
            for index in range(20):
                it.intake.answer(index)
            async with asyncio.timeout(5):
                assert await peer.reader.read(65536) == b"".join(frame(b"ACK %d" % n) for n in range(20))

    play(scenario())

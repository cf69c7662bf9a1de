"""The MLLP listener over TLS, on real sockets and on both event loops."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from channels.mllp_listener import MllpListener, MllpListenerSettings
from channels.ports import Answer
from channels.tls import Tls, TlsFiles
from parsers.mllp import frame
from tests.channels.held_intake import HeldIntake
from tests.support.certificates import Authority, Papers

Play = Callable[[Coroutine[Any, Any, None]], None]


class House:
    """An authority, a listener that asks for its clients' certificates, and who connects."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.papers = self.authority.issue("gateway", file="gateway")
        self.engine = self.authority.issue("ADT-Engine.genhosp.example", dns=("engine-2.genhosp.example",))
        self.intake = HeldIntake()
        self.port = 0
        self.listener: MllpListener
        self.tls: Tls

    async def open(self, mutual: bool = True, handshake_timeout: float = 10.0, **settings: Any) -> None:
        files = TlsFiles(str(self.papers.certificate), str(self.papers.key), str(self.authority.file) if mutual else "")
        self.tls = Tls(files, server=True, handshake_timeout=handshake_timeout)
        self.listener = MllpListener(MllpListenerSettings(name="adt", port=0, **settings), self.intake, tls=self.tls)
        self.port = await self.listener.start()

    @asynccontextmanager
    async def peer(
        self, papers: Papers | None, context: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context or self.authority.client(papers)
        )
        try:
            yield reader, writer
        finally:
            writer.close()

    async def exchange(self, papers: Papers | None, body: bytes = b"MSH|1") -> bytes:
        async with self.peer(papers) as (reader, writer):
            writer.write(frame(body))
            async with asyncio.timeout(5):
                return (await reader.readuntil(b"\x1c\r"))[1:-2]

    async def refused(self, papers: Papers | None) -> str:
        """The reason that the listener counted when this peer was turned away."""
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await self.exchange(papers)
        await self.until(lambda: bool(self.listener.failed_handshakes))
        [(reason, count)] = self.listener.failed_handshakes.items()
        assert count == 1 and self.intake.inbounds == [] and self.listener.connections == 0
        return reason

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the condition is the listener's own state
                await asyncio.sleep(0.002)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, house: House) -> Play:
    """Run a scenario on the standard loop and on uvloop, then close the listener."""

    async def whole(scenario: Coroutine[Any, Any, None]) -> None:
        try:
            await scenario
        finally:
            await house.listener.close()

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole(scenario))

    return run


def test_tls_peer_with_a_certificate_of_the_authority_is_answered_and_named(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        assert await house.exchange(house.engine) == b"ACK MSH|1"
        [inbound] = house.intake.inbounds
        assert inbound.names == ("adt-engine.genhosp.example", "localhost", "engine-2.genhosp.example")
        assert inbound.peer.startswith("127.0.0.1:")

    play(scenario())


def test_tls_many_and_large_frames_are_answered_in_order(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        bodies = [b"MSH|%d|" % n + b"x" * (n * 7000) for n in range(60)]
        async with house.peer(house.engine) as (reader, writer):
            writer.write(b"".join(frame(body) for body in bodies))
            got = [await reader.readuntil(b"\x1c\r") for _ in bodies]
        assert got == [frame(b"ACK " + body[:20]) for body in bodies]
        assert house.intake.bodies == bodies

    play(scenario())


def test_tls_without_an_authority_takes_clients_without_certificates(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open(mutual=False)
        assert await house.exchange(None) == b"ACK MSH|1"
        assert house.intake.inbounds[0].names == ()

    play(scenario())


@pytest.mark.parametrize(
    ("days", "ours", "reason"),
    [
        (-1, True, "certificate-has-expired"),
        (365, False, "unable-to-get-local-issuer-certificate"),
    ],
)
def test_tls_client_with_a_bad_certificate_is_turned_away_counted_and_told(
    play: Play, house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, ours: bool, reason: str
) -> None:
    async def scenario() -> None:
        await house.open()
        signer = house.authority if ours else Authority(tmp_path / "other", "other")
        assert await house.refused(signer.issue("engine", days=days)) == reason
        assert f"1 TLS handshakes failed, last: {reason} from 127.0.0.1" in caplog.text
        assert await house.exchange(house.engine) == b"ACK MSH|1"  # others go on

    with caplog.at_level(logging.WARNING):
        play(scenario())


def test_tls_client_without_a_certificate_is_turned_away(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        assert await house.refused(None) == "peer-did-not-return-a-certificate"

    play(scenario())


def test_tls_old_version_is_turned_away(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        old = house.authority.client(house.engine)
        with pytest.warns(DeprecationWarning):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(OSError):
            async with house.peer(None, old):
                pass
        await house.until(lambda: house.listener.failed_handshakes["unsupported-protocol"] == 1)

    play(scenario())


def test_tls_peer_that_speaks_in_the_clear_is_turned_away_and_nothing_is_stored(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(frame(b"MSH|^~\\&|A|B"))
        async with asyncio.timeout(5):
            assert b"MSH" not in await reader.read()
        writer.close()
        await house.until(lambda: sum(house.listener.failed_handshakes.values()) == 1)
        assert house.intake.inbounds == []

    play(scenario())


def test_tls_handshake_that_hangs_is_cut_and_frees_its_place(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open(handshake_timeout=0.2, max_connections=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        await house.until(lambda: len(house.listener._shaking) == 1)
        second, other = await asyncio.open_connection("127.0.0.1", house.port)
        async with asyncio.timeout(5):
            assert await second.read() == b""  # the only place is taken by who shakes hands
            with pytest.raises(ConnectionError):
                raise ConnectionError if await reader.read() == b"" else AssertionError
        assert house.listener.failed_handshakes == {"time-out": 1}
        writer.close()
        other.close()
        assert await house.exchange(house.engine) == b"ACK MSH|1"

    play(scenario())


def test_tls_new_certificate_is_shown_to_new_peers_and_old_ones_stay(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        async with house.peer(house.engine) as (reader, writer):
            before = writer.get_extra_info("peercert")["serialNumber"]
            house.authority.issue("gateway", file="gateway", days=90)
            assert house.tls.refresh() and not house.tls.refresh()
            async with house.peer(house.engine) as (_, newer):
                assert newer.get_extra_info("peercert")["serialNumber"] != before
            writer.write(frame(b"MSH|old"))
            assert await reader.readuntil(b"\x1c\r") == frame(b"ACK MSH|old")

    play(scenario())


def test_tls_authority_that_changes_takes_its_clients_with_it(play: Play, house: House, tmp_path: Path) -> None:
    async def scenario() -> None:
        await house.open()
        other = Authority(tmp_path / "other", "other")
        newcomer = other.issue("newcomer")
        house.authority.file.rename(tmp_path / "kept.pem")
        (tmp_path / "ca.pem").write_bytes(other.file.read_bytes())
        assert house.tls.refresh()
        context = ssl.create_default_context(cafile=str(tmp_path / "kept.pem"))
        context.load_cert_chain(newcomer.certificate, newcomer.key)
        async with house.peer(None, context) as (reader, writer):
            writer.write(frame(b"MSH|new"))
            assert await reader.readuntil(b"\x1c\r") == frame(b"ACK MSH|new")
        house.authority.file = tmp_path / "kept.pem"
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await house.exchange(house.engine)

    play(scenario())


def test_tls_drain_answers_what_was_taken_and_ends_the_stream(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open()
        house.intake.automatic = False
        async with house.peer(house.engine) as (reader, writer):
            writer.write(frame(b"MSH|1"))
            await house.intake.until(1)
            draining = asyncio.ensure_future(house.listener.drain(5))
            house.intake.answer(0)
            async with asyncio.timeout(5):
                assert await reader.read() == frame(b"ACK MSH|1")
            await draining

    play(scenario())


def test_tls_oversize_frame_is_answered_before_the_close(play: Play, house: House) -> None:
    async def scenario() -> None:
        await house.open(max_frame=2000)
        house.intake.automatic = False
        async with house.peer(house.engine) as (reader, writer):
            writer.write(b"\x0bMSH|" + b"x" * 500_000)
            await house.intake.until(1)
            house.intake.answer(0, Answer(b"NO", close=True))
            async with asyncio.timeout(5):
                assert await reader.read() == frame(b"NO")
        await house.until(lambda: house.listener.connections == 0)

    play(scenario())

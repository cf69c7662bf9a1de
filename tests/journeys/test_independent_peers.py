"""Peers that others wrote, over real sockets, plain and TLS: python-hl7 and hl7apy against our listener and sender."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import hl7
import hl7.client
import hl7.mllp
import pytest
from hl7apy.core import Message as ApyMessage
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

from parsers.hl7v2.header import scan_header
from parsers.mllp import frame
from tests.support import hospital_messages as sent
from tests.support.certificates import Authority, Papers
from tests.support.configuration import Ground
from tests.support.played_gateway import Open
from tests.support.waiting import until

pytestmark = pytest.mark.journey


class House:
    """An authority, the gateway's papers and an engine's."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "tls")
        self.gateway = self.authority.issue("gateway", file="gateway")
        self.engine = self.authority.issue("engine")

    def server(self, papers: Papers) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers.certificate, papers.key)
        context.load_verify_locations(self.authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def secure_listener(self) -> str:
        return f"""
[[channel]]
name = "secure"
kind = "mllp-listener"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
[channel.tls]
certificate = "{self.gateway.certificate}"
key = "{self.gateway.key}"
client_ca = "{self.authority.file}"
"""

    def sender(self, name: str, port: int, *, tls: bool) -> str:
        text = f"""
[[channel]]
name = "{name}"
kind = "mllp-sender"
host = "127.0.0.1"
port = {port}
timeout = 10
default_facility = "general-hospital"
forward = ["adt"]
"""
        if tls:
            text += f"""
[channel.tls]
ca = "{self.authority.file}"
certificate = "{self.gateway.certificate}"
key = "{self.gateway.key}"
"""
        return text


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def exchange_by_python_hl7(port: int, bodies: list[bytes], context: ssl.SSLContext | None) -> list[str]:
    """MSA-1 and MSA-2 of the answers that python-hl7's own client reads."""
    with hl7.client.MLLPClient("127.0.0.1", port) as client:
        if context is not None:
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        answers = [client.send_message(hl7.parse(body.decode())) for body in bodies]
    parsed = [hl7.parse(answer.decode().strip("\x0b\x1c\r")) for answer in answers]
    return [f"{one.segment('MSA')[1]} {one.segment('MSA')[2]}" for one in parsed]


def exchange_by_hl7apy(port: int, bodies: list[bytes], context: ssl.SSLContext | None) -> list[str]:
    """What hl7apy reads in our answers, over a socket as its documentation shows it."""
    found: list[str] = []
    for body in bodies:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            connection = context.wrap_socket(plain, server_hostname="localhost") if context is not None else plain
            connection.sendall(parse_message(body.decode(), find_groups=False).to_mllp().encode())
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += connection.recv(4096)
            read = parse_message(answer[1:-2].decode(), find_groups=False)
            found.append(f"{read.msa.msa_1.value} {read.msa.msa_2.value} {read.msh.msh_9.value}")
            if context is not None:
                connection.close()
    return found


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_python_hl7_and_hl7apy_are_answered_by_the_listener(
    tmp_path: Path, house: House, open_gateway: Open, morning: datetime, secure: bool
) -> None:
    played = await open_gateway(Ground(tmp_path), more=house.secure_listener())
    port = played.gateway.port_of("secure" if secure else "adt")
    context = house.authority.client(house.engine) if secure else None
    bodies = [sent.admit(f"P{n}", f"V{n}", morning, f"C{n}") for n in range(3)]
    assert await asyncio.to_thread(exchange_by_python_hl7, port, bodies, context) == ["AA C0", "AA C1", "AA C2"]
    others = [sent.book("P1", "B1", morning, morning, "C7"), sent.register("P9", morning, "C8")]
    said = await asyncio.to_thread(exchange_by_hl7apy, port, others, context)
    assert said == ["AA C7 ACK^S12^ACK", "AA C8 ACK^A28^ACK"]
    await played.settle()
    assert await played.count("item_end", "word = 'processed'") == 5


class _Taking(AbstractHandler):  # type: ignore[misc]
    """Keeps the message, and answers it with an acknowledgement that hl7apy builds."""

    got: list[str] = []

    def __init__(self, message: str, got: list[str]) -> None:
        super().__init__(message)
        self._got = got

    def reply(self) -> str:
        self._got.append(self.incoming_message)
        asked = parse_message(self.incoming_message, find_groups=False).msh.msh_10.value
        answer = ApyMessage("ACK", version="2.5")
        answer.msa.msa_1, answer.msa.msa_2 = "AA", asked
        return str(answer.to_mllp())


@contextmanager
def hl7apy_server(got: list[str], context: ssl.SSLContext | None) -> Iterator[int]:
    """hl7apy's server, which closes after each answer."""
    types = ("ADT^A01^ADT_A01", "ADT^A28^ADT_A05")
    server = MLLPServer("127.0.0.1", 0, dict.fromkeys(types, (_Taking, got)))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def python_hl7_server(got: list[str], context: ssl.SSLContext | None) -> asyncio.Server:
    async def serve(reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                got.append(str(message))
                writer.writemessage(message.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await hl7.mllp.start_hl7_server(serve, "127.0.0.1", 0, ssl=context)
    assert isinstance(server, asyncio.Server)
    return server


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_sender_feeds_servers_of_hl7apy_and_python_hl7(
    tmp_path: Path, house: House, open_gateway: Open, morning: datetime, secure: bool
) -> None:
    context = house.server(house.engine) if secure else None
    apy: list[str] = []
    other: list[str] = []
    server = await python_hl7_server(other, context)
    with hl7apy_server(apy, context) as port:
        more = house.sender("to-hl7apy", port, tls=secure)
        more += house.sender("to-python-hl7", server.sockets[0].getsockname()[1], tls=secure)
        played = await open_gateway(Ground(tmp_path), more=more)
        bodies = [sent.admit(f"P{n}", f"V{n}", morning, f"C{n}") for n in range(5)]
        bodies.append(sent.register("P9", morning, "C9"))
        await played.client_send("adt", *bodies)
        await until(lambda: len(apy) == len(other) == 6)
        await played.settle()
        for got in (apy, other):
            ids = [scan_header(one.encode()).control_id for one in got]
            assert ids == [b"C0", b"C1", b"C2", b"C3", b"C4", b"C9"]
        assert [one.strip().encode() for one in apy] == [body.strip() for body in bodies]
        await played.assert_balanced()
    server.close()


def test_frames_are_the_same_as_those_of_hl7apy(morning: datetime) -> None:
    body = sent.register("P1", morning, "C1")
    assert parse_message(body.decode(), find_groups=False).to_mllp().encode().strip(b"\r") == frame(
        body.rstrip(b"\r") + b"\r"
    ).strip(b"\r")

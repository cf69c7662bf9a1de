"""The MLLP client against a peer that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from channels.mllp_client import MllpClient, PeerLost, Reply, read_reply

MESSAGE = b"MSH|^~\\&|A|B|C|D|20260302||ADT^A01|ID7|P|2.5\rPID|1\r"
ANSWER = b"MSH|^~\\&|C|D|A|B|20260302||ACK^A01|X|P|2.5\rMSA|AA|ID7\r"


def framed(body: bytes) -> bytes:
    return b"\x0b" + body + b"\x1c\r"


@asynccontextmanager
async def peer(answer: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A peer that reads one frame at a time and lets `answer` write; (port, what it read)."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                got.append(await reader.readuntil(b"\x1c\r"))
                answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


async def test_client_sends_a_frame_and_reads_the_answer() -> None:
    async with peer(lambda writer: writer.write(framed(ANSWER))) as (port, got):
        client = MllpClient("127.0.0.1", port, timeout=5)
        reply = await client.send(MESSAGE)
        again = await client.send(MESSAGE)
        await client.close()
    assert got == [framed(MESSAGE)] * 2
    assert (reply.code, reply.control_id, reply.accepted) == ("AA", "ID7", True) and again == reply


@pytest.mark.parametrize(
    "answer",
    [
        lambda writer: writer.close(),
        lambda writer: None,
        lambda writer: writer.write(b"x" * 70000),
    ],
    ids=["closes", "silent", "noise"],
)
async def test_client_without_an_answer_is_closed_and_connects_again(
    answer: Callable[[asyncio.StreamWriter], None],
) -> None:
    answers = iter([answer, lambda writer: writer.write(framed(ANSWER))])
    async with peer(lambda writer: next(answers)(writer)) as (port, _):
        client = MllpClient("127.0.0.1", port, timeout=0.5)
        with pytest.raises(PeerLost):
            await client.send(MESSAGE)
        assert (await client.send(MESSAGE)).accepted
        await client.close()


async def test_client_without_a_peer_raises() -> None:
    with pytest.raises(PeerLost):
        await MllpClient("127.0.0.1", 1, timeout=2).send(MESSAGE)


@pytest.mark.parametrize(
    ("body", "code", "control_id"),
    [
        (ANSWER, "AA", "ID7"),
        (ANSWER.replace(b"|AA|", b"|AE|"), "AE", "ID7"),
        (b"MSH|^~\\&|C\r", "", ""),
        (b"hello", "", ""),
        (b"", "", ""),
    ],
)
def test_reply_is_read_from_msa(body: bytes, code: str, control_id: str) -> None:
    assert read_reply(body) == Reply(code, control_id, body)

"""Requests to a payer's endpoint of our own making: what is sent, and what is believed of what comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.core_http import CoreLine, CoreServer
from channels.core_ports import NotAsked
from channels.tls import Tls, TlsFiles
from parsers.core.envelope import REAL_TIME, SUBMIT
from tests.gateway.core.fake_payer import FakePayer
from tests.parsers.core.core_messages import ANSWER, REQUEST
from tests.support.certificates import Authority

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.fixture
async def payer() -> AsyncIterator[FakePayer]:
    made = FakePayer(lambda fields: ANSWER)
    yield made
    await made.stop()


def line_to(payer: FakePayer, *, scheme: str = "http", tls: Tls | None = None, **given: object) -> CoreLine:
    server = CoreServer(
        url=f"{scheme}://127.0.0.1:{payer.port}/core",
        user="u",
        password="p & q",
        sender_id="BATON",
        receiver_id="PAYER",
        answer_seconds=0.5,
        **given,  # type: ignore[arg-type]
    )
    return CoreLine(server, lambda: NOW, tls)


async def refused(line: CoreLine) -> tuple[str, bool]:
    with pytest.raises(NotAsked) as problem:
        await line.send(REAL_TIME, line.fields(REAL_TIME, "X12_270_Request_005010X279A1", REQUEST), REQUEST)
    await line.close()
    return problem.value.code, problem.value.later


@pytest.mark.parametrize("form", ["soap", "mime"])
async def test_request_says_everything_that_the_envelope_wants(payer: FakePayer, form: str) -> None:
    await payer.start()
    line = line_to(payer, form=form)
    for kind in (REAL_TIME, SUBMIT):
        fields = line.fields(kind, "X12_270_Request_005010X279A1", REQUEST)
        assert (await line.send(kind, fields, REQUEST)).payload == ANSWER
    await line.close()
    one, batch = payer.asked
    assert (one["TimeStamp"], one["CORERuleVersion"], one["ProcessingMode"]) == (
        "2026-03-02T14:30:00Z",
        "2.2.0",
        "RealTime",
    )
    assert (one.get("Username") or one["UserName"], one["Password"]) == ("u", "p & q")
    assert one["Payload"].encode() == batch["Payload"].encode() == REQUEST
    assert (batch["PayloadLength"], len(batch["CheckSum"])) == (str(len(REQUEST)), 40)
    assert "PayloadLength" not in one and one["PayloadID"] != batch["PayloadID"]


async def test_answer_that_may_not_be_believed_is_told_apart_by_whose_fault_it_is(payer: FakePayer) -> None:
    await payer.start()
    payer.error = "PayloadTypeIllegal"
    assert await refused(line_to(payer)) == ("PayloadTypeIllegal", False)
    payer.error = "Receiver"
    assert await refused(line_to(payer)) == ("Receiver", True)
    payer.error, payer.answer = "Success", lambda fields: b'{"error": "busy"}'
    assert await refused(line_to(payer)) == ("PayloadIllegal", True)
    payer.status = 503
    assert await refused(line_to(payer)) == ("http-503", True)
    payer.status, payer.hold = 200, asyncio.Event()
    assert await refused(line_to(payer)) == ("time-out", True)


async def test_answer_longer_than_the_channel_takes_is_not_read_on(payer: FakePayer) -> None:
    await payer.start()
    payer.answer = lambda fields: b"ISA" + b"x" * 200_000
    assert await refused(line_to(payer, max_body=65536)) == ("too-long", False)


async def test_server_nobody_listens_at_is_no_answer(payer: FakePayer) -> None:
    await payer.start()
    await payer.stop()
    assert await refused(line_to(payer)) == ("no-connection", True)
    await payer.start()


async def test_certificates_are_checked_on_both_sides(payer: FakePayer, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger")
    ours, theirs = authority.issue("baton.example"), authority.issue("payer.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(theirs.certificate, theirs.key)
    context.verify_mode = ssl.CERT_REQUIRED
    await payer.start(context)

    def with_files(ca: Path, *, shown: bool) -> Tls:
        files = TlsFiles(str(ours.certificate), str(ours.key), str(ca)) if shown else TlsFiles(ca=str(ca))
        return Tls(files, server=False)

    good = line_to(payer, scheme="https", tls=with_files(authority.file, shown=True))
    fields = good.fields(REAL_TIME, "X12_270_Request_005010X279A1", REQUEST)
    assert (await good.send(REAL_TIME, fields, REQUEST)).payload == ANSWER
    await good.close()
    for ca, shown in ((stranger.file, True), (authority.file, False)):
        code, later = await refused(line_to(payer, scheme="https", tls=with_files(ca, shown=shown)))
        assert later and code in ("no-connection", "no-answer")  # TLS 1.3 tells a client late that it is not let in
    assert len(payer.asked) == 1

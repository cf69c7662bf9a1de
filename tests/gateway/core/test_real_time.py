"""Real-time requests of peers that we did not write: zeep over the served WSDL, requests, curl."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import zeep
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from parsers.x12.interchange import read_interchanges
from tests.gateway.core.conftest import Ground, Grounds
from tests.parsers.core.core_messages import ANSWER, FIELDS, REQUEST, mime, soap
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ask_by_zeep(url: str, operation: str, fields: dict[str, str], payload: Any) -> Any:
    session = requests.Session()
    session.auth = ("baton", "secret")
    client = zeep.Client(f"{url}?wsdl", transport=Transport(session=session), wsse=UsernameToken("baton", "secret"))
    return getattr(client.service, operation)(**fields, Payload=payload)


def ask_by_requests(url: str, fields: dict[str, str], payload: bytes, password: str = "secret") -> requests.Response:
    parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
    parts |= {"UserName": (None, "baton"), "Password": (None, password), "Payload": (None, payload)}
    return requests.post(url, files=parts, timeout=30)


def fresh(**changes: str) -> dict[str, str]:
    return {**FIELDS, "PayloadID": str(uuid4()), **changes}


async def test_real_time_by_zeep_is_relayed_and_both_halves_are_kept(ground: Ground) -> None:
    fields = fresh()
    answer = await asyncio.to_thread(ask_by_zeep, ground.url, "RealTimeTransaction", fields, REQUEST.decode())
    assert (answer.ErrorCode, answer.ErrorMessage, answer.PayloadID) == ("Success", "None", fields["PayloadID"])
    assert answer.PayloadType == "X12_271_Response_005010X279A1" and answer.Payload.encode() == ANSWER
    assert (answer.SenderID, answer.ReceiverID) == ("PAYER", "HOSPITAL")
    asked = ground.payer.asked[0]
    assert (asked["Username"], asked["Password"], asked["SenderID"]) == ("baton-at-payer", "payer-secret", "BATON")
    assert asked["Payload"].encode() == REQUEST and asked["PayloadID"] != fields["PayloadID"]
    assert await ground.bodies() == [("core", REQUEST), ("bigpayer", ANSWER)]
    assert await ground.exchanges("hospital") == await ground.exchanges("bigpayer") == [("real-time", "Success")]


async def test_real_time_same_payload_id_gets_the_stored_answer_and_another_payload_is_refused(ground: Ground) -> None:
    fields = fresh()
    first, second = [
        await asyncio.to_thread(ask_by_requests, ground.url, fields, REQUEST),
        await asyncio.to_thread(ask_by_requests, ground.url, fields, REQUEST),
    ]
    assert first.status_code == second.status_code == 200 and ANSWER in first.content and ANSWER in second.content
    assert len(ground.payer.asked) == 1
    other = await asyncio.to_thread(ask_by_requests, ground.url, fields, REQUEST.replace(b"TR101", b"TR102"))
    assert b"PayloadIDIllegal" in other.content and len(ground.payer.asked) == 1
    again = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), REQUEST)
    assert ANSWER in again.content and len(ground.payer.asked) == 2  # another PayloadID is another request


async def test_real_time_copies_at_once_ask_the_payer_once(ground: Ground) -> None:
    ground.payer.hold = asyncio.Event()
    fields = fresh()
    asking = [asyncio.create_task(asyncio.to_thread(ask_by_requests, ground.url, fields, REQUEST)) for _ in range(3)]
    await until(lambda: bool(ground.payer.asked))
    ground.payer.hold.set()
    answers = await asyncio.gather(*asking)
    assert all(ANSWER in answer.content for answer in answers) and len(ground.payer.asked) == 1


async def test_real_time_more_than_the_payer_is_asked_at_once_wait_their_turn(grounds: Grounds) -> None:
    ground = await grounds.open(client="requests_at_once = 2")
    ground.payer.hold = asyncio.Event()
    asking = [asyncio.create_task(asyncio.to_thread(ask_by_requests, ground.url, fresh(), REQUEST)) for _ in range(4)]
    while len(await ground.bodies()) < 4:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.02)
    await until(lambda: len(ground.payer.asked) >= 2)
    ours = await asyncio.to_thread(ask_by_requests, ground.url, fresh(ReceiverID="BATON"), REQUEST)
    assert b"ST*999" in ours.content and len(ground.payer.asked) == 2  # a whole request later
    ground.payer.hold.set()
    answers = await asyncio.gather(*asking)
    assert all(ANSWER in answer.content for answer in answers) and len(ground.payer.asked) == 4


async def test_real_time_by_curl_multipart(ground: Ground) -> None:
    given = [f"-F{name}={value}" for name, value in fresh().items()] + ["-FUserName=BATON", "-FPassword=secret"]
    command = ["curl", "-s", *given, f"-FPayload={REQUEST.decode()}", ground.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert ANSWER in out and b"Success" in out


async def test_real_time_payer_down_is_answered_with_aaa_42(ground: Ground) -> None:
    ground.payer.status = 503
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), with_payer(REQUEST))
    interchange = next(read_interchanges(x12_of(answer.content)))
    assert interchange.error is None and interchange.groups[0].sets[0].id == "271"
    assert b"~AAA*Y**42*P~" in answer.content and b"NM1*PR*2*BIG PAYER" in answer.content
    assert b"X12_271_Response_005010X279A1" in answer.content and b"{ISA13}" not in answer.content
    assert await ground.exchanges("hospital") == [("real-time", "Receiver")]


async def test_real_time_payer_too_slow_is_answered_with_aaa_80_and_his_answer_is_kept(grounds: Grounds) -> None:
    ground = await grounds.open(answer_seconds="0.3")
    ground.payer.hold = asyncio.Event()
    fields = fresh()
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fields, with_payer(REQUEST))
    assert b"~AAA*Y**80*P~" in answer.content
    assert await ground.exchanges("hospital") == [("real-time", "TimedOut")]
    ground.payer.hold.set()
    while await ground.exchanges("bigpayer") != [("real-time", "Success")]:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.02)
    assert ("bigpayer", ANSWER) in await ground.bodies()
    again = await asyncio.to_thread(ask_by_requests, ground.url, fields, with_payer(REQUEST))
    assert ANSWER in again.content and len(ground.payer.asked) == 1  # the same request again gets the real answer


async def test_real_time_answer_that_is_no_x12_is_not_believed(ground: Ground) -> None:
    ground.payer.answer = lambda fields: b'{"error": "try later"}'
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), with_payer(REQUEST))
    assert b"~AAA*Y**42*P~" in answer.content and b"try later" not in answer.content
    assert await ground.exchanges("bigpayer") == [("real-time", "PayloadIllegal")]


async def test_real_time_without_a_payer_behind_us_gets_the_gateways_999(ground: Ground) -> None:
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(ReceiverID="BATON"), REQUEST)
    assert b"X12_999_Response_005010X231A1" in answer.content and b"AK1*HS*101" in answer.content
    assert not ground.payer.asked


async def test_real_time_broken_interchange_gets_ta1_and_is_not_relayed(ground: Ground) -> None:
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), REQUEST.replace(b"IEA*1*", b"IEA*2*"))
    assert b"X12_TA1_Response_00501X231A1" in answer.content and b"*R*021" in answer.content
    assert not ground.payer.asked


WRONG = [
    ("multipart/form-data; boundary=XbX", mime(FIELDS, b"{}"), 200, b"PayloadIllegal"),
    ("multipart/form-data; boundary=XbX", mime({**FIELDS, "SenderID": "X"}, REQUEST), 200, b"SenderIDIllegal"),
    ("multipart/form-data; boundary=XbX", b"nothing", 400, b"no CORE envelope"),
    ("application/soap+xml", soap({**FIELDS, "CORERuleVersion": "9"}, "ISA"), 200, b"<ErrorCode>VersionMismatch"),
    ("application/soap+xml", soap(FIELDS, "x", before="<!DOCTYPE a>"), 400, b"soap:Sender"),
    ("application/soap+xml", b"<a/>", 400, b"soap:Sender"),
    ("text/xml", soap(FIELDS, "x").replace(b"2003/05", b"2001/01"), 500, b"soap:VersionMismatch"),
    ("multipart/form-data; boundary=XbX", mime(FIELDS, REQUEST).replace(b"secret", b"wrong"), 403, b"UnAuthorized"),
    ("application/soap+xml", soap(FIELDS, "x").replace(b"secret", b"wrong"), 403, b"UnAuthorized"),
    ("application/soap+xml", soap(FIELDS, "x").replace(b">baton<", b">nobody<"), 403, b"UnAuthorized"),
]


async def test_endpoint_wrong_request_gets_a_clear_answer(ground: Ground) -> None:
    async with httpx.AsyncClient() as client:
        for content_type, body, status, inside in WRONG:
            answer = await client.post(ground.url, content=body, headers={"Content-Type": content_type})
            assert answer.status_code == status and inside in answer.content, inside
    assert await ground.bodies() == []


async def test_endpoint_stranger_is_refused_before_his_payload_is_read(grounds: Grounds) -> None:
    ground = await grounds.open(endpoint="max_body = 16777216")
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield mime(FIELDS, None).replace(b"secret", b"wrong")[:-9] + b"--XbX\r\n"
        for _ in range(200):
            sent += 1
            yield b"x" * 65536
            await asyncio.sleep(0)

    async with httpx.AsyncClient() as client:
        try:
            answer = await client.post(
                ground.url, content=endless(), headers={"Content-Type": "multipart/form-data; boundary=XbX"}
            )
            assert answer.status_code == 403
        except httpx.TransportError:
            pass  # the connection was closed while we still wrote
    assert sent < 200


async def test_endpoint_too_long_body_paused_channel_and_other_paths(grounds: Grounds) -> None:
    ground = await grounds.open(endpoint="max_body = 65536\nmax_in_work = 65536\nbody_seconds = 0.3")
    kind = {"Content-Type": "multipart/form-data; boundary=XbX"}
    async with httpx.AsyncClient() as client:
        assert (await client.post(ground.url, content=mime(FIELDS, b"x" * 70_000), headers=kind)).status_code == 413
        assert (await client.post(f"{ground.url}/else", content=b"", headers=kind)).status_code == 404
        assert (await client.put(ground.url, content=b"")).status_code == 405
        assert (await client.get(f"{ground.url}?wsdl")).status_code == 401
        assert (await client.get(f"{ground.url}?wsdl", auth=("baton", "secret"))).status_code == 200
        assert await dripped(ground) == b"HTTP/1.1 408"
        await ground.gateway.pause_channel("core", "test")
        paused = await client.post(ground.url, content=mime(FIELDS, REQUEST), headers=kind)
        assert paused.status_code == 503 and paused.headers["retry-after"] == "90"
        await ground.gateway.resume_channel("core", "test")
        assert (await client.post(ground.url, content=mime(FIELDS, REQUEST), headers=kind)).status_code == 200


async def dripped(ground: Ground) -> bytes:
    """How a request ends whose body never comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.gateway.port_of("core"))
    writer.write(b"POST /core HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer[:12]


async def test_endpoint_logs_hold_no_value_of_a_message(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ground.payer.status = 503
        document = with_payer(REQUEST).replace(b"TR101", b"ZZCANARY")
        await asyncio.to_thread(ask_by_requests, ground.url, fresh(), document)
        await asyncio.to_thread(ask_by_requests, ground.url, fresh(), document, "ZZCANARY")
    ours = [r.getMessage() for r in caplog.records if r.name.split(".")[0] in ("channels", "gateway", "uvicorn")]
    assert not any("ZZCANARY" in text or "secret" in text or "payer-secret" in text for text in ours)


def with_payer(document: bytes) -> bytes:
    return document.replace(b"~SE*3*", b"~HL*1**20*1~NM1*PR*2*BIG PAYER*****PI*12345~SE*5*")


def x12_of(content: bytes) -> bytes:
    return content[content.index(b"ISA*") :]


async def test_endpoint_refused_sender_who_still_writes_sees_the_answer(grounds: Grounds) -> None:
    """A whole body behind a wrong password, or one that is too long: the answer comes and not a broken connection."""
    ground = await grounds.open(endpoint="max_body = 1048576")
    kind = {"Content-Type": "multipart/form-data; boundary=XbX"}
    stranger = mime(FIELDS, REQUEST + b"x" * 500_000).replace(b"secret", b"wrong")
    tries: list[tuple[bytes, dict[str, str], int]] = [
        (stranger, kind, 403),
        (mime(FIELDS, b"x" * 3_000_000), kind, 413),
        (b"{}" * 300_000, {"Content-Type": "application/json"}, 415),
        (mime(FIELDS, b"x" * 300_000), {**kind, "Content-Encoding": "gzip"}, 415),
    ]
    for body, headers, status in tries:
        answer = await asyncio.to_thread(requests.post, ground.url, data=body, headers=headers, timeout=30)
        assert answer.status_code == status

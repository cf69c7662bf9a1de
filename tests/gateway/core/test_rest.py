"""Rule version 4.0.0 over mutual TLS: by requests and curl to our endpoint, by our client to it, and to others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests

from tests.gateway.core.conftest import Ground, Grounds
from tests.gateway.core.test_batch import of
from tests.gateway.core.test_real_time import ask_by_requests, fresh
from tests.parsers.core.core_messages import ANSWER, FIELDS, REQUEST, UUID, mime
from tests.support.certificates import Authority, Papers
from tests.support.core_load import inquiry
from tests.support.token_issuer import AUDIENCE, ISSUER, Issuer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINT = """
[channel.tls]
certificate = "{ours.certificate}"
key = "{ours.key}"
client_ca = "{ca}"
[channel.rest]
issuer = "{issuer}"
audience = "{audience}"
keys = "{keys}"
"""
PARTNER = """
[[channel.partner]]
name = "clinic"
client_id = "clinic-client"
certificate = ["clinic.example"]
relay = { "PAYER" = "bigpayer" }
"""
ASKED = {"PayloadType": FIELDS["PayloadType"], "SenderID": "CLINIC", "ReceiverID": "PAYER"}


@dataclass
class Peer:
    """A partner's own program."""

    ground: Ground
    issuer: Issuer
    papers: Papers
    ca: Path

    @property
    def url(self) -> str:
        return self.ground.url.replace("http:", "https:")

    def call(self, path: str, body: Any = None, *, token: str | None = None, **given: Any) -> requests.Response:
        token = self.issuer.token("clinic-client") if token is None else token
        headers = {"Authorization": f"Bearer {token}"} | given.pop("headers", {})
        pair = given.pop("cert", (str(self.papers.certificate), str(self.papers.key)))
        method = given.pop("method", "GET" if body is None else "POST")
        return requests.request(
            method, self.url + path, json=body, headers=headers, cert=pair, verify=str(self.ca), timeout=30, **given
        )

    async def ask(self, *args: Any, **given: Any) -> requests.Response:
        return await asyncio.to_thread(self.call, *args, **given)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TEST_PAYER_PASSWORD", "payer-secret")
        folder = tmp_path_factory.mktemp("rest")
        authority, issuer, grounds = Authority(folder, "ca"), Issuer(folder), Grounds(folder)
        ours = authority.issue("127.0.0.1")
        lines = ENDPOINT.format(ours=ours, ca=authority.file, issuer=ISSUER, audience=AUDIENCE, keys=issuer.keys)
        ground = await grounds.open(endpoint=lines, partner=PARTNER)
        yield Peer(ground, issuer, authority.issue("clinic.example", dns=("clinic.example",)), authority.file)
        await grounds.close()


@pytest.fixture
def peer(opened: Peer) -> Peer:
    opened.ground.fresh()
    return opened


async def test_rest_real_time_is_relayed_and_answered_in_json(peer: Peer) -> None:
    answer = await peer.ask("/v1/real-time", {**ASKED, "Payload": REQUEST.decode()})
    said = answer.json()
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert (said["ErrorCode"], said["CORERuleVersion"], said["SenderID"]) == ("Success", "4.0.0", "PAYER")
    assert said["Payload"].encode() == ANSWER and len(said["PayloadID"]) == 36
    assert await peer.ground.bodies() == [("core", REQUEST), ("bigpayer", ANSWER)]
    again = await peer.ask("/v1/real-time", {**ASKED, "PayloadID": said["PayloadID"], "Payload": REQUEST.decode()})
    assert again.json()["Payload"].encode() == ANSWER and len(peer.ground.payer.asked) == 1


async def test_rest_real_time_by_curl_in_multipart(peer: Peer) -> None:
    given = [f"-F{name}={value}" for name, value in ASKED.items()]
    command = ["curl", "-s", "--cacert", str(peer.ca), "--cert", str(peer.papers.certificate), "--key"]
    command += [str(peer.papers.key), "-H", f"Authorization: Bearer {peer.issuer.token('clinic-client')}"]
    process = await asyncio.create_subprocess_exec(
        *command, *given, f"-FPayload={REQUEST.decode()}", f"{peer.url}/v1/real-time", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert ANSWER in out and b"Success" in out and b'name="CORERuleVersion"\r\n\r\n4.0.0' in out


async def test_rest_batch_is_taken_once_and_its_acknowledgement_fetched(peer: Peer) -> None:
    body = {**ASKED, "ReceiverID": "BATON", "Payload": inquiry(901).decode()}
    first, again = [await peer.ask("/v1/batches", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["PayloadID"] == again.json()["PayloadID"]  # without one of the partner's it is told by content
    assert first.json()["PayloadType"] == "X12_BatchReceiptConfirmation" and "Payload" not in first.json()
    where = first.headers["location"].removeprefix("/core")
    async with asyncio.timeout(20):
        while True:
            answer = await peer.ask(where)
            assert answer.status_code == 200 and answer.json()["ErrorCode"] == "Success"
            if "AK1*HS*901*" in answer.json().get("Payload", ""):
                break
            await asyncio.sleep(0.05)
    nothing = await peer.ask(where.replace("acknowledgement", "results"))
    assert nothing.json()["PayloadType"] == "X12_005010_Response_NoBatchResultsFile"
    assert [row["kind"] for row in await peer.ground.rows("clinic")] == ["submit"]


async def test_rest_wants_certificate_and_token_of_one_partner(peer: Peer, tmp_path: Path) -> None:
    body = {**ASKED, "Payload": REQUEST.decode()}
    for token, status, challenge in (
        ("", 401, 'Bearer realm="core"'),
        ("nonsense", 401, 'Bearer realm="core", error="invalid_token"'),
        (peer.issuer.token("clinic-client", seconds=-99), 401, 'Bearer realm="core", error="invalid_token"'),
        (peer.issuer.token("somebody"), 403, None),
    ):
        answer = await peer.ask("/v1/real-time", body, token=token)
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (status, challenge)
    with pytest.raises(requests.exceptions.RequestException):
        await peer.ask("/v1/real-time", body, cert=None)
    assert await peer.ground.bodies() == []


async def test_rest_wrong_request_gets_a_clear_answer(peer: Peer) -> None:
    async def said(path: str, body: Any = None, **given: Any) -> tuple[int, str]:
        answer = await peer.ask(path, body, **given)
        kind = answer.headers["content-type"]
        return answer.status_code, answer.json()["ErrorCode"] if kind == "application/json" else answer.text

    good = {**ASKED, "Payload": REQUEST.decode()}
    assert await said("/v1/real-time", good | {"Payload": "{}"}) == (400, "PayloadIllegal")
    assert await said("/v1/real-time", good | {"SenderID": ""}) == (400, "SenderIDRequired")
    assert await said("/v1/real-time", good | {"CORERuleVersion": "2.2.0"}) == (400, "VersionMismatch")
    assert await said("/v1/real-time", good | {"PayloadID": "x"}) == (400, "PayloadIDIllegal")
    assert await said("/v1/real-time", good | {"ProcessingMode": "Batch"}) == (400, "ProcessingModeIllegal")
    assert await said("/v1/batches", good | {"CheckSum": "0" * 40}) == (400, "ChecksumMismatched")
    assert (await said("/v1/real-time", [1]))[0] == 400
    assert (await said("/v1/real-time", data=b"<a/>", method="POST", headers={"Content-Type": "text/xml"}))[0] == 415
    assert (await said("/v1/real-time"))[0] == 405
    assert (await said("/v1/elsewhere", good))[0] == 404
    wrong = {"method": "POST", "data": mime(FIELDS, REQUEST), "headers": {"Content-Type": "multipart/form-data"}}
    assert (await said(f"/v1/batches/{UUID}/results", **wrong))[0] == 405
    assert await peer.ground.bodies() == []


OTHER = """
form = "rest"
token_url = "http://127.0.0.1:{token_port}/token"
client_id = "baton & co"
client_secret_env = "TEST_CLIENT_SECRET"
scope = "core"
paths = {{ "real-time" = "/v2/eligibility" }}
"""


class OtherServer:
    """A payer's REST server and token server of our own making for tests: asyncio streams and json alone."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.tokens = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        raw = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append((method, path, raw, body))
        status, said = self._answer(method, path, headers, body)
        content = json.dumps(said).encode() if said is not None else b""
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path == "/token":
            self.tokens += 1
            return 200, {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 300}
        if headers.get("authorization") == "bearer token-1":
            return 401, None  # withdrawn
        if method == "POST" and path == "/core/v2/eligibility":
            return 200, {"ErrorCode": "Success", "Payload": ANSWER.decode()}
        return (202, None) if method == "POST" else (204, None)


async def test_rest_client_gets_a_token_again_when_it_is_withdrawn_and_uses_the_partners_paths(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CLIENT_SECRET", "s+/=")
    server = OtherServer()
    port = await server.start()
    given = OTHER.format(token_port=port)
    ground = await grounds.open(client=given, payer_port=str(port))
    answers = [await asyncio.to_thread(ask_by_requests, ground.url, fresh(), inquiry(n)) for n in (1, 2)]
    assert all(ANSWER in answer.content for answer in answers)
    asked = [(method, path) for method, path, _, _ in server.asked]
    assert asked == [
        ("POST", "/token"),
        ("POST", "/core/v2/eligibility"),
        ("POST", "/token"),
        ("POST", "/core/v2/eligibility"),
        ("POST", "/core/v2/eligibility"),
    ]
    _, _, headers, body = server.asked[0]
    assert body == b"grant_type=client_credentials&scope=core"
    assert headers["Authorization"] == "Basic YmF0b24rJTI2K2NvOnMlMkIlMkYlM0Q="  # both form-encoded, RFC 6749 2.3.1
    said = json.loads(server.asked[-1][3])
    assert (said["CORERuleVersion"], said["ProcessingMode"]) == ("4.0.0", "RealTime")
    server.stop()


async def test_rest_client_and_endpoint_do_a_batch_together(
    grounds: Grounds, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hospital -> our endpoint -> our client -> (REST, mutual TLS) -> another gateway's endpoint, and back."""
    monkeypatch.setenv("TEST_CLIENT_SECRET", "x")
    server = OtherServer()
    server._answer = lambda *_: (200, {"access_token": peer.issuer.token("clinic-client")})  # type: ignore[method-assign]
    port = await server.start()
    lines = OTHER.format(token_port=port).replace('paths = { "real-time" = "/v2/eligibility" }', "")
    lines += f'certificate = "{peer.papers.certificate}"\nkey = "{peer.papers.key}"\nauthority = "{peer.ca}"\n'
    near = await grounds.open(client=lines, payer_port=str(peer.ground.gateway.port_of("core")), client_scheme="https")
    batch = {k: v for k, v in of("270", UUID).items() if k not in ("PayloadLength", "CheckSum")}
    receipt = await asyncio.to_thread(ask_by_requests, near.url, batch, inquiry(77))
    assert b"X12_BatchReceiptConfirmation" in receipt.content
    async with asyncio.timeout(30):
        while ("ack-retrieval", "Success") not in await near.exchanges("bigpayer"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)
    assert ("bigpayer", b"AK1*HS*77*") in [(name, body[body.find(b"AK1") :][:10]) for name, body in await near.bodies()]
    assert ("submit", "Success") in await peer.ground.exchanges("clinic")
    server.stop()

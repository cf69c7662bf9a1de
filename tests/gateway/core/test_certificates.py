"""Client certificates of partners at the endpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.gateway.core.conftest import HASH, Grounds
from tests.parsers.core.core_messages import FIELDS, REQUEST, mime
from tests.support.certificates import Authority, Papers

pytestmark = pytest.mark.asyncio(loop_scope="module")

TLS = """
[channel.tls]
certificate = "{certificate}"
key = "{key}"
client_ca = "{ca}"
"""
BY_CERTIFICATE = """
[[channel.partner]]
name = "clinic"
certificate = ["clinic.example"]
[[channel.partner]]
name = "lab"
user = "lab"
password_hash = "{hash}"
certificate = ["lab.example"]
"""


async def test_certificate_names_the_partner_and_holds_his_password_to_it(grounds: Grounds, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    ours = authority.issue("127.0.0.1")
    lines = TLS.format(certificate=ours.certificate, key=ours.key, ca=authority.file)
    ground = await grounds.open(endpoint=lines, partner=BY_CERTIFICATE.format(hash=HASH))
    url = ground.url.replace("http:", "https:")

    async def ask(papers: Papers | None, user: str = "", password: str = "secret") -> int | str:
        body = mime({**FIELDS, "PayloadID": str(uuid4()), "ReceiverID": "BATON"}, REQUEST)
        body = body.replace(b"baton", user.encode(), 1).replace(b"secret", password.encode(), 1)
        context = await asyncio.to_thread(authority.client, papers)
        async with httpx.AsyncClient(verify=context) as client:
            try:
                kind = {"Content-Type": "multipart/form-data; boundary=XbX"}
                return (await client.post(url, content=body, headers=kind)).status_code
            except httpx.TransportError:
                return "no connection"

    clinic, lab, other = (authority.issue(name, dns=(name,)) for name in ("clinic.example", "lab.example", "o.example"))
    assert await ask(None) == "no connection"
    assert await ask(clinic) == 200  # the certificate is enough
    assert await ask(other) == 403
    assert await ask(lab) == 403  # his password is wanted too
    assert await ask(lab, "lab") == 200
    assert await ask(clinic, "lab") == 403  # the right password with another's certificate
    assert await ask(other, "baton") == 200  # of a partner without names in the settings the password is enough
    assert [kind for kind, _ in await ground.exchanges("clinic")] == ["real-time"]

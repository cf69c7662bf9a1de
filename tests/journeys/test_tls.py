"""A gateway over TLS: who may speak, new certificates while feeds run, what is shown."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from channels.mllp_client import MllpClient, PeerLost
from channels.tls import Tls, TlsFiles
from gateway.cli.client import ApiClient, ApiUnreachable
from gateway.cli.commands import app
from gateway.settings.check import load
from tests.support import hospital_messages as sent
from tests.support.certificates import Authority, Papers
from tests.support.configuration import Ground
from tests.support.free_ports import free_ports
from tests.support.played_gateway import Open, PlayedGateway

pytestmark = pytest.mark.journey


def more(authority: Authority, papers: Papers) -> str:
    return f"""
[[channel]]
name = "secure"
kind = "mllp-listener"
host = "0.0.0.0"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
[channel.tls]
certificate = "{papers.certificate}"
key = "{papers.key}"
client_ca = "{authority.file}"
[[channel.peer]]
certificate = ["engine.example"]
senders = ["ADT1|GENHOSP"]
[api.tls]
certificate = "{papers.certificate}"
key = "{papers.key}"
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


def engine(played: PlayedGateway, authority: Authority, name: str) -> MllpClient:
    papers = authority.issue(name)
    tls = Tls(TlsFiles(str(papers.certificate), str(papers.key), str(authority.file)), server=False)
    return MllpClient("127.0.0.1", played.gateway.port_of("secure"), tls=tls)


async def test_peer_speaks_for_its_own_sender_only_and_what_it_may_not_say_is_kept_and_counted(
    tmp_path: Path, authority: Authority, open_gateway: Open, morning: datetime
) -> None:
    papers = authority.issue("gateway", file="gateway")
    played = await open_gateway(Ground(tmp_path), more=more(authority, papers))
    own, stranger = engine(played, authority, "engine.example"), engine(played, authority, "other.example")
    admit = sent.admit("900", "V900", morning, "C1")
    assert (await own.send(admit)).code == "AA"
    foreign = await own.send(admit.replace(b"|GENHOSP|", b"|OTHERHOSP|", 1))
    assert foreign.code == "AR" and b"ERR||MSH^1^3|103^Table value not found^HL70357|E" in foreign.body
    assert (await stranger.send(admit)).code == "AR"
    await own.close()
    await stranger.close()
    await played.settle()

    reasons = await played.rows("SELECT word, reason FROM item_end ORDER BY journal_id")
    assert [tuple(row) for row in reasons] == [
        ("processed", None), ("rejected", "sender-not-of-peer"), ("rejected", "unknown-peer"),
    ]  # fmt: skip
    assert await played.count("journal", "body IS NOT NULL") == 3
    assert await played.count("journal", "peer LIKE '% engine.example'") == 2
    await played.gateway.watch.look()
    assert "foreign:secure" in played.gateway.watch.notices
    facts = await played.gateway.facts()
    assert facts.ready
    rendered = played.gateway.metrics.render().decode()
    assert 'baton_foreign_senders_total{channel="secure"} 2.0' in rendered
    assert 'baton_certificate_expires_timestamp_seconds{file="certificate",owner="secure"}' in rendered


async def test_reload_shows_new_certificates_and_keeps_the_feeds(
    tmp_path: Path, authority: Authority, open_gateway: Open, morning: datetime
) -> None:
    papers = authority.issue("gateway", file="gateway")
    played = await open_gateway(Ground(tmp_path), more=more(authority, papers))
    feed = engine(played, authority, "engine.example")
    assert (await feed.send(sent.admit("901", "V901", morning, "C1"))).code == "AA"
    context = authority.client()

    async def api_certificate() -> bytes:
        address = ("127.0.0.1", played.gateway.api.port)
        _, writer = await asyncio.open_connection(*address, ssl=context)
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        assert isinstance(found, bytes)
        return found

    before = await api_certificate()
    authority.issue("gateway", file="gateway")
    assert await played.gateway.reload(load(played.config)) == []
    assert await api_certificate() != before
    assert (await feed.send(sent.discharge("901", "V901", morning, morning, "C2"))).code == "AA"
    await feed.close()
    assert await feed.send(sent.admit("902", "V902", morning, "C3"))
    await feed.close()
    async with httpx.AsyncClient(verify=context) as api:
        assert (await api.get(f"https://127.0.0.1:{played.gateway.api.port}/healthz")).status_code == 200


async def test_peer_of_another_authority_is_turned_away_and_counted(
    tmp_path: Path, authority: Authority, open_gateway: Open, morning: datetime
) -> None:
    papers = authority.issue("gateway", file="gateway")
    played = await open_gateway(Ground(tmp_path), more=more(authority, papers))
    stranger = Authority(tmp_path / "other", "other")
    mine = stranger.issue("engine.example")
    tls = Tls(TlsFiles(str(mine.certificate), str(mine.key), str(authority.file)), server=False)
    client = MllpClient("127.0.0.1", played.gateway.port_of("secure"), tls=tls)
    with pytest.raises(PeerLost):
        await client.send(sent.admit("903", "V903", morning, "C1"))
    assert await played.count("journal") == 0
    await played.gateway.facts()
    rendered = played.gateway.metrics.render().decode()
    assert 'baton_tls_handshakes_failed_total{channel="secure",reason="unable-to-get-local-issuer' in rendered


def test_client_does_not_trust_a_server_of_another_name(authority: Authority) -> None:
    context = Tls(TlsFiles(ca=str(authority.file)), server=False).context
    assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED


async def test_commands_speak_to_the_listener_and_the_api_over_tls(
    tmp_path: Path, authority: Authority, open_gateway: Open, morning: datetime
) -> None:
    papers, mine = authority.issue("gateway", file="gateway"), authority.issue("engine.example")
    played = await open_gateway(Ground(tmp_path), more=more(authority, papers), ports=(0, 0, *free_ports(1)))
    file = tmp_path / "feed.hl7"
    file.write_bytes(sent.admit("904", "V904", morning, "C1"))
    base = ["send", str(file), "--port", str(played.gateway.port_of("secure")), "--ca", str(authority.file)]

    def run(*more: str) -> tuple[int, str]:
        ran = CliRunner().invoke(app, [*base, *more])
        return ran.exit_code, ran.output

    code, said = await asyncio.to_thread(run, "--cert", str(mine.certificate), "--key", str(mine.key))
    assert (code, "AA" in said) == (0, True)
    code, said = await asyncio.to_thread(run)  # without a certificate of its own
    assert (code, "no answer" in said) == (1, True)
    code, said = await asyncio.to_thread(run, "--server-name", "elsewhere.example")
    assert (code, "no answer: no TLS: hostname-mismatch" in said) == (1, True)
    code, said = await asyncio.to_thread(run, "--cert", str(mine.certificate), "--key", str(papers.key))
    assert (code, "the key is not that of the certificate" in said) == (2, True)

    client = ApiClient(played.gateway.settings)
    assert client.url.startswith("https://")
    await played.settle()
    shown = await asyncio.to_thread(client.get, "/api/v1/channels/secure")
    assert shown["counts"]["processed"] == 1
    assert "by MSH-15" in shown["answers"]
    other = Authority(tmp_path / "third", "third").issue("gateway")
    settings = played.gateway.settings
    wrong = settings.api.model_copy(
        update={"tls": settings.api.tls.model_copy(update={"certificate": str(other.certificate)})}
    )  # type: ignore[union-attr]
    stranger = ApiClient(settings.model_copy(update={"api": wrong}))
    with pytest.raises(ApiUnreachable):  # it is not the gateway's own certificate that answers
        await asyncio.to_thread(stranger.get, "/api/v1/channels")

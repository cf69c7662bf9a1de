"""New settings while it runs: only the channels that they touch are drained and opened anew, all of them or none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import datetime
from pathlib import Path

import pytest

from channels.mllp_client import MllpClient
from channels.tls import Tls, TlsFiles
from gateway.settings.check import load
from tests.support import hospital_messages as sent
from tests.support.certificates import Authority
from tests.support.configuration import Ground, write_configuration
from tests.support.free_ports import free_ports
from tests.support.played_gateway import Open, PlayedGateway
from tests.support.served_gateway import ServedGateway
from tests.support.waiting import until

pytestmark = pytest.mark.journey

EXTRA = """
[[channel]]
name = "extra"
kind = "mllp-listener"
port = {port}
default_facility = "general-hospital"
default_authority = "GENHOSP"
"""


def edit(played: PlayedGateway, *changes: tuple[str, str], more: str = "") -> None:
    text = played.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    played.config.write_text(text + more)


async def reload(played: PlayedGateway) -> list[str]:
    return await played.gateway.reload(load(played.config))


def admit(number: int, morning: datetime) -> bytes:
    return sent.admit(str(number), f"V{number}", morning, f"C{number}")


async def answer(client: MllpClient, body: bytes) -> str:
    """Of one message over a connection of its own."""
    reply = await client.send(body)
    await client.close()
    return reply.code


async def test_port_and_limits_change_while_the_other_feed_keeps_its_connection(
    ground: Ground, open_gateway: Open, morning: datetime
) -> None:
    old, new = free_ports(2)
    played = await open_gateway(ground, ports=(old, 0, 0))
    other = played.client("siu")
    assert (await other.send(admit(1, morning))).code == "AA"
    assert (await played.send("adt", admit(2, morning))).code == "AA"
    edit(played, (f"port = {old}", f"port = {new}\nmax_frame = 2048"))

    assert await reload(played) == []
    assert played.gateway.port_of("adt") == new
    moved = MllpClient("127.0.0.1", new)
    assert (await moved.send(admit(3, morning))).code == "AA"
    assert (await moved.send(admit(4, morning).replace(b"|MBR4", b"|" + b"x" * 4000))).code == "AR"  # over the limit
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", old)
    assert (await other.send(admit(5, morning))).code == "AA"
    assert played.gateway.sources["siu"].connections == 1
    await moved.close()
    await other.close()
    await played.settle()
    await played.assert_balanced()


async def test_port_that_is_taken_leaves_everything_as_it_was_and_says_so(
    tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(Ground(tmp_path))
    feed = played.client("adt")
    assert (await feed.send(admit(1, morning))).code == "AA"
    before = dict(played.gateway.sources)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        edit(played, ('name = "adt"\nkind = "mllp-listener"\nport = 0', f'name = "adt"\nkind = "mllp-listener"\nport = {port}'),
             ("poll_seconds = 0.05", "poll_seconds = 0.07"), more=EXTRA.format(port=0))  # fmt: skip
        (refusal,) = await reload(played)
    assert refusal.startswith("channel adt cannot be opened: ") and str(port) in refusal
    assert played.gateway.sources == before and played.gateway.settings.find_channel("extra") is None
    assert (await feed.send(admit(2, morning))).code == "AA"

    assert await reload(played) == []  # the port is free now
    assert played.gateway.port_of("adt") == port
    await feed.close()
    assert await answer(played.client("extra"), admit(3, morning)) == "AA"


async def test_tls_is_turned_on_at_the_same_port_and_turns_nobody_away(
    tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    (port,) = free_ports(1)
    authority = Authority(tmp_path / "tls")
    papers, wrong = authority.issue("gateway", file="gateway"), tmp_path / "missing.pem"
    played = await open_gateway(Ground(tmp_path), ports=(port, 0, 0))
    feed = played.client("adt")
    assert (await feed.send(admit(1, morning))).code == "AA"
    tls = '\n[channel.tls]\ncertificate = "{}"\nkey = "{}"\n[[channel]]\nname = "siu"'
    edit(played, ('\n[[channel]]\nname = "siu"', tls.format(wrong, papers.key)))
    (refusal,) = await reload(played)
    assert refusal.startswith("channel adt cannot be opened: TLS of adt: ")
    assert (await feed.send(admit(2, morning))).code == "AA"  # in the clear, as before
    edit(played, (str(wrong), str(papers.certificate)))

    secure = MllpClient("127.0.0.1", port, tls=Tls(TlsFiles(ca=str(authority.file)), server=False))
    reloading = asyncio.create_task(reload(played))
    await feed.close()
    assert await reloading == []
    assert (await secure.send(admit(3, morning))).code == "AA"
    assert [one.owner for one in played.gateway.certificates.expiries()] == ["adt"]
    await secure.close()

    edit(played, (f'\n[channel.tls]\ncertificate = "{papers.certificate}"\nkey = "{papers.key}"', ""))
    assert await reload(played) == []
    assert (await feed.send(admit(4, morning))).code == "AA"
    assert played.gateway.certificates.expiries() == []
    await feed.close()


async def test_channels_come_go_and_swap_their_ports(ground: Ground, open_gateway: Open, morning: datetime) -> None:
    one, two = free_ports(2)
    played = await open_gateway(ground, ports=(one, two, 0), more=EXTRA.format(port=0))
    assert (await played.send("extra", admit(1, morning))).code == "AA"
    await played.settle()
    await played.gateway.pause_channel("siu", "jdoe")
    edit(played, (f"port = {one}", "port = 1"), (f"port = {two}", f"port = {one}"), ("port = 1\n", f"port = {two}\n"),
         (EXTRA.format(port=0), EXTRA.format(port=0).replace("extra", "later")))  # fmt: skip

    assert await reload(played) == []
    assert (played.gateway.port_of("adt"), played.gateway.port_of("siu")) == (two, one)
    assert played.gateway.channel_state("siu") == "paused"
    await played.gateway.resume_channel("siu", "jdoe")
    for number, name in enumerate(("adt", "siu", "later"), 2):
        client = played.client(name)
        assert await answer(client, admit(number, morning)) == "AA"
    assert "extra" not in played.gateway.sources
    await played.settle()
    assert await played.count("patients") == 4

    edit(played, ('name = "later"', 'name = "later"\nenabled = false'))
    assert await reload(played) == []
    assert played.gateway.channel_state("later") == "disabled" and "later" not in played.gateway.sources


async def test_channel_with_messages_in_work_is_not_taken_away(
    tmp_path: Path, open_gateway: Open, morning: datetime
) -> None:
    played = await open_gateway(Ground(tmp_path), more=EXTRA.format(port=0))
    async with played.gateway.pipeline.between_batches():
        assert (await played.send("extra", admit(1, morning))).code == "AA"
        edit(played, (EXTRA.format(port=0), ""))
        (refusal,) = await reload(played)
    assert refusal.startswith("channel extra has 1 messages in work")
    await played.settle()
    assert await reload(played) == []


async def test_sender_is_pointed_elsewhere_and_sends_on(tmp_path: Path, open_gateway: Open, morning: datetime) -> None:
    gone, more = free_ports(1)[0], '\n[[channel]]\nname = "down"\nkind = "mllp-sender"\nhost = "127.0.0.1"\n'
    more += f'port = {gone}\nforward = ["adt"]\nattempts = 0\ndefault_facility = "general-hospital"\n'
    (tmp_path / "receiver").mkdir()
    receiver = await open_gateway(Ground(tmp_path / "receiver"))
    played = await open_gateway(Ground(tmp_path), more=more)
    await played.client_send("adt", admit(1, morning))
    await until(lambda: played.gateway.relays["down"].trouble is not None)
    edit(played, (f"port = {gone}", f"port = {receiver.gateway.port_of('adt')}"))
    assert await reload(played) == []
    await played.settle()
    await receiver.settle()
    assert await receiver.count("patients") == 1
    await played.client_send("adt", admit(2, morning))
    await played.settle()
    await receiver.settle()
    assert await receiver.count("patients") == 2


async def test_webhook_of_the_settings_comes_with_a_reload(tmp_path: Path, open_gateway: Open) -> None:
    played = await open_gateway(Ground(tmp_path))
    hook = '\n[[channel]]\nname = "hook"\nkind = "webhook"\nurl = "https://192.0.43.8/in"\n'
    edit(played, more=hook)
    assert await reload(played) == []
    await until(lambda: "hook" in played.gateway.relays)
    edit(played, (hook, ""))
    assert await reload(played) == []
    await until(lambda: "hook" not in played.gateway.relays)
    assert await played.count("webhooks") == 0


async def test_sighup_reopens_the_changed_channel_and_tells_what_it_cannot(tmp_path: Path, morning: datetime) -> None:
    adt, siu, api, moved = free_ports(4)
    config = write_configuration(Ground(tmp_path), ports=(adt, siu, api))
    gateway = ServedGateway(config)
    await gateway.start()
    try:
        feed = MllpClient("127.0.0.1", siu)
        assert (await feed.send(admit(1, morning))).code == "AA"
        text = config.read_text()
        with socket.create_server(("127.0.0.1", moved)):
            config.write_text(text.replace(f"port = {adt}", f"port = {moved}"))
            os.kill(gateway.pid, signal.SIGHUP)
            await until(lambda: "settings not applied: channel adt cannot be opened" in gateway.tail())
            assert await answer(MllpClient("127.0.0.1", adt), admit(2, morning)) == "AA"
        os.kill(gateway.pid, signal.SIGHUP)
        await until(lambda: "settings of version" in gateway.tail())
        assert await answer(MllpClient("127.0.0.1", moved), admit(3, morning)) == "AA"
        assert (await feed.send(admit(4, morning))).code == "AA"
        await feed.close()
        assert await gateway.stop() == 0
    finally:
        gateway.end()

"""The sequence number protocol over a real socket: what a sender is answered, what is kept, what survives a restart."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from channels.mllp_client import MllpClient
from gateway.cli.commands import app
from tests.journeys.conftest import MORNING
from tests.support import hospital_messages as sent
from tests.support.configuration import Ground
from tests.support.free_ports import free_ports
from tests.support.played_gateway import Open, PlayedGateway

pytestmark = pytest.mark.journey

MORE = """
[[channel]]
name = "counted"
kind = "mllp-listener"
port = 0
default_facility = "general-hospital"
default_authority = "GENHOSP"
sequence_numbers = true
"""


def numbered(body: bytes, number: int | str) -> bytes:
    head, _, rest = body.partition(b"\r")
    fields = head.split(b"|")
    fields += [b""] * (13 - len(fields))
    fields[12] = str(number).encode()
    return b"|".join(fields) + b"\r" + rest


def admit(patient: str, number: int | str, control_id: str) -> bytes:
    return numbered(sent.admit(patient, f"V{patient}", MORNING, control_id), number)


def link(number: int, control_id: str) -> bytes:
    """A message without content: MSH-9 is not used (chapter 2.10.1)."""
    return f"MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20260304140000||^|{control_id}|P|2.3|{number}\r".encode()


async def answered(client: MllpClient, body: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-4."""
    reply = (await client.send(body)).body
    msa = next(line for line in reply.split(b"\r") if line.startswith(b"MSA")).split(b"|")
    return msa[1].decode(), msa[4].decode() if len(msa) > 4 else ""


@pytest.fixture
async def counted(ground: Ground, open_gateway: Open) -> PlayedGateway:
    return await open_gateway(ground, more=MORE)


async def test_link_starts_counts_survives_a_restart_and_stops_at_a_gap(
    counted: PlayedGateway, morning: datetime
) -> None:
    client = counted.client("counted")
    assert await answered(client, link(0, "L1")) == ("AA", "-1")
    assert await answered(client, admit("100", 7, "C7")) == ("AA", "7")
    assert await answered(client, admit("101", 8, "C8")) == ("AA", "8")
    await client.close()
    await counted.settle()
    await counted.stop()
    await counted.start()

    client = counted.client("counted")
    assert await answered(client, link(0, "L2")) == ("AA", "9")
    assert await answered(client, admit("101", 8, "C8")) == ("AA", "9")  # its answer was lost
    assert await answered(client, admit("101", 8, "C8b")) == ("AA", "9")  # the same number, told anew
    assert await answered(client, admit("103", 10, "C10")) == ("AR", "9")
    assert await answered(client, admit("100", 3, "C3")) == ("AR", "9")
    await counted.gateway.watch.look()
    assert "sequence:counted" in counted.gateway.watch.notices
    assert await answered(client, admit("102", 9, "C9")) == ("AA", "9")
    assert await answered(client, admit("103", 10, "C10")) == ("AA", "10")
    assert await answered(client, link(-1, "L3")) == ("AA", "-1")
    assert await answered(client, admit("104", 1, "C1")) == ("AA", "1")
    await client.close()
    await counted.settle()

    ends = [
        (row.control_id, row.word, row.reason)
        for row in await counted.rows(
            "SELECT j.control_id, e.word, e.reason FROM item_end e JOIN journal j ON j.journal_id = e.journal_id "
            "ORDER BY j.journal_id"
        )
    ]
    first = {row.control_id: row.journal_id for row in await counted.rows("SELECT control_id, journal_id FROM journal")}
    assert ends == [
        ("L1", "filtered", "sequence-start"), ("C7", "processed", None), ("C8", "processed", None),
        ("L2", "filtered", "sequence-start"), ("C8", "duplicate", ends[4][2]), ("C8b", "duplicate", ends[4][2]),
        ("C10", "rejected", "sequence-gap"), ("C3", "rejected", "sequence-behind"),
        ("C9", "processed", None), ("C10", "processed", None),
        ("L3", "filtered", "sequence-resynchronise"), ("C1", "processed", None),
    ]  # fmt: skip
    async with counted.api() as api:
        kept = await api.get(f"/api/v1/messages/m-{first['C8b']}/body")
    assert kept.content == admit("101", 8, "C8b")
    assert await counted.count("patients") == 5
    await counted.gateway.facts()
    assert 'baton_sequence_misfits_total{channel="counted"} 3.0' in counted.gateway.metrics.render().decode()
    await counted.assert_balanced()


async def test_enhanced_mode_and_2_5_say_the_gap_in_their_own_way(tmp_path: Path, open_gateway: Open) -> None:
    played = await open_gateway(Ground(tmp_path), more=MORE)
    client = played.client("counted")
    await client.send(admit("100", 1, "C1"))
    plain = (await client.send(admit("100", 3, "C3"))).body
    assert b"\rMSA|AR|C3||2\rERR||MSH^1^13|207^" in plain and plain.endswith(b"|E||||sequence number 2 is expected\r")
    old = (await client.send(admit("100", 3, "C3b").replace(b"|2.5.1|", b"|2.3|"))).body
    assert b"\rMSA|AR|C3b|sequence number 2 is expected|2\rERR|MSH^1^13" in old
    fields = admit("100", 3, "C3c").split(b"\r", 1)[0].split(b"|")
    fields[13:] = [b"", b"AL", b"NE"]
    enhanced = b"|".join(fields) + b"\r" + admit("100", 3, "C3c").split(b"\r", 1)[1]
    assert (await answered(client, enhanced)) == ("CE", "2")
    assert await answered(client, admit("100", "", "C9")) == ("AA", "")  # takes no part
    await client.close()


async def test_numbers_mean_nothing_where_the_protocol_is_off(tmp_path: Path, open_gateway: Open) -> None:
    played = await open_gateway(Ground(tmp_path))
    client = played.client("adt")
    for number, control_id in ((7, "C1"), (3, "C2"), (0, "C3"), (-1, "C4")):
        assert await answered(client, admit(f"10{number}", number, control_id)) == ("AA", "")
    await client.close()
    await played.settle()
    assert await played.count("patients") == 4
    assert await played.count("sequence_number") == 0


async def test_a_person_lets_a_link_go_on_behind_a_gap(tmp_path: Path, open_gateway: Open) -> None:
    played = await open_gateway(Ground(tmp_path), more=MORE, ports=(0, 0, *free_ports(1)))
    client = played.client("counted")
    await client.send(admit("100", 1, "C1"))
    assert await answered(client, admit("102", 3, "C3")) == ("AR", "2")

    def run(*more: str) -> tuple[int, str]:
        ran = CliRunner().invoke(app, ["channels", "sequence", "counted", "--config", str(played.config), *more])
        return ran.exit_code, ran.output

    code, said = await asyncio.to_thread(run)
    assert code == 0 and "GENHOSP" in said and " 2 " in said
    code, _ = await asyncio.to_thread(run, "--forget", "NOBODY|HERE", "--actor", "jdoe")
    assert code != 0
    sender = (await played.rows("SELECT sender FROM sequence_number"))[0].sender
    code, _ = await asyncio.to_thread(run, "--forget", sender, "--actor", "jdoe")
    assert code == 0
    assert await answered(client, admit("102", 3, "C3")) == ("AA", "3")
    await client.close()
    assert await played.count("audit", "action = 'channel.forget-number' AND actor = 'jdoe'") >= 1

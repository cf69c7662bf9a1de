"""send: plays HL7 v2 files at an MLLP peer and keeps a ledger of what came back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from channels.mllp_client import MllpClient, PeerLost
from channels.tls import Tls, TlsError, TlsFiles
from gateway.cli.console import Json, err, examples, fail, print_json, show
from gateway.cli.files import append_to, read_file
from gateway.demo.scenario import render
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import scan_header


@dataclass(slots=True)
class Sent:
    """One message and its answer.  `code` empty: none came."""

    file: str
    index: int
    control_id: str
    code: str
    matches: bool  # MSA-2 is our MSH-10
    milliseconds: float
    problem: str = ""  # why no answer came

    @property
    def accepted(self) -> bool:
        return self.code in ("AA", "CA") and self.matches


@dataclass(slots=True)
class Play:
    """How to send: `rate` messages a second over all connections, 0: as fast as answers come."""

    host: str
    port: int
    connections: int
    rate: float
    timeout: float
    tls: Tls | None = None
    server_name: str = ""


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "baton send samples/*.hl7",
            "baton send feed.hl7 --port 2575 --rate 50 --repeat 10",
            "baton send feed.hl7 --ledger answers.jsonl --json",
            "baton send feed.hl7 --host adt.example --ca ca.pem --cert engine.pem --key engine.key",
        )
    )(send)


def send(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="HL7 v2: one message, many, batch or MLLP frames.")
    ],
    host: Annotated[str, typer.Option("--host", help="Peer.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535)] = 2575,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Messages a second; 0: as fast as answers come.")] = 0,
    connections: Annotated[int, typer.Option("--connections", min=1, max=1000, help="Connections at once.")] = 1,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Play everything so many times.")] = 1,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")] = 30.0,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="Append one JSON line per answer to this file.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS; the peer's certificate is verified.")] = False,
    ca: Annotated[str, typer.Option("--ca", help="PEM file: who signs it; else the authorities of this machine.")] = "",
    certificate: Annotated[str, typer.Option("--cert", help="PEM file: our certificate, for mutual TLS.")] = "",
    key: Annotated[str, typer.Option("--key", help="PEM file: its key.")] = "",
    server_name: Annotated[str, typer.Option("--server-name", help="Name that it must have; else the host.")] = "",
    as_json: Json = False,
) -> None:
    """Send HL7 v2 files to an MLLP peer and count the answers.

    Samples with slots instead of dates (samples/day) are filled with dates around today.

    With one connection the order of the files is kept.  Ends with 1 when an answer is missing or refuses.
    """
    messages = read_messages(files) * repeat
    if not messages:
        fail("There is no HL7 v2 message in these files.", code=2)
    kept = append_to(ledger) if ledger else None
    try:
        play = Play(host, port, connections, rate, timeout, _tls(tls, TlsFiles(certificate, key, ca)), server_name)
        sent = asyncio.run(_play(messages, play, kept, quiet=as_json))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        if kept:
            kept.close()
    if as_json:
        for each in sent:
            print_json(asdict(each))
    else:
        show(summary(sent), ["answer", "count"], as_json=False)
    if not all(each.accepted for each in sent):
        raise typer.Exit(1)


def _tls(wanted: bool, files: TlsFiles) -> Tls | None:
    if not wanted and not any((files.ca, files.certificate, files.key)):
        return None
    try:
        return Tls(files, server=False)
    except TlsError as problem:
        fail(f"TLS cannot be opened: {problem}.", code=2)


def read_messages(files: Iterable[Path]) -> list[tuple[str, int, bytes]]:
    """(file, index, message) in order."""
    found: list[tuple[str, int, bytes]] = []
    for file in files:
        body = fill_slots(read_file(file))
        found += [(str(file), index, each) for index, each in enumerate(split_batch(body).messages)]
    return found


def fill_slots(body: bytes) -> bytes:
    """A sample's slots (`{ts D+0 14:10}`) become dates around today; other bytes stay as they are."""
    if b"{ts D" not in body:
        return body
    zone = ZoneInfo("America/New_York")
    return render(body.decode("utf-8"), datetime.now(zone).date(), zone).encode("utf-8")


def summary(sent: list[Sent]) -> list[dict[str, object]]:
    """How many answers of each kind."""
    words = Counter(
        (f"no answer: {each.problem}" if each.problem else "no answer")
        if not each.code
        else each.code
        if each.matches
        else f"{each.code} for another message"
        for each in sent
    )
    return [{"answer": word, "count": count} for word, count in sorted(words.items())]


async def _play(messages: list[tuple[str, int, bytes]], play: Play, kept: TextIO | None, *, quiet: bool) -> list[Sent]:
    queue = list(reversed(messages))
    sent: list[Sent] = []
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    started = time.monotonic()
    with Progress(*columns, console=err, disable=quiet) as progress:
        bar = progress.add_task("sending", total=len(messages))

        async def worker() -> None:
            client = MllpClient(play.host, play.port, timeout=play.timeout, tls=play.tls, server_name=play.server_name)
            while queue:
                number = len(messages) - len(queue)
                file, index, body = queue.pop()
                if play.rate:
                    await asyncio.sleep(max(0.0, started + number / play.rate - time.monotonic()))
                one = await _send_one(client, file, index, body)
                sent.append(one)
                if kept:
                    kept.write(json.dumps(asdict(one)) + "\n")
                    kept.flush()
                progress.advance(bar)
            await client.close()

        await asyncio.gather(*(worker() for _ in range(min(play.connections, len(messages)))))
    return sent


async def _send_one(client: MllpClient, file: str, index: int, body: bytes) -> Sent:
    control_id = scan_header(body).control_id.decode("utf-8", "replace")
    began = time.monotonic()
    reason = ""
    try:
        reply = await client.send(body)
        code, matches = reply.code, reply.control_id == control_id
    except PeerLost as problem:
        code, matches, reason = "", False, str(problem)
    return Sent(file, index, control_id, code, matches, round((time.monotonic() - began) * 1000, 2), reason)

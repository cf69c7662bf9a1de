"""Commands that need no running gateway: inspect, check, migrate."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli.console import Config, Json, config_path, examples, fail, out, print_json, read_settings
from gateway.cli.files import UnreadableFile, file_content
from gateway.clock import system_clock
from gateway.settings import Settings
from gateway.settings.check import Finding, render_finding
from gateway.settings.check import check as check_settings
from parsers.content import Content

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of HL7 v2 or X12.")]


_STORE_SECONDS = 5.0


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton inspect samples/*.hl7", "baton inspect answer.271 | jq .outcome"))(inspect)
    app.command(epilog=examples("baton check", "baton check --config /etc/baton.toml --json"))(check)
    app.command(epilog=examples("baton migrate", "BATON_STORE__URL=postgresql://baton@db/baton baton migrate"))(migrate)


def inspect(
    files: Files,
    channel: Annotated[str, typer.Option("--channel", help="Read as this channel of the settings would.")] = "",
    tree: Annotated[bool, typer.Option("--tree", help="Add the full tree of each HL7 message (python-hl7).")] = False,
    oracle: Annotated[bool, typer.Option("--oracle", help="Add what pyx12 says of each X12 file.")] = False,
    config: Config = None,
) -> None:
    """Show what Baton would read in files and answer to them: one JSON object per message or interchange.

    Works offline, stores nothing and never fails on content.  Ends with 1 when something could not be read.
    """
    from gateway.inspect import inspect_content, json_pieces, settled, unreadable

    settings = read_settings(config)
    name = channel or settings.channel[0].name
    if settings.find_channel(name) is None:
        fail(f"There is no channel {name}.", code=2)
    profile = settings.profile(name)
    readable = True
    for file in files:
        try:
            with file_content(file) as body:
                for found in inspect_content(str(file), body, profile):
                    sys.stdout.writelines(json_pieces(found | _opinions(body, found, tree=tree, oracle=oracle)))
                    print(flush=True)
                    outcome = settled(found.get("outcome"))
                    readable = readable and found["standard"] != "unknown" and outcome != "rejected"
        except UnreadableFile as reason:
            print_json({"file": str(file), "index": 0, **unreadable("file", str(reason))})
            readable = False
    if not readable:
        raise typer.Exit(1)


def _opinions(body: Content, found: dict[str, object], *, tree: bool, oracle: bool) -> dict[str, object]:
    """Second opinions of the libraries, where they are asked for and speak of this standard."""
    added: dict[str, object] = {}
    if tree and found["standard"] == "hl7v2":
        from parsers.hl7v2.batch import split_batch
        from parsers.hl7v2.tree import read_tree

        messages = split_batch(body[:]).messages
        index = int(str(found["index"]))
        added["tree"] = read_tree(messages[index]) if index < len(messages) else None
    if oracle and found["standard"] == "x12" and found["index"] == 0:
        from parsers.x12.oracle import second_opinion

        added["oracle"] = second_opinion(body[:])
    return added


def check(config: Config = None, as_json: Json = False) -> None:
    """Say of the configuration what is wrong, on which line, and the cure.

    Also what its store still holds for a channel or webhook that it names no more.

    Ends with 1 when there is an error; warnings alone end with 0.
    """
    path = config_path(config)
    source = str(path) if path else "defaults"
    findings = check_settings(path)
    if not any(finding.severity == "error" for finding in findings):
        findings += _store_findings(read_settings(config))
    for finding in findings:
        if as_json:
            print_json({"file": source} | {name: getattr(finding, name) for name in finding.__slots__})
        else:
            colour = "red" if finding.severity == "error" else "yellow"
            out.print(f"[{colour}]{escape(render_finding(source, finding))}[/]", soft_wrap=True, highlight=False)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
    if not findings and not as_json:
        out.print(f"{source}: nothing to mend.", highlight=False)


def _store_findings(settings: Settings) -> list[Finding]:
    """None where there is no store yet, or it cannot be opened now: whoever uses it says so."""
    from gateway.orphans import Orphan, orphans
    from gateway.store.opening import open_store, store_exists
    from gateway.store.ports import SchemaMismatch, StoreUnavailable, UnsafeStore

    async def look() -> list[Orphan]:
        store = open_store(settings, system_clock)
        async with asyncio.timeout(_STORE_SECONDS):
            await store.open()
        try:
            return await orphans(store, settings)
        finally:
            await store.close()

    try:
        found = asyncio.run(look()) if store_exists(settings) else []
    except (SchemaMismatch, StoreUnavailable, UnsafeStore, OSError, TimeoutError):
        return []
    cure = "Put it back, or give them up: `baton channels set-aside {}`."
    return [Finding(0, "warning", f"{one.text.capitalize()}.", cure.format(one.sink)) for one in found]


def migrate(config: Config = None, as_json: Json = False) -> None:
    """Bring the store's tables to this version.  Safe to repeat; the embedded store does it by itself at the start."""
    from gateway.store.migrate import migrate as migrate_store
    from gateway.store.ports import SchemaMismatch, StoreUnavailable

    settings = read_settings(config)
    try:
        revision = migrate_store(settings.store.url)
    except SchemaMismatch as error:
        fail(str(error), code=3)
    except (StoreUnavailable, OSError):
        fail("The store cannot be opened: is its address right, and is it running?", code=3)
    if as_json:
        print_json({"revision": revision})
    else:
        out.print(f"The store is at revision {json.dumps(revision)}.")

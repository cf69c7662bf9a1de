"""Commands that help to read a feed, offline: explain, diff, profile learn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from gateway.cli.console import Config, Json, examples, fail, out, print_json, read_settings, show, text_of
from gateway.cli.files import read_file
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.explain import Explanation

OneFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file of HL7 v2 messages.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of HL7 v2 messages.")]
Channel = Annotated[str, typer.Option("--channel", help="Read as this channel of the settings would.")]

profile_app = typer.Typer(no_args_is_help=True, help="Profiles of feeds.")


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton explain a01.hl7", "baton explain a01.hl7 --channel adt --json"))(explain)
    app.command(epilog=examples("baton diff before.hl7 after.hl7"))(diff)
    profile_app.command(epilog=examples("baton profile learn feed/*.hl7 --name adt > proposal.toml"))(learn)
    app.add_typer(profile_app, name="profile")


def explain(file: OneFile, channel: Channel = "", as_json: Json = False, config: Config = None) -> None:
    """Say in plain words what a message holds, which events it gives, and what would follow for an unknown patient.

    Ends with 1 when there is no message, or one that cannot be read.
    """
    from gateway.explain import explain as explain_message
    from parsers.hl7v2.batch import split_batch

    settings = read_settings(config)
    name = channel_name(settings, channel)
    messages = split_batch(read_file(file)).messages
    if not messages:
        fail("There is no HL7 v2 message in this file.")
    readable = True
    for raw in messages:
        found = explain_message(raw, settings.profile(name), settings.coordination_settings(name), datetime.now(UTC))
        readable = readable and found.reading.outcome != "rejected"
        if as_json:
            print_json(msgspec.to_builtins(found))
            continue
        for line in _lines(found):
            out.print(line, soft_wrap=True, highlight=False)
    if not readable:
        raise typer.Exit(1)


def _lines(found: Explanation) -> Iterator[str]:
    from gateway.coordination.records import Task, Timer
    from gateway.coordination.rules import UNCONCERNED

    for segment in found.segments:
        yield f"[bold]{escape(segment.segment)}[/] {escape(segment.name)}"
        for field in segment.fields:
            values = " ~ ".join(
                ", ".join(f"{part}: {text_of(value)}" if part else text_of(value) for part, value in parts)
                for parts in field.parts
            )
            yield f"  {field.place:<8} {escape(field.name)}: {values}"
    reading = found.reading
    reason = f" ({reading.reason})" if reading.reason else ""
    yield f"\n[bold]Read as[/] {', '.join(event.type for event in reading.events) or reading.outcome}{reason}"
    for problem in reading.problems:
        yield f"  {problem.severity}: {problem.location} {escape(problem.text)}"
    for followed in found.followed:
        yield f"[bold]{followed.type}[/], for a patient of whom nothing is known:"
        for transition in followed.changes.transitions:
            yield f"  {transition.kind}: {text_of(transition.from_value)} -> {text_of(transition.to_value)}"
        for record in followed.changes.upserts:
            if isinstance(record, Task):
                yield f"  task {record.rule_id}: {escape(record.title)}, due {text_of(record.due_at)}"
            elif isinstance(record, Timer):
                yield f"  check of {record.rule_id} at {text_of(record.fire_at)}"
        for one in followed.rules:
            if one.outcome == "stopped" and one.because not in UNCONCERNED:
                yield f"  no task of {one.rule_id}: {escape(one.because)}"


def diff(before: OneFile, after: OneFile, as_json: Json = False) -> None:
    """Compare two messages field by field.  Ends with 1 when they differ.

    Separators and line ends are no difference.
    """
    from parsers.errors import ParseError
    from parsers.hl7v2.dictionary import dictionary
    from parsers.hl7v2.difference import compare
    from parsers.hl7v2.message import Message

    try:
        found = list(compare(Message(_first(before)), Message(_first(after))))
    except ParseError as error:
        fail(str(error), code=2)
    words = dictionary()
    rows = []
    for one in found:
        field = words.field(one.segment, one.field)
        part = words.component(one.segment, one.field, one.component) if one.component else ""
        named = ", ".join(filter(None, (field.name if field else "", part)))
        rows.append({"place": one.place, "name": named, "before": one.before, "after": one.after})
    show(rows, ("place", "name", "before", "after"), as_json=as_json, empty="The same.")
    if rows:
        raise typer.Exit(1)


def learn(
    files: Files,
    name: Annotated[str, typer.Option("--name", help="Name of the channel in the proposal.")] = "feed",
    config: Config = None,
) -> None:
    """Propose the settings of a channel from a sample of its feed: a table for baton.toml, with what was counted.

    Counts codes, authorities and offsets only: nothing about a person is printed.
    """
    from gateway.profile_learning import learn as learn_profile
    from gateway.profile_learning import propose
    from mappings.profile import FeedProfile

    found = learn_profile((read_file(file) for file in files), FeedProfile(channel=name))
    if not found.messages:
        fail("No HL7 v2 message in these files.", code=1)
    typer.echo(propose(found, name), nl=False)


def channel_name(settings: Settings, wanted: str) -> str:
    """The channel asked for, else the first; the command ends when there is none of that name."""
    name = wanted or settings.channel[0].name
    if settings.find_channel(name) is None:
        fail(f"There is no channel {name}.", code=2)
    return name


def _first(file: Path) -> bytes:
    from parsers.hl7v2.batch import split_batch

    messages = split_batch(read_file(file)).messages
    return messages[0] if messages else b""

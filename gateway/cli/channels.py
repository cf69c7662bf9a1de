"""Channels of the running gateway: show, pause, resume, drain, replay, sequence numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, read_settings, show
from gateway.cli.local import account

Name = Annotated[str, typer.Argument(help="Name of the channel.")]
COLUMNS = ["name", "kind", "state", "stage", "address", "peers", "last_received_at", "last_processed_at", "counts"]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="Channels: how each is; pause, resume, drain.")
    group.callback(epilog=examples("baton channels", "baton channels pause adt --actor jdoe"))(list_channels)
    group.command("show", epilog=examples("baton channels show adt --json"))(show_channel)
    group.command("pause", epilog=examples("baton channels pause adt"))(pause)
    group.command("resume", epilog=examples("baton channels resume adt"))(resume)
    group.command("drain", epilog=examples("baton channels drain adt"))(drain)
    group.command(
        "sequence",
        epilog=examples("baton channels sequence adt", "baton channels sequence adt --forget 'ADT1|GENHOSP'"),
    )(sequence)
    group.command(
        "replay",
        epilog=examples(
            "baton channels replay downstream --since 2026-11-09T00:00:00-05:00",
            "baton channels replay downstream --since 2026-11-09T00:00:00-05:00 --type 'ADT^A31' --send",
        ),
    )(replay)
    group.command("set-aside", epilog=examples("baton channels set-aside old-receiver"))(set_aside)
    group.command("publish-again", epilog=examples("baton channels publish-again bus"))(publish_again)
    app.add_typer(group, name="channels")


def list_channels(context: typer.Context, config: Config = None, as_json: Json = False) -> None:
    """Channels: how each is; pause, resume, drain."""
    if context.invoked_subcommand is None:
        client = ApiClient(read_settings(config))
        show(ask_api(lambda: client.get("/api/v1/channels"))["items"], COLUMNS, as_json=as_json)


def show_channel(name: Name, config: Config = None, as_json: Json = False) -> None:
    """One channel."""
    client = ApiClient(read_settings(config))
    row = ask_api(lambda: client.get(f"/api/v1/channels/{quote(name, safe='')}"))
    show([row], [*COLUMNS, "oldest_pending_at", "last_error", "answers"], as_json=as_json)


def pause(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Stop reading: senders wait, what is stored goes on."""
    _steer("pause", name, actor, config, as_json)


def resume(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Read again."""
    _steer("resume", name, actor, config, as_json)


def drain(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Stop reading and finish what is stored."""
    _steer("drain", name, actor, config, as_json)


def _steer(verb: str, name: str, actor: str | None, config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    body = {"actor": actor or account()}
    row = ask_api(lambda: client.post(f"/api/v1/channels/{quote(name, safe='')}/{verb}", body))
    show([row], COLUMNS, as_json=as_json)


def replay(
    name: Annotated[str, typer.Argument(help="A channel that sends.")],
    since: Annotated[str, typer.Option("--since", help="Received or emitted from here on: ISO time with its offset.")],
    until: Annotated[str | None, typer.Option("--until", help="And before; else now.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="`ADT^A31`, `SIU^*`; of events `encounter.*`. Repeat for more.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Do it. Without this it only says what would be sent.")] = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send again what a channel was sent, in its old order; first only say what that is, and what cannot be."""
    client = ApiClient(read_settings(config))
    body = {"actor": actor or account(), "since": since, "types": types or [], "dry_run": not send}
    body["until"] = until or datetime.now(UTC).isoformat()
    row = ask_api(lambda: client.post(f"/api/v1/channels/{quote(name, safe='')}/replay", body))
    show([row], ["channel", "deliveries", "pending", "refused", "more", "dry_run"], as_json=as_json)


def sequence(
    name: Name,
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="SENDER", help="Take this sender's next number as it comes.")
    ] = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Sequence numbers (MSH-13) that are expected, by sender; a link that stands behind a gap is let go on."""
    client = ApiClient(read_settings(config))
    path = f"/api/v1/channels/{quote(name, safe='')}/sequence"
    if forget is None:
        found = ask_api(lambda: client.get(path))
    else:
        found = ask_api(lambda: client.post(f"{path}/forget", {"actor": actor or account(), "sender": forget}))
    show(found["items"], ["sender", "expected", "at"], as_json=as_json, empty="No sender has sent a number.")


def set_aside(
    sink: Annotated[str, typer.Argument(help="A channel, webhook or `bus` that the settings name no more.")],
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give up what is pending for a sink that is gone: it becomes `parked`, and publish-again takes it back."""
    _move("set-aside", sink, actor, config, as_json)


def publish_again(
    sink: Annotated[str, typer.Argument(help="`bus`, or the channel of reply files.")],
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What a sink did not route or refused becomes pending once more, in its old place of the order."""
    _move("publish-again", sink, actor, config, as_json)


def _move(verb: str, sink: str, actor: str | None, config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    path = f"/api/v1/ledger/sinks/{quote(sink, safe='')}/{verb}"
    row = ask_api(lambda: client.post(path, {"actor": actor or account()}))
    show([row], ["sink", "deliveries"], as_json=as_json)

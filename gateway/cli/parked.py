"""Parked items: list and show from the store; retry, edit and discard through the running gateway."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ReasonOption, ask_api, examples, fail, read_settings, show
from gateway.cli.files import read_file
from gateway.cli.local import account, with_store
from gateway.store import queries
from gateway.store.paging import Row

ParkedId = Annotated[int, typer.Argument(metavar="ID", help="Number from `baton parked`.")]
COLUMNS = ["parked_id:id", "message", "channel", "stage", "reason", "detail:where", "attempts", "parked_at"]
DONE = ["parked_id:id", "done", "message_id:message"]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="Items that need a person.")
    group.callback(epilog=examples("baton parked", "baton parked show 7 --json"))(list_parked)
    group.command("list", epilog=examples("baton parked list --channel adt"))(list_all)
    group.command("show", epilog=examples("baton parked show 7"))(show_parked)
    group.command("retry", epilog=examples("baton parked retry 7 --reason 'facility added'"))(retry)
    group.command("edit", epilog=examples("baton parked edit 7 --file fixed.hl7 --reason 'PID-3 was empty'"))(edit)
    group.command("discard", epilog=examples("baton parked discard 7 --reason 'sent in error'"))(discard)
    app.add_typer(group, name="parked")


def list_parked(context: typer.Context, config: Config = None, as_json: Json = False) -> None:
    """Items that need a person: list, show, retry, edit, discard."""
    if context.invoked_subcommand is None:
        list_all(config=config, as_json=as_json)


def list_all(
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only for this reason.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Parked items, the oldest first."""
    chosen = queries.ParkedFilter(channel=channel, reason=reason)
    rows, _ = with_store(read_settings(config), lambda store: queries.parked_items(store, None, chosen, None, limit))
    show(map(_shown, rows), COLUMNS, as_json=as_json, empty="Nothing is parked.")


def show_parked(parked_id: ParkedId, config: Config = None, as_json: Json = False) -> None:
    """One parked item."""
    row = with_store(read_settings(config), lambda store: queries.parked_item(store, None, parked_id))
    if row is None:
        fail(f"Nothing is parked under {parked_id}.")
    show([_shown(row)], COLUMNS, as_json=as_json)


def retry(
    parked_id: ParkedId, reason: ReasonOption, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """Process it again, at the end of its lane."""
    _decide("retry", parked_id, {"actor": actor or account(), "reason": reason}, config, as_json)


def edit(
    parked_id: ParkedId,
    reason: ReasonOption,
    file: Annotated[Path, typer.Option("--file", help="The corrected message, whole.", exists=True, dir_okay=False)],
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Process a corrected message in its place: stored anew, linked to the old one, with who and why."""
    body = base64.b64encode(read_file(file)).decode()
    act = {"actor": actor or account(), "reason": reason, "body": body, "encoding": "base64"}
    _decide("edit", parked_id, act, config, as_json)


def discard(
    parked_id: ParkedId, reason: ReasonOption, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """End it without effect; the message itself stays in the journal."""
    _decide("discard", parked_id, {"actor": actor or account(), "reason": reason}, config, as_json)


def _decide(verb: str, parked_id: int, body: dict[str, str], config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    row = ask_api(lambda: client.post(f"/api/v1/parked/{parked_id}/{verb}", body))
    show([row], DONE, as_json=as_json)


def _shown(row: Row) -> Row:
    return row | {"message": f"m-{row['journal_id']}"}

"""Merges and moves of patients' records: see them, and take a wrong one back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import (
    ActorOption,
    Config,
    Json,
    ReasonOption,
    ask_api,
    examples,
    out,
    print_json,
    read_settings,
    show,
)
from gateway.cli.local import account

_COLUMNS = [
    "merge_id:merge",
    "at",
    "trigger",
    "survivor_id:survivor",
    "prior_id:merged away",
    "message_id:message",
    "moved",
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Merges of patients: what went from whom to whom, and back.")
    group.command("list", epilog=examples("baton merges list pat_0123456789abcdef"))(list_merges)
    group.command(
        "undo",
        epilog=examples(
            "baton merges undo mrg_0123456789abcdef --reason 'two people of one name'",
            "baton merges undo mrg_0123456789abcdef --reason 'two people of one name' --actor jdoe --apply",
        ),
    )(undo)
    app.add_typer(group, name="merges")


def list_merges(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Our id of the patient, on either side.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Merges and moves that name a patient, the newest first.  Audited."""
    client = ApiClient(read_settings(config))
    found = ask_api(lambda: client.get(f"/api/v1/patients/{quote(patient, safe='')}/merges"))
    show(found["items"], _COLUMNS, as_json=as_json, empty="No merge names this patient.")


def undo(
    merge_id: Annotated[str, typer.Argument(metavar="MERGE", help="Id from `baton merges list`.")],
    reason: ReasonOption,
    actor: ActorOption = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it. Without this it only says what would go back.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a wrong merge back; first only say what would go back to whom, and what would stay where it is."""
    client = ApiClient(read_settings(config))
    body = {"actor": actor or account(), "reason": reason, "dry_run": not apply}
    told = ask_api(lambda: client.post(f"/api/v1/merges/{quote(merge_id, safe='')}/undo", body))
    if as_json:
        print_json({**told, "dry_run": not apply})
        return
    went, stays = ("Went", "Stays") if apply else ("Would go", "Would stay")
    rows = [{"what": name, "ids": ids} for name, ids in told["moved"].items() if ids]
    out.print(f"{went} from {told['survivor']} back to {told['restored']}:")
    show(rows, ["what", "ids"], as_json=False)
    show([{"what": text} for text in told["left"]], [f"what:{stays}"], as_json=False, empty=f"{stays}: nothing.")
    if not apply:
        out.print("Nothing was changed: --apply does it.")

"""Trading partners: is the way to one of them open?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, ask_api, examples, fail, out, read_settings
from gateway.cli.local import account
from gateway.clock import system_clock
from gateway.partner_check import NOBODY, Word, words_about
from mappings.partners import TradingPartner

_POLL = 2.0


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Trading partners: check.")
    group.command(
        "check",
        epilog=examples(
            "baton partner check acme --dry-run",
            "baton partner check acme --member TEST123 --family DOE --given JANE --birth-date 1980-01-31",
        ),
    )(check)
    app.add_typer(group, name="partner")


def check(
    name: Annotated[str, typer.Argument(help="Name of the [[partner]].")],
    member: Annotated[str, typer.Option("--member", help="A test member of the payer; else a made-up one.")] = NOBODY,
    family: Annotated[str, typer.Option("--family", help="His family name.")] = "TEST",
    given: Annotated[str, typer.Option("--given", help="His given name.")] = "BATON",
    birth_date: Annotated[str, typer.Option("--birth-date", help="YYYY-MM-DD.")] = "1970-01-01",
    payer: Annotated[str, typer.Option("--payer", help="Which payer of the partner; else the first.")] = "",
    wait: Annotated[int, typer.Option("--wait", min=0, help="Seconds to wait for what comes back.")] = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the X12 and send nothing.")] = False,
    actor: ActorOption = None,
    config: Config = None,
) -> None:
    """Send a test 270 (usage T) and explain what comes back: TA1, 999, 271 or nothing.

    Exit code 0 when the way works, also when the payer does not know the person; 1 when it does not.
    """
    settings = read_settings(config)
    partner = settings.find_partner(name)
    if partner is None:
        fail(f"There is no partner {name}: see [[partner]] in docs/settings.md.")
    client = ApiClient(settings)
    body: dict[str, Any] = {"actor": actor or account(), "member_id": member, "family": family, "given": given}
    body |= {"birth_date": birth_date, "payer_id": payer, "dry_run": dry_run}
    began = system_clock()
    sent = ask_api(lambda: client.post(f"/api/v1/partners/{quote(name, safe='')}/check", body))
    out.print(sent["x12"].replace("~", "~\n") if dry_run else "", end="", markup=False, highlight=False)
    if dry_run:
        return
    out.print(f"Sent a 270 with control number {sent['control_number']} by channel {sent['channel']}.")
    good = False
    for word in _heard(client, partner, sent, began, wait):
        out.print(f"After {(system_clock() - began).seconds} s  {word.text}", markup=False, highlight=False)
        good = word.good
        if word.final:
            break
    else:
        silent = "Nothing else came" if good else "Nothing came back"
        state = ask_api(lambda: client.get("/api/v1/channels/" + quote(sent["channel"], safe="")))
        if state.get("last_error"):
            out.print(f"The channel {sent['channel']} says: {state['last_error']}.", markup=False, highlight=False)
        out.print(f"{silent} within {wait} seconds: does the channel deliver, does the partner answer tests?")
    if not good:
        raise typer.Exit(1)


def _heard(
    client: ApiClient, partner: TradingPartner, sent: dict[str, Any], began: datetime, wait: int
) -> Iterator[Word]:
    """What was received since, as it comes."""
    seen: set[str] = set()
    while system_clock() - began < timedelta(seconds=wait):
        time.sleep(_POLL)
        since = quote((began - timedelta(seconds=5)).isoformat())
        page = ask_api(lambda: client.get(f"/api/v1/messages?limit=100&received_after={since}"))  # noqa: B023
        for row in reversed(page["items"]):
            if row["message_id"] in seen or row["kind"] != "x12":
                continue
            seen.add(row["message_id"])
            raw = ask_api(lambda: client.body(f"/api/v1/messages/{row['message_id']}/body"))  # noqa: B023
            yield from words_about(raw, partner, sent["control_number"], sent["reference"])

"""Received messages: find them; how one was taken, and all that came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import Config, Json, ask_api, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.store import access, patient_log, queries
from gateway.store.core_store import CoreStore
from gateway.store.ledger import ENDS
from gateway.store.paging import Page

_MESSAGE = ["message_id:message", "channel", "message_type:type", "control_id", "sender", "received_at:received"]
_LISTED = ["message_id:message", "received_at:received", *_MESSAGE[1:5], "acknowledgement:answered", "rejected"]
_TAKEN = ["acknowledgement:answered", "duplicate_of", "rejected", "replay_of", "flags", "same_id_as"]
_LISTS = {
    "ends": ["item", "end", "reason", "at"],
    "pending": ["item", "kind", "attempts"],
    "parked": ["parked_id:id", "stage", "reason", "detail:where"],
    "events": ["event_id:event", "type", "patient_id:patient"],
    "transitions": ["kind", "aggregate_id:about", "from_value:from", "to_value:to"],
    "tasks": ["task_id:task", "rule_id:rule", "title", "status"],
}


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "baton messages --channel adt --end parked",
            "baton messages --control-id MSG00001",
            "baton messages --patient 'GENHOSP|900123' --since 2026-03-01",
        )
    )(messages)
    shown = ("baton message m-1842", "baton message m-1842 --json", "baton message m-1842 --body received.x12")
    app.command(epilog=examples(*shown))(message)


def messages(
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    type_: Annotated[str | None, typer.Option("--type", "-t", help="Such as ADT^A01 or 271.")] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="An item ended so: processed, filtered, duplicate, rejected, parked.")
    ] = None,
    control_id: Annotated[str | None, typer.Option("--control-id", help="MSH-10 or ISA13, as sent.")] = None,
    sender: Annotated[str | None, typer.Option("--sender", help="As shown: APPLICATION|FACILITY, or ISA06.")] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", help="Had an effect on him: our id, or `AUTHORITY|NUMBER`.")
    ] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Received then or later; local time.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="Received before; local time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Received messages, the newest first, by what is known of one.  Read from the store, also when no gateway runs.
    Audited."""
    if end is not None and end not in ENDS:
        fail(f"Messages end as {', '.join(ENDS)}; not as {end}.", code=2)

    async def ask(store: CoreStore) -> Page | None:
        about: tuple[str, ...] = ()
        if patient is not None:
            patient_id = await patient_log.patient_named(store, patient)
            if patient_id is None:
                return None
            about = tuple((await patient_log.names_of(store, patient_id))[0])
        chosen = queries.MessageFilter(
            channel=channel,
            message_type=type_,
            end=end,
            control_id=control_id,
            sender=sender,
            patient_ids=about,
            received_after=since.astimezone() if since else None,
            received_before=until.astimezone() if until else None,
        )
        found = await queries.messages(store, None, chosen, None, limit)
        what = about[0] if about else "messages"
        entry = access.NewAudit(at=system_clock(), action="message.search", object=what, actor=account())
        await access.add_audit(store, entry)
        return found

    page = with_store(read_settings(config), ask)
    if page is None:
        fail("There is no such patient here.")
    rows, more = page
    show(map(_shown, rows), _LISTED, as_json=as_json, empty="No message.")
    if more and not as_json:
        out.print(f"More than {limit}: narrow it down, or raise --limit.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Ids as the API shows them, without what is for the store alone."""
    ids = {name: f"m-{row[name]}" if row[name] else None for name in ("duplicate_of", "replay_of", "same_id_as")}
    kept = {name: value for name, value in row.items() if name not in ("journal_id", "digest")}
    return {"message_id": f"m-{row['journal_id']}", **kept, **ids}


def message(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id, such as m-1842.")],
    body: Annotated[
        typer.FileBinaryWrite | None,
        typer.Option("--body", metavar="FILE", help="Write the bytes as received there (`-`: standard output)."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What became of a message: its answer, ends, events and tasks, and what is odd about it.  Audited."""
    client = ApiClient(read_settings(config))
    path = f"/api/v1/messages/{quote(message_id, safe='')}"
    if body is not None:
        ask_api(lambda: client.copy(f"{path}/body", body))
        return
    trace = ask_api(lambda: client.get(path))
    if as_json:
        print_json(trace)
        return
    show([trace["message"]], _MESSAGE, as_json=False)
    show([trace["message"]], _TAKEN, as_json=False)
    for name, columns in _LISTS.items():
        if trace[name]:
            out.print(f"\n[bold]{name}[/]")
            show(trace[name], columns, as_json=False)
        if name in trace.get("more", ()):
            out.print("There are more.")

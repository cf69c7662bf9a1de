"""One received message: how it was taken, and all that came of it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import Config, Json, ask_api, examples, out, print_json, read_settings, show

_MESSAGE = ["message_id:message", "channel", "message_type:type", "control_id", "sender", "received_at:received"]
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
    app.command(epilog=examples("baton message m-1842", "baton message m-1842 --json"))(message)


def message(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id, such as m-1842.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What became of a message: its answer, ends, events and tasks, and what is odd about it.  Audited."""
    client = ApiClient(read_settings(config))
    trace = ask_api(lambda: client.get(f"/api/v1/messages/{quote(message_id, safe='')}"))
    if as_json:
        print_json(trace)
        return
    show([trace["message"]], _MESSAGE, as_json=False)
    show([trace["message"]], _TAKEN, as_json=False)
    for name, columns in _LISTS.items():
        if trace[name]:
            out.print(f"\n[bold]{name}[/]")
            show(trace[name], columns, as_json=False)

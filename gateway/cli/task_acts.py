"""What a person does to a task from the command line: through the API, which keeps the history and the order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, fail, read_settings, show
from gateway.cli.local import account
from gateway.coordination.commands import Channel, Result, Waited

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="Id from `baton tasks`.")]
Why = Annotated[str | None, typer.Option("--reason", "-r", help="Why, for those who come after.")]
Must = Annotated[str, typer.Option("--reason", "-r", help="Why, for those who come after.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Local time.")]
Outcome = Annotated[str | None, typer.Option("--outcome", help="A word for what came of it.")]
COLUMNS = [
    "task_id:task",
    "title",
    "due_at:due",
    "priority",
    "queue",
    "status",
    "owner",
    "patient_id:patient",
    "reason:why",
]


def add_to(group: typer.Typer) -> None:
    for name, act, example in (
        ("claim", claim, "baton tasks claim TASK --actor jdoe"),
        ("release", release, "baton tasks release TASK --reason 'wrong queue'"),
        ("decline", decline, "baton tasks decline TASK --reason 'not my patient'"),
        ("start", start, "baton tasks start TASK"),
        ("wait", wait, "baton tasks wait TASK --on payer --until '2026-03-04 09:00:00'"),
        ("snooze", snooze, "baton tasks snooze TASK --until '2026-03-04 09:00:00'"),
        ("note", note, "baton tasks note TASK 'the daughter answers after 5 pm'"),
        ("attempt", attempt, "baton tasks attempt TASK --channel phone --outcome no-answer"),
        ("checklist", checklist, "baton tasks checklist TASK --add 'order walker' --done 1"),
        ("complete", complete, "baton tasks complete TASK --outcome reached"),
        ("cancel", cancel, "baton tasks cancel TASK --reason 'opened twice'"),
        ("reassign", reassign, "baton tasks reassign TASK --owner asmith"),
    ):
        group.command(name, epilog=examples(example))(act)


def claim(task_id: TaskId, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Take a task."""
    _act("claim", task_id, {"actor": actor}, config, as_json)


def release(
    task_id: TaskId, reason: Why = None, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """Give a task back to its queue."""
    _act("release", task_id, {"actor": actor, "reason": reason}, config, as_json)


def decline(
    task_id: TaskId, reason: Must, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """Do not take a task that was given to you."""
    _act("decline", task_id, {"actor": actor, "reason": reason}, config, as_json)


def start(task_id: TaskId, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Work on a task, also after a wait or a snooze."""
    _act("start", task_id, {"actor": actor}, config, as_json)


def wait(
    task_id: TaskId,
    on: Annotated[Waited, typer.Option("--on", help="Who must act first.")],
    until: Until = None,
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a task on hold until somebody else has acted."""
    body = {"actor": actor, "waiting_on": on, "until": _moment(until), "reason": reason}
    _act("wait", task_id, body, config, as_json)


def snooze(
    task_id: TaskId,
    until: Annotated[datetime, typer.Option("--until", help="Local time.")],
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a task on hold until a time.  It still falls due and escalates."""
    _act("snooze", task_id, {"actor": actor, "until": _moment(until), "reason": reason}, config, as_json)


def note(
    task_id: TaskId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a note to the history of a task."""
    _act("note", task_id, {"actor": actor, "reason": text}, config, as_json)


def attempt(
    task_id: TaskId,
    channel: Annotated[Channel, typer.Option("--channel", help="How it was tried.")],
    outcome: Annotated[Result, typer.Option("--outcome", help="What came of it.")],
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Document an attempt to reach somebody."""
    body = {"actor": actor, "channel": channel, "outcome": outcome, "reason": reason}
    _act("attempt", task_id, body, config, as_json)


def checklist(
    task_id: TaskId,
    add: Annotated[list[str] | None, typer.Option("--add", help="A new item; may be repeated.")] = None,
    done: Annotated[list[str] | None, typer.Option("--done", help="Id of an item; may be repeated.")] = None,
    undone: Annotated[list[str] | None, typer.Option("--undone", help="Id of an item; may be repeated.")] = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add items to the checklist of a task, tick them off, or open them again."""
    _act("checklist", task_id, {"actor": actor, "add": add, "done": done, "undone": undone}, config, as_json)


def complete(
    task_id: TaskId,
    outcome: Outcome = None,
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a task: the work is done, or cannot be (deadline-missed, cannot-be-done)."""
    _act("complete", task_id, {"actor": actor, "reason": reason, "outcome": outcome}, config, as_json)


def cancel(
    task_id: TaskId,
    reason: Must,
    error: Annotated[bool, typer.Option("--error", help="It should never have been there.")] = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a task that is not needed."""
    _act("cancel", task_id, {"actor": actor, "reason": reason, "error": error or None}, config, as_json)


def reassign(
    task_id: TaskId,
    owner: Annotated[str | None, typer.Option("--owner", help="The new owner.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="The new queue.")] = None,
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a task to another owner or queue."""
    if not (owner or queue):
        fail("Say --owner, --queue or both.", code=2)
    _act("reassign", task_id, {"actor": actor, "reason": reason, "owner": owner, "queue": queue}, config, as_json)


def _moment(local: datetime | None) -> str | None:
    return local.astimezone().isoformat() if local else None


def _act(verb: str, task_id: str, body: dict[str, Any], config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    path = f"/api/v1/tasks/{quote(task_id, safe='')}"
    given = {name: value for name, value in body.items() if value is not None} | {"actor": body["actor"] or account()}

    def run() -> Any:
        return client.post(f"{path}/{verb}", given | {"revision": client.get(path)["revision"]})

    show([ask_api(run)], COLUMNS, as_json=as_json)

"""The worklist: list it, claim, release, complete; and why a task is there."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.store import access, queries
from gateway.store.core_store import CoreStore
from gateway.store.paging import Row

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="Id from `baton tasks`.")]
Why = Annotated[str | None, typer.Option("--reason", "-r", help="Why, for those who come after.")]
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


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="The worklist.")
    group.callback(epilog=examples("baton tasks", "baton tasks --queue um --json", "baton tasks claim TASK"))(
        list_tasks
    )
    group.command("claim", epilog=examples("baton tasks claim TASK --actor jdoe"))(claim)
    group.command("release", epilog=examples("baton tasks release TASK --reason 'wrong queue'"))(release)
    group.command("complete", epilog=examples("baton tasks complete TASK --outcome reached"))(complete)
    app.add_typer(group, name="tasks")
    app.command("why", epilog=examples("baton why TASK", "baton why TASK --json"))(why)


def list_tasks(
    context: typer.Context,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only of this queue.")] = None,
    status: Annotated[str, typer.Option("--status", help="A status; `open` or `all`.")] = "open",
    patient: Annotated[str | None, typer.Option("--patient", help="Our id of the patient.")] = None,
    facility: Annotated[str | None, typer.Option("--facility", help="Only of this facility.")] = None,
    due_before: Annotated[datetime | None, typer.Option("--due-before", help="Local time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The worklist, the earliest due first; claim, release and complete tasks."""
    if context.invoked_subcommand is not None:
        return
    chosen = queries.TaskFilter(
        queue=queue,
        status=None if status == "all" else status,
        patient_id=patient,
        facility=facility,
        due_before=due_before.astimezone() if due_before else None,
    )
    rows, more = with_store(read_settings(config), lambda store: queries.list_tasks(store, None, chosen, None, limit))
    show(map(_shown, rows), COLUMNS, as_json=as_json, empty="No tasks.")
    if more and not as_json:
        out.print(f"More than {limit}: narrow it down, or raise --limit.")


def claim(task_id: TaskId, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Take a task."""
    _act("claim", task_id, {"actor": actor or account()}, config, as_json)


def release(
    task_id: TaskId, reason: Why = None, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """Give a task back to its queue."""
    _act("release", task_id, {"actor": actor or account(), "reason": reason}, config, as_json)


def complete(
    task_id: TaskId,
    outcome: Annotated[str | None, typer.Option("--outcome", help="A word for what came of it.")] = None,
    reason: Why = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a task: the work is done, or cannot be."""
    _act("complete", task_id, {"actor": actor or account(), "reason": reason, "outcome": outcome}, config, as_json)


def _act(verb: str, task_id: str, body: dict[str, str | None], config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    path = f"/api/v1/tasks/{quote(task_id, safe='')}"

    def run() -> Any:
        given = {name: value for name, value in body.items() if value is not None}
        return client.post(f"{path}/{verb}", given | {"revision": client.get(path)["revision"]})

    show([ask_api(run)], COLUMNS, as_json=as_json)


def why(task_id: TaskId, config: Config = None, as_json: Json = False) -> None:
    """Why a task is there: the rule and its version, the evidence, the messages behind it, and what was done."""

    async def explain(store: CoreStore) -> dict[str, Any] | None:
        task = await queries.task(store, None, task_id)
        if task is None:
            return None
        entry = access.NewAudit(at=system_clock(), action="task.why", object=task_id, actor=account())
        await access.add_audit(store, entry)
        evidence = json.loads(task["evidence_json"])
        ids = {fact["message_id"] for fact in evidence if str(fact.get("message_id", "")).startswith("m-")}
        found = [await queries.message(store, None, int(each[2:])) for each in sorted(ids) if each[2:].isdigit()]
        return {
            "task": _shown(task),
            "evidence": evidence,
            "messages": [_message(row) for row in found if row is not None],
            "history": await queries.task_history(store, None, task_id),
        }

    found = with_store(read_settings(config), explain)
    if found is None:
        fail(f"There is no task {task_id}.")
    if as_json:
        print_json(found)
        return
    task = found["task"]
    out.print(f"[bold]{escape(task['title'])}[/]  {task['task_id']}  {task['status']}", highlight=False)
    out.print(f"{escape(task['reason'])}\nRule {task['rule_id']} version {task['rule_version']}", highlight=False)
    out.print("\n[bold]Evidence[/]")
    show(found["evidence"], ["message_id:message", "location", "value"], as_json=False, empty="None: a timer alone.")
    out.print("\n[bold]Messages[/]")
    show(
        found["messages"],
        ["message_id:message", "message_type:type", "control_id", "channel", "received_at"],
        as_json=False,
    )
    out.print("\n[bold]History[/]")
    show(found["history"], ["at", "actor", "change", "from_status:from", "to_status:to", "reason"], as_json=False)


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "evidence_json"} | {
        "evidence": json.loads(row["evidence_json"])
    }


def _message(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "digest"} | {"message_id": f"m-{row['journal_id']}"}

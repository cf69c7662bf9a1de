"""The worklist: list it, count it, act on its tasks; and why a task is there."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape

from gateway.cli import task_acts
from gateway.cli.console import Config, Json, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.cli.task_acts import COLUMNS, TaskId
from gateway.clock import system_clock
from gateway.coordination.commands import Status
from gateway.store import access, casework, queries
from gateway.store.core_store import CoreStore
from gateway.store.paging import Row

_COUNTS = ["queue", "open", "unowned", "on_hold:on hold", "overdue", "due_soon:due soon", "escalated", "next_due_at"]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, help="The worklist.")
    group.callback(epilog=examples("baton tasks", "baton tasks --queue um --json", "baton tasks claim TASK"))(
        list_tasks
    )
    group.command("counts", epilog=examples("baton tasks counts", "baton tasks counts --soon 24"))(counts)
    task_acts.add_to(group)
    app.add_typer(group, name="tasks")
    app.command("why", epilog=examples("baton why TASK", "baton why TASK --json"))(why)


def list_tasks(
    context: typer.Context,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only of this queue.")] = None,
    status: Annotated[str, typer.Option("--status", help="A status; `open` or `all`.")] = "open",
    patient: Annotated[str | None, typer.Option("--patient", help="Our id of the patient.")] = None,
    facility: Annotated[str | None, typer.Option("--facility", help="Only of this facility.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only of this person; `none`: of nobody.")] = None,
    due_before: Annotated[datetime | None, typer.Option("--due-before", help="Local time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The worklist, the earliest due first; and what is done to tasks."""
    if context.invoked_subcommand is not None:
        return
    if status not in ("open", "all", *get_args(Status)):
        fail(f"Tasks are open, {', '.join(get_args(Status))}, or all of them; not {status}.", code=2)
    chosen = casework.TaskFilter(
        queue=queue,
        status=None if status == "all" else status,
        patient_id=patient,
        facility=facility,
        owner=None if owner == "none" else owner,
        unowned=True if owner == "none" else None,
        due_before=due_before.astimezone() if due_before else None,
    )
    rows, more = with_store(read_settings(config), lambda store: queries.list_tasks(store, None, chosen, None, limit))
    show(map(_shown, rows), COLUMNS, as_json=as_json, empty="No tasks.")
    if more and not as_json:
        out.print(f"More than {limit}: narrow it down, or raise --limit.")


def counts(
    soon: Annotated[float, typer.Option("--soon", min=0, help="Hours within which a task is due soon.")] = 4,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Open tasks by queue."""
    within = timedelta(hours=soon)
    settings = read_settings(config)
    rows = with_store(settings, lambda store: casework.counts(store, None, system_clock(), within))
    show(rows, _COUNTS, as_json=as_json, empty="No open tasks.")


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
    if task["checklist"]:
        out.print("\n[bold]Checklist[/]")
        show(task["checklist"], ["id", "text", "done_at:done", "done_by:by"], as_json=False)
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
    plain = {name: value for name, value in row.items() if not name.endswith("_json")}
    return plain | {name: json.loads(row[f"{name}_json"]) for name in ("evidence", "checklist")}


def _message(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "digest"} | {"message_id": f"m-{row['journal_id']}"}

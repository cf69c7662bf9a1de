"""People: who is here, absences, digests, and which rules tire people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.store import digests, staffing

_TASK = ["task_id:task", "title", "due_at:due", "priority", "queue", "status", "covering_for:for"]
_ABSENCE = ["absence_id:id", "person", "begins_at:from", "ends_at:to", "substitute", "actor:entered by"]
_FATIGUE = ["rule", "raised", "open", "done", "resolved", "withdrawn", "no_action:no action", "untouched", "per_person"]


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton people", "baton people --json"))(people)
    app.command(epilog=examples("baton digest jdoe", "baton digest jdoe --hours 72"))(digest)
    app.command(epilog=examples("baton fatigue", "baton fatigue --days 90"))(fatigue)
    group = typer.Typer(invoke_without_command=True, help="Who is away, and who stands in.")
    group.callback(epilog=examples("baton absences", "baton absences --person jdoe"))(absences)
    group.command(
        "enter", epilog=examples("baton absences enter jdoe --until '2026-03-09 08:00:00' --substitute asmith")
    )(enter)
    group.command("end", epilog=examples("baton absences end abs_5f1c09d2a1b2c3d4"))(end)
    app.add_typer(group, name="absences")


def people(config: Config = None, as_json: Json = False) -> None:
    """Teams: who is here, how much each has, and the work for which no team of its own is here."""
    found = ask_api(lambda: ApiClient(read_settings(config)).get("/api/v1/people"))
    if as_json:
        print_json(found)
        return
    members = [{"team": team["team"], **member} for team in found["teams"] for member in team["members"]]
    show(members, ["team", "person", "here", "substitute", "open", "capacity"], as_json=False, empty="No teams.")
    if found["uncovered"]:
        out.print("\nWithout a team of their own:")
        show(found["uncovered"], ["queue", "facility_id:facility", "open", "unowned", "team"], as_json=False)


def digest(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The person's id.")],
    hours: Annotated[float, typer.Option("--hours", min=0, help="What happened in so many hours.")] = 24,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What is this person's: overdue, due, new, withdrawn, covered for others, handed back."""
    settings, now = read_settings(config), system_clock()
    since = now - timedelta(hours=hours)
    made = with_store(settings, lambda store: digests.digest(store, settings.staff, person, now, since))
    if as_json:
        print_json(made)
        return
    for section in made.sections:
        out.print(f"\n[bold]{section.name}[/]")
        show(section.tasks, _TASK, as_json=False)
    if not made.sections:
        out.print("Nothing.")


def fatigue(
    days: Annotated[float, typer.Option("--days", min=0, help="Of tasks opened in so many days.")] = 30,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Rules by how many of their tasks came to nothing, the most first."""
    now = system_clock()
    since = now - timedelta(days=days)
    rows = with_store(read_settings(config), lambda store: digests.fatigue(store, None, since, now))
    show(rows, _FATIGUE, as_json=as_json, empty="No tasks in that time.")


def absences(
    context: typer.Context,
    person: Annotated[str | None, typer.Option("--person", help="Only of this person.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Who is or was away, the latest first; enter and end absences."""
    if context.invoked_subcommand is not None:
        return
    rows = with_store(read_settings(config), lambda store: staffing.absences(store, person=person))
    show(rows, _ABSENCE, as_json=as_json, empty="Nobody was ever away.")


def enter(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Who is away.")],
    begins: Annotated[datetime | None, typer.Option("--from", help="Local time; default now.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="Local time; default: until it is ended.")] = None,
    substitute: Annotated[str | None, typer.Option("--substitute", help="Who stands in; else the team does.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Why, for those who come after.")] = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Somebody is away: open tasks go to the substitute or the team, and come back at the end."""
    given: dict[str, Any] = {
        "actor": actor or account(),
        "person": person,
        "begins_at": begins.astimezone().isoformat() if begins else None,
        "ends_at": until.astimezone().isoformat() if until else None,
        "substitute": substitute,
        "reason": reason,
    }
    client = ApiClient(read_settings(config))
    show([ask_api(lambda: client.post("/api/v1/absences", given))], _ABSENCE, as_json=as_json)


def end(
    absence_id: Annotated[str, typer.Argument(metavar="ABSENCE", help="Id from `baton absences`.")],
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End an absence now: what was covered goes back."""
    client = ApiClient(read_settings(config))
    path = f"/api/v1/absences/{quote(absence_id, safe='')}/end"
    show([ask_api(lambda: client.post(path, {"actor": actor or account()}))], _ABSENCE, as_json=as_json)

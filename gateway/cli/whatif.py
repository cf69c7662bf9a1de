"""What would be: stored traffic or files through other settings, without any effect."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.client import ApiClient
from gateway.cli.console import (
    ActorOption,
    Config,
    Json,
    ask_api,
    err,
    examples,
    fail,
    out,
    print_json,
    read_settings,
    show,
)
from gateway.cli.files import read_file
from gateway.cli.local import account, with_store
from gateway.clock import system_clock

if TYPE_CHECKING:
    from gateway.coordination.records import Task
    from gateway.settings import Settings
    from gateway.shadow.difference import Difference
    from gateway.shadow.replay import Period, Result
    from gateway.store.core_store import CoreStore

Other = Annotated[
    Path | None,
    typer.Option("--with", metavar="FILE", help="Settings to try; compared with the present ones."),
]
Examples = Annotated[int, typer.Option("--examples", min=0, help="Tasks shown of each rule and kind of difference.")]
BAR = (TextColumn("messages"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
TASK = ["what", "rule", "task_key:key", "title", "patient_id:patient", "due_at:due", "queue", "why"]


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "baton simulate day/*.hl7 answers/*.x12",
            "baton simulate day/*.hl7 --with changed.toml --until '2026-03-20 08:00:00'",
        )
    )(simulate)
    app.command(
        epilog=examples(
            "baton replay --since '2026-03-01 00:00:00'",
            "baton replay --since '2026-03-01 00:00:00' --shadow --with changed.toml",
            "baton replay --since '2026-03-01 00:00:00' --channel adt --apply --reason 'new mapping'",
        )
    )(replay)


def simulate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of HL7 v2 or X12.")],
    channel: Annotated[str, typer.Option("--channel", help="Read as this channel would; default the first.")] = "",
    other: Other = None,
    until: Annotated[
        datetime | None, typer.Option("--until", help="Local time up to which timers fire; default: the last message.")
    ] = None,
    most: Examples = 20,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Play files through reading and rules and show the tasks that come of them.  Stores nothing.

    Every message is decided at the time that it says itself, and timers fire in between.  With `--with`: the difference
    between the present settings and those.
    """
    from gateway.configuration import compute_configuration
    from gateway.shadow.files import messages_of
    from gateway.shadow.replay import simulate as play

    settings = read_settings(config)
    name = channel or settings.channel[0].name
    if settings.find_channel(name) is None:
        fail(f"There is no channel {name}.", code=2)
    bodies = [read_file(file) for file in files]
    messages = messages_of(bodies, settings.profile(name), system_clock())
    if not messages:
        fail("There is no message in these files.")
    salt = b"simulation"
    present = compute_configuration(settings, salt)
    changed = compute_configuration(read_settings(other), salt) if other else None
    end = until.astimezone(UTC) if until else None
    result = play(present, changed, messages, end) if changed else play(None, present, messages, end)
    tell(result, most, as_json=as_json, compared=changed is not None)


def tell(result: Result, most: int, *, as_json: bool, compared: bool) -> None:
    """Figures, counts by rule, and examples; as JSON every task that differs."""
    if as_json:
        print_json({"figures": result.figures, "same": result.difference.same, "rules": result.difference.by_rule()})
        for row in _rows(result.difference, None):
            print_json(row)
        return
    figures = result.figures
    ended = ", ".join(f"{word} {count}" for word, count in sorted(figures.ends.items()) if count)
    what = f"{figures.messages} messages ({ended or 'nothing ended'}) and {figures.timers} timers"
    speed = f"{figures.seconds:.1f} s: {figures.speed:,.0f} times as fast as they came"
    out.print(f"{what} in {speed}.", highlight=False)
    for failure, count in sorted(figures.failures.items()):
        err.print(f"rule failed {count} times: {failure}", style="red", highlight=False)
    rules = [{"rule": rule, **counts} for rule, counts in result.difference.by_rule().items()]
    if not compared:
        out.print(f"{figures.tasks} tasks:\n")
    else:
        out.print(f"{result.difference.same} tasks are the same.\n")
    show(rules, ["rule", "new", "gone", "changed"], as_json=False, empty="No task differs.")
    if most and rules:
        out.print()
        show(_rows(result.difference, most), TASK, as_json=False)


def _rows(difference: Difference, most: int | None) -> list[dict[str, Any]]:
    """One row per task that differs, at most so many of each rule and kind."""
    rows: list[dict[str, Any]] = []
    kinds: Sequence[tuple[str, Sequence[Task], Sequence[str]]] = (
        ("new", difference.new, ["" for _ in difference.new]),
        ("gone", difference.gone, ["" for _ in difference.gone]),
        ("changed", [one.after for one in difference.changed], [_change(one.fields) for one in difference.changed]),
    )
    for what, tasks, changes in kinds:
        shown: dict[str, int] = {}
        for task, change in zip(tasks, changes, strict=True):
            shown[task.rule_id] = shown.get(task.rule_id, 0) + 1
            if most is None or shown[task.rule_id] <= most:
                rows.append(row_of(what, task, change))
    return rows


def row_of(what: str, task: Task, change: str) -> dict[str, Any]:
    fields = msgspec.structs.asdict(task)
    kept = ("task_key", "title", "patient_id", "due_at", "queue", "priority", "status", "business_status", "opened_at")
    return {"what": what, "rule": task.rule_id, **{name: fields[name] for name in kept}, "why": change or task.reason}


def _change(fields: dict[str, tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {before} -> {after}" for name, (before, after) in fields.items())


def replay(
    since: Annotated[datetime, typer.Option("--since", help="Local time; traffic received from then on.")],
    until: Annotated[datetime | None, typer.Option("--until", help="Local time; default now.")] = None,
    channels: Annotated[list[str] | None, typer.Option("--channel", help="Only of this one; may be repeated.")] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Compute tasks without any effect; show the difference.")
    ] = False,
    other: Other = None,
    warm_up: Annotated[
        float, typer.Option("--warm-up", min=0, help="Days before --since whose traffic makes the state to begin with.")
    ] = 30,
    most: Examples = 3,
    apply: Annotated[bool, typer.Option("--apply", help="Really: through the running gateway.")] = False,
    rate: Annotated[int, typer.Option("--rate", min=1, max=1000, help="With --apply: most messages a second.")] = 50,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="With --apply: why.")] = None,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Stored traffic of a period once more.  Without `--shadow` or `--apply` it only says what that would be.

    `--shadow --with FILE` holds the tasks of those settings against the tasks of the present ones; `--shadow` alone
    holds what the present program and settings make of the traffic against the tasks that the store holds.  What people
    did, and what was sent to payers, is not part of stored traffic.

    `--apply` reads and decides the messages again in a running gateway, in order, between its live traffic.
    """
    end = until.astimezone(UTC) if until else system_clock()
    begin = since.astimezone(UTC)
    if begin >= end:
        fail("--since must be earlier than --until.", code=2)
    if other is not None and not shadow:
        fail("--with needs --shadow.", code=2)
    if apply and (shadow or not reason):
        fail("--apply goes without --shadow, and needs --reason.", code=2)
    settings = read_settings(config)
    unknown = [name for name in channels or () if settings.find_channel(name) is None]
    if unknown:
        fail(f"There is no channel {unknown[0]}.", code=2)
    if apply:
        given = {"since": begin.isoformat(), "until": end.isoformat(), "channels": channels, "per_second": rate}
        _apply(settings, given | {"actor": actor or account(), "reason": reason, "apply": True}, as_json=as_json)
        return
    if not shadow:
        _dry_run(settings, begin, end, channels, as_json=as_json)
        return
    result = replay_shadow(settings, read_settings(other) if other else None, period_of(begin, end, warm_up, channels))
    tell(result, most, as_json=as_json, compared=True)


def _dry_run(
    settings: Settings, since: datetime, until: datetime, channels: list[str] | None, *, as_json: bool
) -> None:
    from gateway.store import traffic_log

    rows = with_store(settings, lambda store: traffic_log.held(store, since, until, channels))
    columns = ["channel", "message_type:type", "count", "first_id:from", "last_id:to"]
    show(rows, columns, as_json=as_json, empty="Nothing was received in that time.")


def _apply(settings: Settings, given: dict[str, Any], *, as_json: bool) -> None:
    """Begin it and wait for its end."""
    client = ApiClient(settings)
    state = ask_api(lambda: client.post("/api/v1/replays", given))["replay"]
    with Progress(*BAR, console=err, transient=True) as bar:
        task = bar.add_task("messages", total=None)
        while state["state"] == "running":
            time.sleep(0.3)
            state = ask_api(lambda: client.get("/api/v1/replays"))
            bar.update(task, completed=state["done"], total=state["total"] or None)
    show([state], ["state", "total", "done", "items", "last_id"], as_json=as_json)


def period_of(since: datetime, until: datetime, warm_up: float, channels: list[str] | None) -> Period:
    from gateway.shadow.replay import Period

    chosen = tuple(channels) if channels else None
    return Period(since=since, until=until, now=system_clock(), warm_up=timedelta(days=warm_up), channels=chosen)


def replay_shadow(settings: Settings, changed: Settings | None, period: Period) -> Result:
    from gateway.configuration import compute_configuration
    from gateway.shadow.replay import replay as play

    os.nice(10)  # a running gateway goes first

    async def run(store: CoreStore) -> Result:
        salt = await store.salt()
        present = compute_configuration(settings, salt)
        with Progress(*BAR, console=err, transient=True) as bar:
            task = bar.add_task("messages", total=None)

            def moved(done: int, of: int) -> None:
                bar.update(task, completed=done, total=of)

            if changed is None:
                return await play(store, None, present, period, moved)
            return await play(store, present, compute_configuration(changed, salt), period, moved)

    return with_store(settings, run)

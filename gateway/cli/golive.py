"""Going live: what a channel would have made, and opening what is open (decision 29)."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, fail, read_settings, show
from gateway.cli.local import account, with_store
from gateway.cli.whatif import TASK, Examples, period_of, replay_shadow, row_of, tell
from gateway.clock import system_clock

if TYPE_CHECKING:
    from gateway.coordination.changes import Adopt
    from gateway.settings import Settings
    from gateway.shadow.replay import Period
    from gateway.store.core_store import CoreStore


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton shadow adt", "baton shadow adt --days 90 --json"))(shadow)
    app.command("go-live", epilog=examples("baton go-live adt", "baton go-live adt --apply --actor jdoe"))(go_live)


def shadow(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel of stage `shadow` or `load`.")],
    days: Annotated[float, typer.Option("--days", min=0, help="Days of stored traffic.")] = 30,
    most: Examples = 20,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The tasks that a channel would have made, were it live: what going live brings.  Nothing is stored or sent."""
    settings = read_settings(config)
    found = settings.find_channel(channel)
    if found is None:
        fail(f"There is no channel {channel}.", code=2)
    if found.stage == "live":
        fail(f"Channel {channel} is live: its tasks are in `baton tasks`.", code=2)
    live = tuple(one.model_copy(update={"stage": "live"}) if one.name == channel else one for one in settings.channel)
    now = system_clock()
    period = period_of(now - timedelta(days=days), now, 30.0, None)
    result = replay_shadow(settings, settings.model_copy(update={"channel": live}), period)
    tell(result, most, as_json=as_json, compared=True)


def go_live(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel whose stage is `live` by now.")],
    days: Annotated[float, typer.Option("--days", min=0, help="Days of stored traffic.")] = 60,
    apply: Annotated[bool, typer.Option("--apply", help="Really: through the running gateway.")] = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Open what is open: the tasks that the channel's earlier messages would have made, with their real due times.

    First `stage = "live"` and a reload; then this shows them, and with `--apply` opens them.  Each comes once: a task
    whose key is there already stays as it is.
    """
    settings = read_settings(config)
    found = settings.find_channel(channel)
    if found is None:
        fail(f"There is no channel {channel}.", code=2)
    if found.stage != "live":
        fail(f'Channel {channel} is in stage {found.stage}: set `stage = "live"` and reload; preview: baton shadow.', 2)
    who, now = actor or account(), system_clock()
    period = period_of(now - timedelta(days=days), now, 0.0, None)
    open_now = _find_open(settings, channel, who, period)
    if not apply:
        rows = [row_of("new", task, "") for one in open_now for task in one.tasks]
        show(rows, TASK, as_json=as_json, empty="Nothing is open that has no task.")
        return
    client = ApiClient(settings)
    totals = {"opened": 0, "timers": 0, "unknown": 0}
    for start in range(0, len(open_now), 50):
        body = {"actor": who, "patients": [_patient(one) for one in open_now[start : start + 50]]}
        answer = ask_api(partial(client.post, f"/api/v1/channels/{channel}/go-live", body))
        totals = {name: count + answer[name] for name, count in totals.items()}
    show([totals], ["opened", "timers", "unknown"], as_json=as_json)


def _find_open(settings: Settings, channel: str, actor: str, period: Period) -> list[Adopt]:
    from gateway.configuration import compute_configuration
    from gateway.shadow.opening import find_open

    os.nice(10)

    async def run(store: CoreStore) -> list[Adopt]:
        return await find_open(store, compute_configuration(settings, await store.salt()), channel, actor, period)

    return with_store(settings, run)


def _patient(found: Adopt) -> dict[str, Any]:
    tasks, timers = msgspec.to_builtins(found.tasks), msgspec.to_builtins(found.timers)
    return {"patient_id": found.patient_id, "tasks": tasks, "timers": timers}

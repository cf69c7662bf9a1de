"""Runs the demo: a gateway of its own in a fresh folder, the scenario played into it, the worklist at the end."""

from __future__ import annotations

import asyncio
import errno
import shutil
import signal
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from gateway.bootstrap import Gateway
from gateway.clock import ScenarioClock
from gateway.demo.player import Played, Player
from gateway.demo.report import find_missing, worklist_table
from gateway.demo.scenario import Scenario, load
from gateway.settings import Settings
from gateway.settings.check import load as load_settings
from gateway.store.migrate import migrate
from gateway.store.worklist import WorklistRow, worklist

DEMO_FOLDER = Path("var/demo")
_MARK = ".baton-demo"
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "day"


def run(folder: Path = DEMO_FOLDER, *, day0: date | None = None, keep_serving: bool | None = None) -> int:
    """Play the scenario; the exit code: 0 when every task that it must give is there.

    `folder` is emptied first, if a demo made it.  `keep_serving`: until Ctrl-C; by default when this is a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)  # a log has no width of its own
    if not SAMPLES.is_dir():
        console.print("The demo plays samples/day of a checkout; an installed package has no samples.")
        return 2
    serving = console.is_terminal if keep_serving is None else keep_serving
    try:
        empty(folder)
    except OSError as error:
        console.print(f"{folder}: {(error.strerror or type(error).__name__).lower()}.")
        return 2
    settings = demo_settings(folder)
    scenario = load(SAMPLES, day0 or datetime.now(ZoneInfo("America/New_York")).date())
    migrate(settings.store.url)
    return asyncio.run(_play(settings, scenario, console, serving))


def empty(folder: Path) -> None:
    """Make the folder, or empty the one that an earlier demo made.  OSError: another that holds something stays."""
    mark = folder / _MARK
    if folder.is_dir() and any(folder.iterdir()) and not mark.exists() and folder != DEMO_FOLDER:
        raise OSError(errno.ENOTEMPTY, "the folder is not empty, and no demo made it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def demo_settings(folder: Path) -> Settings:
    """samples/day/baton.toml with everything it writes below `folder`; the copy there is for the other commands."""
    copy = folder / "baton.toml"
    text = (SAMPLES / "baton.toml").read_text("utf-8")
    copy.write_text(f'{text}\n[gateway]\ndata_dir = "{folder}"\n', "utf-8")
    return load_settings(copy)


async def _play(settings: Settings, scenario: Scenario, console: Console, serving: bool) -> int:
    clock = ScenarioClock(min(step.at for step in scenario.steps) - timedelta(minutes=1))
    gateway = Gateway(settings, clock=clock)
    await gateway.start()
    try:
        console.print(f"[bold]{scenario.title}[/bold]: {len(scenario.steps)} messages, day 0 is {scenario.day0}\n")
        told = _Teller(console, scenario)
        await Player(gateway, clock, scenario, told).play()
        rows = await worklist(gateway.store)
        missing = await _report(gateway, scenario, rows, console)
        if serving and not missing:
            console.print("\nServing until Ctrl-C.")
            await _interrupted()
    finally:
        await gateway.stop()
    return 1 if missing else 0


class _Teller:
    """One line per message, as it is answered."""

    def __init__(self, console: Console, scenario: Scenario) -> None:
        self._console = console
        self._scenario = scenario
        self._count = 0

    def __call__(self, played: Played) -> None:
        self._count += 1
        at = played.step.at.astimezone(self._scenario.zone)
        self._console.print(
            f"{self._count:>3}/{len(self._scenario.steps)}  {at:%a %m-%d %H:%M}  {played.step.channel:<6} "
            f"{played.answer:<6} {played.step.say}"
        )


async def _report(gateway: Gateway, scenario: Scenario, rows: list[WorklistRow], console: Console) -> list[str]:
    console.print()
    console.print(worklist_table(rows, scenario.zone))
    ledger = await gateway.store.ledger()
    for name, balance in sorted(ledger.channels.items()):
        words = ", ".join(f"{count} {word}" for word, count in balance.words.items() if count)
        console.print(f"channel {name}: {balance.came} received = {words}, {balance.open} in flight")
    example = next((row.task_id for row in rows if row.open), "TASK")
    config = Path(gateway.settings.gateway.data_dir) / "baton.toml"
    console.print("\nWhere to look next")
    console.print(f"  API         http://127.0.0.1:{gateway.api.port}/api/v1/tasks (key: {config.parent}/admin.key)")
    console.print(f"  events      baton tail --config {config}")
    console.print(f"  one task    baton why {example} --config {config}")
    console.print(f"  parked      baton parked list --config {config}")
    missing = find_missing(rows, scenario.expectations)
    if not ledger.balanced:
        missing.append("the ledger is not balanced")
    for sentence in missing:
        console.print(f"[bold red]missing:[/] {sentence}")
    return missing


async def _interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()

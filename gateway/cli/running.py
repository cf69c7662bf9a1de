"""serve and demo."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import Config, config_path, examples, read_settings
from gateway.settings import Settings
from gateway.settings.check import SettingsError, load
from gateway.telemetry import configure_logging

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

log = logging.getLogger(__name__)

DEMO_FOLDER = Path("var/demo")


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples("baton serve", "baton serve --config /etc/baton.toml", "BATON_API__PORT=0 baton serve")
    )(serve)
    app.command(epilog=examples("baton demo", "baton demo --day 2027-02-26 --no-keep"))(demo)


def serve(config: Config = None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, then drain within 15 seconds.

    The embedded store is migrated at the start; PostgreSQL is by `baton migrate`.
    """
    import uvloop

    settings = read_settings(config)
    configure_logging(settings.gateway.log_level, settings.gateway.log_format)
    code = uvloop.run(run_gateway(settings, config=config))
    if code:
        raise typer.Exit(code)


async def run_gateway(
    settings: Settings, started: Callable[[int], None] = lambda port: None, *, config: Path | None = None
) -> int:
    """Serve until a signal; the exit code.  `started` hears the API's port when everything takes messages."""
    from gateway import garbage
    from gateway.bootstrap import Gateway
    from gateway.store.migrate import migrate
    from gateway.store.ports import SchemaMismatch, StoreUnavailable, UnsafeStore

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        if settings.store.url.startswith("sqlite:"):
            await asyncio.to_thread(migrate, settings.store.url)
        gateway = Gateway(settings)
        await gateway.start()
    except SchemaMismatch:
        log.error("the store is of another version: run `baton migrate`")
        return 3
    except UnsafeStore as error:
        log.error("the gateway does not start on an unsafe store: %s", str(error))
        return 3
    except StoreUnavailable:
        log.error("the store cannot be opened: is its address right, and is it running?")
        return 3
    except OSError as error:
        log.error("cannot start: %s", str(error))  # of our own addresses and folders; no message was taken yet
        return 3
    try:
        log.info(
            "ready: API on %s:%d, local keys in %s", settings.api.host, gateway.api.port, settings.gateway.data_dir
        )
        reloading = asyncio.create_task(reload_on_signal(gateway, config))
        garbage.collect_rarely()
        started(gateway.api.port)
        await stop.wait()
        log.info("draining")
        reloading.cancel()
    finally:
        await gateway.stop()
    return 0


async def reload_on_signal(gateway: Gateway, config: Path | None) -> None:
    """SIGHUP: read the settings again; a file that is wrong changes nothing (decision 28)."""
    from gateway.store.ports import StoreUnavailable

    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    while True:
        await asked.wait()
        asked.clear()
        try:
            settings = load(config_path(config))
        except SettingsError as error:
            log.error("settings not applied: %s", str(error))
            continue
        try:
            refusals = await gateway.reload(settings)
        except StoreUnavailable:
            refusals = ["the store is away"]
        for refusal in refusals:
            log.error("settings not applied: %s", refusal)


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help="Everything is written here; emptied first when a demo made it.")
    ] = DEMO_FOLDER,
    day: Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Day 0; else today.")] = None,
    keep: Annotated[
        bool | None, typer.Option("--keep/--no-keep", help="Go on serving afterwards; by default on a terminal only.")
    ] = None,
) -> None:
    """A day at General Hospital and its payers: real sockets and files, a scenario clock, then the worklist.

    Ends with 1 when a task that the scenario must give is missing.
    """
    from gateway.demo.run import run

    code = run(folder, day0=day.date() if day else None, keep_serving=keep)
    if code:
        raise typer.Exit(code)

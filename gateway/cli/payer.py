"""The simulated payer: answers 270 and 278 so that Baton can be tried without one."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Config, examples, fail, out, read_settings
from gateway.clock import system_clock
from gateway.payer.folder import FolderPayer
from gateway.payer.scenario import AUTHORIZATION, ELIGIBILITY, Scenario, UnreadableScenario, load_scenario
from gateway.settings.channels import FileDrop


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "baton payer --channel payers",
            "baton payer --channel payers --scenario samples/payer/scenario.toml",
            "baton payer --core 9443 --scenario samples/payer/scenario.toml",
            "baton payer --questions var/payers/out --answers var/payers/in --once",
        )
    )(payer)


def payer(
    channel: Annotated[str, typer.Option("--channel", help="A file-drop channel: its folders are used.")] = "payers",
    questions: Annotated[Path | None, typer.Option("--questions", help="Folder that the gateway writes to.")] = None,
    answers: Annotated[Path | None, typer.Option("--answers", help="Folder that the gateway reads.")] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Who gets which answer; else all active and certified.")
    ] = None,
    core: Annotated[
        int | None, typer.Option("--core", min=0, max=65535, help="Serve CAQH CORE on this port of loopback instead.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Answer what is there, also what should come later.")] = False,
    config: Config = None,
) -> None:
    """A payer that answers 270 and 278 by a scenario file: for trying Baton and for tests, never for real patients.

    Over CORE (--core): real time and batch, SOAP and MIME. Over files: a 999 for each group, then the 271 or 278; each
    file read goes into `answered` beside it.
    docs/payer.md lists the outcomes that a scenario may name.
    """
    if core is not None:
        _serve_core(_scenario(scenario), core)
        return
    if questions is None or answers is None:
        found = read_settings(config).find_channel(channel)
        if not isinstance(found, FileDrop):
            fail(f"There is no file-drop channel {channel}: name one, or give --questions and --answers.")
        questions, answers = questions or Path(found.out), answers or Path(found.folder)
    _serve(FolderPayer(_scenario(scenario), questions, answers), once)


def _scenario(path: Path | None) -> Scenario:
    try:
        return load_scenario(path) if path else Scenario()
    except UnreadableScenario as error:
        known = f"Eligibility: {', '.join(ELIGIBILITY)}. Authorization: {', '.join(AUTHORIZATION)}."
        fail(f"{error}\n{known}")


def _serve_core(scenario: Scenario, port: int) -> None:
    from gateway.payer.endpoint import serve  # uvicorn: not for the other commands

    def told(bound: int) -> None:
        out.print(f"http://127.0.0.1:{bound}/core answers everybody; Ctrl-C ends it.", highlight=False)

    try:
        answered = asyncio.run(serve(scenario, port, lambda: system_clock().astimezone(), told))
    except OSError as error:
        fail(f"The port cannot be used: {error.strerror}")
    out.print(f"{answered} answers given.")


def _serve(folder: FolderPayer, once: bool) -> None:
    """Until Ctrl-C or SIGTERM, also where a shell in the background has switched Ctrl-C off."""
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
    try:
        folder.make()
        folder.step(system_clock().astimezone(), wait=not once)
        while not once:
            time.sleep(0.5)
            folder.step(system_clock().astimezone())
    except KeyboardInterrupt:
        pass
    except OSError as error:
        fail(f"The folder cannot be used: {error.strerror}")
    out.print(f"{folder.read} files read, {folder.written} answers written.")

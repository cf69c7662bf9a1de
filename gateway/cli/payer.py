"""The simulated payer: answers 270 and 278 so that Baton can be tried without one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Config, examples, fail, out, read_settings
from gateway.clock import system_clock
from gateway.payer.folder import FolderPayer
from gateway.payer.scenario import AUTHORIZATION, ELIGIBILITY, Scenario, UnreadableScenario, load_scenario
from gateway.settings_channels import FileDrop


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "baton payer --channel payers",
            "baton payer --channel payers --scenario samples/payer/scenario.toml",
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
    once: Annotated[bool, typer.Option("--once", help="Answer what is there, also what should come later.")] = False,
    config: Config = None,
) -> None:
    """A payer that answers 270 and 278 by a scenario file: for trying Baton and for tests, never for real patients.

    Batch over files: a 999 for each group, then the 271 or 278. Each file read goes into `answered` beside it.
    docs/payer.md lists the outcomes that a scenario may name.
    """
    if questions is None or answers is None:
        found = read_settings(config).find_channel(channel)
        if not isinstance(found, FileDrop):
            fail(f"There is no file-drop channel {channel}: name one, or give --questions and --answers.")
        questions, answers = questions or Path(found.out), answers or Path(found.folder)
    try:
        chosen = load_scenario(scenario) if scenario else Scenario()
    except UnreadableScenario as error:
        known = f"Eligibility: {', '.join(ELIGIBILITY)}. Authorization: {', '.join(AUTHORIZATION)}."
        fail(f"{error}\n{known}")
    _serve(FolderPayer(chosen, questions, answers), once)


def _serve(folder: FolderPayer, once: bool) -> None:
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

"""Writes docs/cli.md from the commands themselves."""

from __future__ import annotations

import inspect
from typing import Any

import typer.main

from gateway.cli.commands import app

_INTRODUCTION = """\
# Commands

Made from the commands' own help by `make docs`; a test compares the two.

Commands that look read the store of the settings directly. Commands that change something a running gateway holds
(`tasks claim`, `parked retry`, `channels pause` ...) go through its API with the key in `<data_dir>/admin.key`, which
`baton serve` makes for the account that runs it; `BATON_API_URL` and `BATON_API_KEY` name another gateway and key.

Exit codes: 0 done; 1 something is not as it should be (an unreadable file, a refused message, an unbalanced ledger);
2 the command or the configuration is wrong; 3 the store or the gateway cannot be reached.
"""


def cli_markdown() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    return "\n".join([_INTRODUCTION, *(_section(name, command) for name, command in walk(root, "baton"))])


def walk(command: Any, path: str) -> list[tuple[str, Any]]:
    """(full name, command) of every command below `command`."""
    found: list[tuple[str, Any]] = []
    for name, inner in getattr(command, "commands", {}).items():
        full = f"{path} {name}"
        found += [(full, inner), *walk(inner, full)]
    return found


def _section(name: str, command: Any) -> str:
    lines = [
        f"## `{name}`",
        "",
        inspect.cleandoc((command.callback and command.callback.__doc__) or command.help or ""),
        "",
    ]
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        lines += ["| option | default | meaning |", "|---|---|---|", *rows, ""]
    shown = [line.strip() for line in (command.epilog or "").splitlines() if line.strip() and "Examples" not in line]
    if shown:
        lines += ["```", *shown, "```", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    shown = ", ".join(parameter.opts + parameter.secondary_opts)
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
    default = "required" if parameter.required else _default(parameter.default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{shown}`", default, parameter.help or "")) + " |"


def _default(value: object) -> str:
    return "" if value is None or value is False or value in ("", (), []) or callable(value) else f"`{value}`"

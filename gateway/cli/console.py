"""How commands speak: options that they share, tables for people, JSON lines for programs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.settings import Settings
from gateway.settings.check import SettingsError, load

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")

out = Console(width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Else $BATON_CONFIG, else ./baton.toml when there."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
ActorOption = Annotated[str | None, typer.Option("--actor", help="Who acts; else the name of the account.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why, for those who come after.")]


def examples(*lines: str) -> str:
    """The end of a help page: commands to copy."""
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)


def config_path(config: Path | None) -> Path | None:
    """The file that a command reads its settings from; None: the defaults."""
    if config is not None:
        return config
    if os.environ.get("BATON_CONFIG"):
        return Path(os.environ["BATON_CONFIG"])
    return Path("baton.toml") if Path("baton.toml").exists() else None


def read_settings(config: Path | None) -> Settings:
    """Settings, or the end of the command with every finding on its line."""
    try:
        return load(config_path(config))
    except SettingsError as error:
        fail(str(error), code=2)


def fail(text: str, code: int = 1) -> NoReturn:
    """End the command with a sentence for people."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def show(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    title: str = "",
    empty: str = "Nothing.",
) -> None:
    """Rows as JSON lines with every field, or as a table of `columns` ("field" or "field:heading")."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    fields = [column.partition(":") for column in columns]
    table = Table(header_style="bold", box=None, pad_edge=False)
    for field, _, heading in fields:
        table.add_column(heading or field.replace("_", " "), overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(text_of(row.get(field)) for field, _, _ in fields))
        count += 1
    out.print(table if count else empty)


def print_json(row: object) -> None:
    sys.stdout.write(msgspec.json.encode(row, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def text_of(value: object) -> str:
    """A cell: markup of the value itself is not obeyed, control characters are shown."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {text_of(each)}" for name, each in value.items())
    text = str(value)
    if _MOMENT.fullmatch(text):  # of the API
        return text_of(datetime.fromisoformat(text))
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text).replace("[", "\\[")


def ask_api(action: Callable[[], Any]) -> Any:
    """Run a call of the API; what went wrong ends the command with a sentence."""
    from gateway.cli.client import ApiRefused, ApiUnreachable

    try:
        return action()
    except ApiRefused as error:
        fail(f"Refused ({error.status}): {error.detail}", code=1)
    except ApiUnreachable as error:
        fail(f"No gateway answers at {error}. Start it with `baton serve`, or set BATON_API_URL.", code=3)

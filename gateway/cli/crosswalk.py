"""A cross-walk of patients' numbers, loaded from a file."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import (
    ActorOption,
    Config,
    Json,
    ReasonOption,
    ask_api,
    examples,
    fail,
    out,
    print_json,
    read_settings,
    show,
)
from gateway.cli.local import account

_FIELDS = ("authority", "value", "other_authority", "other_value")
_MOST = 20000
_STEP = 200
_SAID = {
    "link": "linked to the patient whom the other number names",
    "known": "nothing to do: both numbers name the patient",
    "unknown": "neither number names a patient yet",
    "conflict": "the numbers are two patients: never merged by a file",
    "restricted": "the patient is restricted, and this key may not see him",
}


def add_to(group: typer.Typer) -> None:
    group.command(
        "link",
        epilog=examples(
            "baton patients link crosswalk.csv --reason 'cross-walk of the clinic'",
            "baton patients link crosswalk.csv --reason 'cross-walk of the clinic' --apply",
        ),
    )(link)


def link(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV: authority,value,authority,value.")
    ],
    reason: ReasonOption,
    actor: ActorOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this it only says what would be.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Load a cross-walk: each row gives two numbers of one person; the one not known yet will name the other's patient.

    First says how many rows would be linked, are known, unknown or in conflict, and on which lines. Nobody is merged.
    Ends with 1 when a row is in conflict.
    """
    lines, rows = _read(file)
    client = ApiClient(read_settings(config))
    act = {"actor": actor or account(), "reason": reason, "dry_run": not apply}
    done: list[dict[str, Any]] = []
    step = _STEP if apply else len(rows)
    for start in range(0, len(rows), step):
        body = {**act, "rows": rows[start : start + step]}
        done += ask_api(lambda: client.post("/api/v1/patients/_link", body))["rows"]  # noqa: B023
    told = [{**one, "row": place, "line": line} for place, (line, one) in enumerate(zip(lines, done, strict=True), 1)]
    if as_json:
        for one in told:
            print_json({**one, "dry_run": not apply})
    else:
        _tell(told, apply)
    if any(one["status"] == "conflict" for one in told):
        raise typer.Exit(1)


def _tell(told: list[dict[str, Any]], apply: bool) -> None:
    counts = Counter(one["status"] for one in told)
    rows = [{"status": status, "rows": counts[status], "what": _SAID[status]} for status in _SAID if counts[status]]
    show(rows, ["status", "rows", "what"], as_json=False)
    odd = [one for one in told if one["status"] in ("unknown", "conflict", "restricted")]
    if odd:
        out.print("\nNot linked:")
        show(odd[:50], ["line", "status", "patient_id:patient"], as_json=False)
        if len(odd) > 50:
            out.print(f"and {len(odd) - 50} more: --json lists them.")
    if not apply:
        out.print("Nothing was changed: --apply does it.")


def _read(file: Path) -> tuple[list[int], list[dict[str, str]]]:
    """(line of each row, the rows).  A file that is not as it should be ends the command; no value is shown."""
    lines: list[int] = []
    rows: list[dict[str, str]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            for cells in reader:
                values = [cell.strip() for cell in cells]
                if not any(values) or (not rows and [v.lower() for v in values] == ["authority", "value"] * 2):
                    continue
                if len(values) != len(_FIELDS) or not all(values):
                    fail(f"Line {reader.line_num}: four values are needed, authority,value,authority,value.", code=2)
                lines.append(reader.line_num)
                rows.append(dict(zip(_FIELDS, values, strict=True)))
    except (csv.Error, UnicodeDecodeError):
        fail("This is no CSV file in UTF-8.", code=2)
    if not rows:
        fail("The file has no rows.", code=2)
    if len(rows) > _MOST:
        fail(f"More than {_MOST} rows: split the file.", code=2)
    return lines, rows

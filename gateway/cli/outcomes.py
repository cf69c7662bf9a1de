"""Figures for outcomes, for people, programs and spreadsheets."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from gateway.cli.console import Config, Json, examples, fail, read_settings, show
from gateway.cli.local import with_store
from gateway.clock import system_clock
from gateway.outcomes import all_figures, as_csv
from gateway.store.outcome_rows import outcome_rows


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton outcomes", "baton outcomes --days 90 --csv > outcomes.csv"))(outcomes)


def outcomes(
    days: Annotated[float, typer.Option("--days", min=0, help="Days before --until.")] = 30,
    until: Annotated[datetime | None, typer.Option("--until", help="Local time; default now.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values with a head line.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Time to contact, follow-ups in their window, no-shows, readmissions, authorizations, eligibility, open tasks.

    Rates are shares of 1, times are hours.  No figure names a patient; `cases` says of how many it is.
    """
    now = system_clock()
    end = until.astimezone(UTC) if until else now
    begin = end - timedelta(days=days)
    if begin >= end:
        fail("--days must be more than 0.", code=2)
    rows = with_store(read_settings(config), lambda store: outcome_rows(store, None, begin, end))
    figures = all_figures(rows, begin, end, now)
    if csv:
        sys.stdout.write(as_csv(figures))
        return
    show(map(msgspec.structs.asdict, figures), ["measure", "of", "name", "value", "cases"], as_json=as_json)

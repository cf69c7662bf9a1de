"""All commands under one name; each module adds its own."""

from __future__ import annotations

import typer

from gateway.cli import (
    asking,
    channels,
    core,
    golive,
    keys,
    merges,
    messages,
    offline,
    outcomes,
    parked,
    partners,
    patients,
    payer,
    people,
    reading,
    records,
    rules,
    running,
    sending,
    tasks,
    webhooks,
    whatif,
    why_not,
)

app = typer.Typer(
    name="baton",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="HL7 v2 and X12 in, never dropped once acknowledged; events and coordination tasks out.",
    epilog="Start with `baton demo`. Settings: docs/settings.md. Every command explains itself with --help.",
)
for module in (
    running,
    sending,
    offline,
    reading,
    records,
    messages,
    patients,
    merges,
    rules,
    tasks,
    parked,
    channels,
    webhooks,
    asking,
    partners,
    payer,
    keys,
    people,
    core,
    whatif,
    why_not,
    outcomes,
    golive,
):
    module.add_to(app)

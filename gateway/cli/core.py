"""CORE connectivity: what CORE 156 and its neighbours want measured, and hashes of partners' passwords."""

from __future__ import annotations

import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from channels.core_partners import hash_password
from gateway.cli.console import Config, Json, examples, fail, out, read_settings, show
from gateway.cli.local import with_store
from gateway.clock import system_clock
from gateway.core_report import EASTERN, Measure, availability, measures, month_of
from gateway.settings import Settings
from gateway.settings.core import CoreClient, CoreEndpoint
from gateway.store import exchanges
from gateway.store.core_store import CoreStore

_SHORTEST = 12


def add_to(app: typer.Typer) -> None:
    core = typer.Typer(no_args_is_help=True, help="CAQH CORE connectivity: monthly figures, passwords.")
    core.command("password", epilog=examples("baton core password", "baton core password < new-password.txt"))(password)
    core.command(
        "report",
        epilog=examples(
            "baton core report",
            "baton core report --partner hospital --month 2026-03",
            "baton core report --partner bigpayer --json",
        ),
    )(report)
    app.add_typer(core, name="core")


def password() -> None:
    """Ask for a partner's password and print its hash, for `password_hash` of a core-endpoint's partner.

    The password is asked for, or read from standard input; it is stored nowhere."""
    if sys.stdin.isatty():
        secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if len(secret) < _SHORTEST:
        fail(f"A partner's password needs at least {_SHORTEST} characters.", code=2)
    out.print(hash_password(secret), markup=False, highlight=False, soft_wrap=True)


def report(
    partner: Annotated[
        str,
        typer.Option(
            "--partner", "-p", help="A partner of a core-endpoint, or the name of a core-client channel; else all."
        ),
    ] = "",
    month: Annotated[str, typer.Option("--month", "-m", help="Such as 2026-03; else this one.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Availability, answers within 20 s, 999 within the hour and batch results by 7 am, for one month.

    Of a partner who calls us: how we served him. Of a channel that calls a payer: how he served us. Hours are Eastern
    time; what is not due yet is told apart. docs/core.md says what is counted how."""
    settings = read_settings(config)
    now = system_clock()
    try:
        start, stop = month_of(month or f"{now.astimezone(ZoneInfo(EASTERN.zone)):%Y-%m}")
    except ValueError:
        fail("Write the month as 2026-03.", code=2)
    everybody = _partners(settings)
    if partner and partner not in everybody:
        fail(f"There is no partner of a core-endpoint and no core-client channel named {partner}.", code=2)

    async def read(store: CoreStore) -> list[tuple[str, Measure]]:
        found: list[tuple[str, Measure]] = []
        for name in [partner] if partner else everybody:
            served, calls = _channels_of(settings, name), isinstance(settings.find_channel(name), CoreClient)
            rows = await exchanges.between(store, name, start, stop)
            rows = [row for row in rows if row["direction"] == ("out" if calls else "in")]
            acknowledged = await exchanges.acknowledged(store, name, start, stop)
            found += [(name, each) for each in measures(rows, acknowledged, now)]
            if served:
                downs = await exchanges.downs(store, served, start, min(stop, now))
                found.append((name, availability(downs, start, min(stop, now))))
        return found

    found = with_store(settings, read)
    columns = ["partner", "name", "total", "met", "open", "share", "target", "verdict"]
    rows = [{"partner": name, **msgspec.structs.asdict(each), "verdict": each.verdict} for name, each in found]
    show(rows, columns, as_json=as_json, empty="There is no CORE channel.")


def _partners(settings: Settings) -> list[str]:
    """Who calls our endpoints, and which channels call others."""
    called = [one.name for each in settings.channel if isinstance(each, CoreEndpoint) for one in each.partner]
    return list(dict.fromkeys([*called, *(each.name for each in settings.channel if isinstance(each, CoreClient))]))


def _channels_of(settings: Settings, partner: str) -> list[str]:
    """The endpoints that this partner may call."""
    endpoints = [channel for channel in settings.channel if isinstance(channel, CoreEndpoint)]
    return [channel.name for channel in endpoints if any(each.name == partner for each in channel.partner)]

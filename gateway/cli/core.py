"""CORE connectivity: hashes of partners' passwords."""

from __future__ import annotations

from typing import Annotated

import typer

from channels.core_partners import hash_password
from gateway.cli.console import examples, fail, out

_SHORTEST = 12


def add_to(app: typer.Typer) -> None:
    core = typer.Typer(no_args_is_help=True, help="CAQH CORE connectivity: partners' passwords.")
    core.command("password", epilog=examples("baton core password", "baton core password < new-password.txt"))(password)
    app.add_typer(core, name="core")


def password(
    secret: Annotated[
        str, typer.Option("--password", prompt="Password", hide_input=True, confirmation_prompt=False, hidden=True)
    ],
) -> None:
    """Ask for a partner's password and print its hash, for `password_hash` of a core-endpoint's partner.

    The password is asked for, or read from standard input; it is stored nowhere."""
    if len(secret) < _SHORTEST:
        fail(f"A partner's password needs at least {_SHORTEST} characters.", code=2)
    out.print(hash_password(secret), markup=False, highlight=False, soft_wrap=True)

"""API keys: create, list, revoke.  A secret is shown once and stored as a hash."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from gateway.api.auth import ANY, SCOPES
from gateway.api.keys import new_key
from gateway.cli.console import Config, Json, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.store import access
from gateway.store.core_store import CoreStore


def add_to(app: typer.Typer) -> None:
    key = typer.Typer(no_args_is_help=True, help="API keys: who may ask for what.")
    key.command("create", epilog=examples("baton key create worklist -s tasks:read -s tasks:write -f general"))(create)
    key.command("list", epilog=examples("baton key list"))(list_keys)
    key.command("revoke", epilog=examples("baton key revoke key_5f1c09d2"))(revoke)
    app.add_typer(key, name="key")


def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option("--scope", "-s", help="May be repeated: " + ", ".join(SCOPES) + ".")],
    facility: Annotated[
        list[str], typer.Option("--facility", "-f", help="A facility it may see, may be repeated; * is all.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key and show its secret, once."""
    settings = read_settings(config)
    unknown = [word for word in scope if word not in SCOPES]
    if unknown:
        fail(f"There is no scope {unknown[0]}. Use some of: {', '.join(SCOPES)}.", code=2)
    known = [ANY, *(entry.id for entry in settings.facility)]
    missing = [word for word in facility if word not in known]
    if missing:
        fail(f"There is no facility {missing[0]}. Use some of: {', '.join(known)}.", code=2)
    secret, entry = new_key(name, tuple(scope), tuple(facility), system_clock())

    async def keep(store: CoreStore) -> None:
        await access.add_audit(store, _audit("key.create", entry.key_id))
        await access.create_key(store, entry)

    with_store(settings, keep)
    if as_json:
        print_json({"key_id": entry.key_id, "secret": secret, "scopes": scope, "facilities": facility})
    else:
        out.print(f"{entry.key_id}\n\n  {secret}\n\nKeep it now: it is not stored and cannot be shown again.")


def list_keys(config: Config = None, as_json: Json = False) -> None:
    """All keys, without their secrets."""
    found = with_store(read_settings(config), access.keys)
    rows = [{name: value for name, value in msgspec.structs.asdict(key).items() if name != "hash"} for key in found]
    show(rows, ["key_id", "name", "scopes", "facilities", "created_at", "revoked_at"], as_json=as_json)


def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, from `baton key list`.")], config: Config = None
) -> None:
    """End a key at once."""

    async def end(store: CoreStore) -> bool:
        await access.add_audit(store, _audit("key.revoke", key_id))
        return await access.revoke_key(store, key_id, system_clock())

    if not with_store(read_settings(config), end):
        fail(f"There is no key {key_id} in force.")
    out.print(f"{key_id} is revoked.")


def _audit(action: str, about: str) -> access.NewAudit:
    return access.NewAudit(at=system_clock(), action=action, object=about, actor=account())

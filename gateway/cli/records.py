"""What the gateway keeps about itself: tail, ledger, audit, prune."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import Config, Json, ask_api, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.retention import retention_of
from gateway.settings import Settings
from gateway.store import access
from gateway.store.core_store import CoreStore
from gateway.store.paging import BadCursor

_PAGE = 500
_LOOK_SECONDS = 0.5


def add_to(app: typer.Typer) -> None:
    app.command(epilog=examples("baton tail", "baton tail --from start --no-follow --json | jq .type"))(tail)
    app.command(epilog=examples("baton ledger", "baton ledger --json"))(ledger)
    app.command(epilog=examples("baton audit --action patient.read", "baton audit --actor jdoe --json"))(audit)
    app.command(epilog=examples("baton prune --dry-run", "baton prune"))(prune)


def tail(
    start: Annotated[
        str, typer.Option("--from", metavar="POSITION", help="`start`, `now`, or a position shown before.")
    ] = "now",
    types: Annotated[list[str] | None, typer.Option("--type", "-t", help="Only this type; may be repeated.")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for more, or end.")] = True,
    api: Annotated[bool, typer.Option("--api", help="Ask the API instead of the store.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show events as they are committed, in commit order; none is missed."""
    settings = read_settings(config)
    after = None if start in ("start", "now") else start
    wanted = frozenset(types) if types else None

    def tell(position: str, event: dict[str, Any]) -> None:
        if as_json:
            print_json({"position": position, **event})
        else:
            line = (
                f"{position:<12} {event['time'][:19]}  {event['type']:<34} {event['subject']}  {event['correlationid']}"
            )
            out.print(line, markup=False, highlight=False, soft_wrap=True)

    try:
        if api:
            ask_api(lambda: _tail_api(ApiClient(settings), after, wanted, follow, tell))
        else:
            _tail_store(settings, after, wanted, tell, now=start == "now", follow=follow)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except (BadCursor, ValueError):
        fail(f"There is no position {start}.", code=2)


Tell = Callable[[str, dict[str, Any]], None]


def _tail_store(
    settings: Settings, after: str | None, types: frozenset[str] | None, tell: Tell, *, now: bool, follow: bool
) -> None:
    async def run(store: CoreStore) -> None:
        position = after
        if now:  # nothing has this type, so only the newest position comes back
            _, position = await store.read_events(None, 1, types=frozenset({""}))
        while True:
            rows, position = await store.read_events(position, _PAGE, types=types)
            for place, event in rows:
                tell(place, msgspec.json.decode(event.body))
            if len(rows) < _PAGE:
                if not follow:
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    with_store(settings, run)


def _tail_api(client: ApiClient, after: str | None, types: frozenset[str] | None, follow: bool, tell: Tell) -> None:
    query = "".join(f"&type={name}" for name in sorted(types or ()))
    if follow:
        for position, event in client.events(f"/api/v1/events?limit=1{query}", after):
            tell(position, event)
        return
    while True:
        place = f"&cursor={after}" if after else ""
        page = client.get(f"/api/v1/events?limit={_PAGE}{query}{place}")
        after = page["next"]
        for position, event in zip(page["positions"], page["items"], strict=True):
            tell(position, event)
        if len(page["items"]) < _PAGE:
            return


def ledger(config: Config = None, as_json: Json = False) -> None:
    """The two equations: what came in = what ended + in flight; what was committed = what was settled + pending.

    Ends with 1 when they do not balance.
    """
    book = with_store(read_settings(config), lambda store: store.ledger())
    rows = [
        {"of": kind, "name": name, "came": side.came, **side.words, "open": side.open, "balanced": side.balanced}
        for kind, sides in (("channel", book.channels), ("sink", book.sinks))
        for name, side in sorted(sides.items())
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in ("open", "balanced")))
    show(rows, [*columns, "open", "balanced"], as_json=as_json, empty="Nothing has come in yet.")
    if not book.balanced:
        raise typer.Exit(1)


def audit(
    action: Annotated[str | None, typer.Option("--action", help="Only this act, such as patient.read.")] = None,
    about: Annotated[str | None, typer.Option("--object", help="Only about this id.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only by this person.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Who did and saw what, the newest first."""
    chosen = access.AuditFilter(action=action, object=about, actor=actor)
    rows, _ = with_store(read_settings(config), lambda store: access.audit_rows(store, None, chosen, None, limit))
    show(rows, ["at", "key_id", "actor", "action", "object", "facility_id:facility", "detail"], as_json=as_json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove what is past its retention; never work, undelivered events or parked items."""
    settings = read_settings(config)
    kept = retention_of(settings)

    async def run(store: CoreStore) -> dict[str, Any]:
        if not dry_run:
            entry = access.NewAudit(at=system_clock(), action="prune", object="store", actor=account())
            await access.add_audit(store, entry)
        return msgspec.structs.asdict(await store.prune(system_clock(), kept, dry_run=dry_run))

    counts = with_store(settings, run)
    rows = [{"kind": kind, ("would go" if dry_run else "gone"): count} for kind, count in counts.items()]
    if as_json:
        print_json({"dry_run": dry_run, **counts})
    else:
        show(rows, ["kind", "would go" if dry_run else "gone"], as_json=False)

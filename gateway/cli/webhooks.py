"""Webhooks of the running gateway: where events are posted."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, out, print_json, read_settings, show
from gateway.cli.local import account

Name = Annotated[str, typer.Argument(help="Name of the webhook.")]
COLUMNS = ["name", "state", "url", "types", "facilities", "payload", "format", "pending", "parked", "trouble"]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Webhooks: where events are posted as they happen.")
    group.command(
        "add",
        epilog=examples(
            "baton webhook add care-app https://care.example.org/baton --type 'task.*'",
            "baton webhook add his https://his.example.org/in --type encounter.admitted --payload full -f general",
        ),
    )(add)
    group.command("list", epilog=examples("baton webhook list"))(list_webhooks)
    group.command("test", epilog=examples("baton webhook test care-app"))(test)
    group.command("rotate", epilog=examples("baton webhook rotate care-app"))(rotate)
    group.command("enable", epilog=examples("baton webhook enable care-app"))(enable)
    group.command("disable", epilog=examples("baton webhook disable care-app"))(disable)
    group.command("remove", epilog=examples("baton webhook remove care-app"))(remove)
    app.add_typer(group, name="webhook")


def add(
    name: Annotated[str, typer.Argument(help="Its name: a-z, 0-9 and hyphen.")],
    url: Annotated[str, typer.Argument(help="Where to post: https://...")],
    type: Annotated[
        list[str] | None, typer.Option("--type", "-t", help="`task.created`, a family `task.*`; may be repeated. All.")
    ] = None,
    facility: Annotated[
        list[str] | None, typer.Option("--facility", "-f", help="Only events of this one; may be repeated. All.")
    ] = None,
    payload: Annotated[str, typer.Option(help="`reference`: our ids only; `full`: with patient data.")] = "reference",
    format: Annotated[str, typer.Option(help="`event` (CloudEvents) or `fhir-notification` (Da Vinci).")] = "event",
    restricted: Annotated[bool, typer.Option("--restricted", help="Restricted patients in full.")] = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Subscribe an endpoint, and show its secret, once."""
    body: dict[str, Any] = {"actor": actor or account(), "name": name, "url": url, "types": type or []}
    body |= {"facilities": facility, "payload": payload, "format": format, "restricted": restricted}
    client = ApiClient(read_settings(config))
    _show_secret(ask_api(lambda: client.post("/api/v1/webhooks", body)), as_json)


def list_webhooks(config: Config = None, as_json: Json = False) -> None:
    """All webhooks: state, what is pending, what is wrong."""
    client = ApiClient(read_settings(config))
    show(ask_api(lambda: client.get("/api/v1/webhooks"))["items"], COLUMNS, as_json=as_json)


def test(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Post one signed test event without a patient; ends with 1 when it is not taken."""
    row = _act("test", name, actor, config)
    show([row], ["delivered", "status", "trouble"], as_json=as_json)
    if not row["delivered"]:
        raise typer.Exit(1)


def rotate(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Make a new secret and show it, once; the old one signs beside it for `[webhooks] rotation_hours`."""
    _show_secret(_act("rotate", name, actor, config), as_json)


def enable(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Take events again, from now on."""
    show([_act("enable", name, actor, config)], COLUMNS, as_json=as_json)


def disable(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """Send nothing more; what is pending can be sent later with `baton channels publish-again NAME`."""
    show([_act("disable", name, actor, config)], COLUMNS, as_json=as_json)


def remove(name: Name, actor: ActorOption = None, config: Config = None, as_json: Json = False) -> None:
    """End a subscription, with what is pending for it."""
    show([_act("remove", name, actor, config)], COLUMNS, as_json=as_json)


def _act(verb: str, name: str, actor: str | None, config: Config) -> Any:
    client = ApiClient(read_settings(config))
    body = {"actor": actor or account()}
    return ask_api(lambda: client.post(f"/api/v1/webhooks/{quote(name, safe='')}/{verb}", body))


def _show_secret(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer["webhook"] | {"secret": answer["secret"]})
        return
    out.print(f"{answer['webhook']['name']}\n\n  {answer['secret']}\n")
    out.print("Give it to the receiver now: it is not stored and cannot be shown again.")

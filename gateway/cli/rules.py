"""Commands about the rules: which run here, and whether they do what a scenario says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import Config, Json, err, examples, fail, out, print_json, read_settings, show

rules = typer.Typer(no_args_is_help=True, help="The rules that open tasks: ours and your own (docs/site-rules.md).")

Place = Annotated[
    str, typer.Option("--site-rules", metavar="PATH", help="File or folder, in place of coordination.site_rules.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files (TOML).")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(rules, name="rules")
    rules.command("list", epilog=examples("baton rules list", "baton rules list --site-rules ./rules --json"))(
        list_rules
    )
    rules.command("test", epilog=examples("baton rules test samples/rules/*.toml --site-rules samples/rules"))(
        test_rules
    )


def list_rules(site_rules: Place = "", config: Config = None, as_json: Json = False) -> None:
    """List every rule, whether it runs, and what it opens.  Ends with 1 when a rule of your own cannot be loaded."""
    from gateway.coordination.rules.registry import BY_ID, CATALOGUE

    settings = read_settings(config)
    faults = _load(site_rules or settings.coordination.site_rules)
    numbers = settings.coordination_settings()
    rows = []
    for rule in CATALOGUE.rules:
        on = "yes" if rule.is_on(numbers) else "in places" if rule.may_be_on(numbers) else "no"
        source = "baton" if rule.id in BY_ID else "site"
        row = {"id": rule.id, "version": rule.version, "on": on, "from": source, "type": rule.type}
        rows.append(row | {"priority": rule.priority, "queue": rule.queue, "task": rule.task})
    show(rows, ("id", "on", "from", "type", "priority", "queue", "task"), as_json=as_json, empty="No rules.")
    if faults:
        raise typer.Exit(1)


def test_rules(files: Files, site_rules: Place = "", config: Config = None, as_json: Json = False) -> None:
    """Play scenario files: messages in, time passing, tasks out; says what is not as expected.

    Nothing is stored and no gateway is needed.  Ends with 1 when a scenario fails, 2 when one cannot be read.
    """
    from gateway.scenario import play, read_scenario

    settings = read_settings(config)
    faults = _load(site_rules or settings.coordination.site_rules)
    failed = bool(faults)
    for file in files:
        try:
            scenario = read_scenario(file)
            said = play(scenario, settings, file.parent)
        except ValueError as error:
            fail(f"{file}: {error}", code=2)
        failed = failed or bool(said)
        if as_json:
            print_json({"file": str(file), "title": scenario.title, "passed": not said, "failures": said})
            continue
        out.print(f"{'failed' if said else 'passed'}  {file}: {scenario.title}", markup=False, highlight=False)
        for text in said:
            out.print(f"        {text}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _load(place: str) -> list[str]:
    """Install the site's rules for this command; its faults are told and given back."""
    from gateway.coordination.rules.registry import CATALOGUE
    from gateway.site_rules import load_site_rules

    found = load_site_rules(place)
    CATALOGUE.install(found.rules)
    for fault in found.faults:
        err.print(f"left out: {fault}", markup=False, highlight=False, soft_wrap=True)
    return found.faults

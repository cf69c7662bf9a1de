"""Why there is no task, and what changed about a patient."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from gateway.cli.console import Config, Json, examples, fail, out, print_json, read_settings, show, text_of
from gateway.cli.local import PatientName, account, with_store
from gateway.clock import system_clock
from gateway.store import access, patient_log
from gateway.store.core_store import CoreStore

if TYPE_CHECKING:
    from gateway.shadow.explain import Told, WhyNot

_RULES = ["rule_id:rule", "outcome", "because", "about"]
_CHANGES = ["at", "kind", "aggregate_id:about", "from_value:from", "to_value:to", "message_id:message"]


def add_to(app: typer.Typer) -> None:
    app.command(
        "why-not",
        epilog=examples(
            "baton why-not PATIENT --day 2026-03-04", "baton why-not 'GENHOSP|900123' --rule discharge-contact-2bd"
        ),
    )(why_not)
    app.command(epilog=examples("baton transitions PATIENT", "baton transitions PATIENT --json"))(transitions)


def why_not(
    patient: PatientName,
    rule: Annotated[str | None, typer.Option("--rule", help="Only what this rule made of it.")] = None,
    day: Annotated[
        datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="In the zone of the first facility; today.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Why there is no task: every message of a patient's day, how it ended, and what stopped each rule.

    What the rules made of it is computed anew, by the present settings, from everything stored about the patient.
    """
    from zoneinfo import ZoneInfo

    from gateway.configuration import compute_configuration
    from gateway.coordination.rules.registry import BY_ID
    from gateway.shadow.explain import explain, gather

    settings = read_settings(config)
    if rule is not None and rule not in BY_ID:
        fail(f"There is no rule {rule}; docs/rules.md lists them.", code=2)
    zone = ZoneInfo(settings.facility[0].zone)
    start = (day or datetime.now(zone)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=zone)
    since, until = start.astimezone(UTC), min((start + timedelta(days=1)).astimezone(UTC), system_clock())

    async def ask(store: CoreStore) -> WhyNot | None:
        patient_id = await patient_log.patient_named(store, patient)
        if patient_id is None:
            return None
        entry = access.NewAudit(at=system_clock(), action="patient.why-not", object=patient_id, actor=account())
        await access.add_audit(store, entry)
        evidence = await gather(store, patient_id, since, until)
        configuration = compute_configuration(settings, await store.salt())
        return explain(configuration, evidence, since, until, rule)

    found = with_store(settings, ask)
    if found is None:
        fail("There is no such patient here.")
    if as_json:
        print_json(found)
        return
    for told in found.told:
        _tell(told)
    if found.cut:
        out.print(f"Only the first {found.scanned} messages of the day were looked at for him.")
    out.print(f"\n[bold]{escape(found.says)}[/]", soft_wrap=True, highlight=False)


def _tell(told: Told) -> None:
    what = f"timer {told.timer}, set by {told.message_id}" if told.timer else f"{told.message_id} {told.message_type}"
    ended = ", ".join(_end(end) for end in told.ends)
    place = f" on {told.channel}" if told.channel else ""
    found = "" if told.matched else "; found another patient, or none"
    out.print(f"\n[bold]{text_of(told.at)}[/] {escape(what)}{place}: {escape(ended) or '-'}{found}", highlight=False)
    for row in told.transitions:
        change = f"{row['from'] or '-'} -> {row['to'] or '-'}"
        out.print(f"  {row['kind']} {row['about']}: {change}", highlight=False, markup=False)
    for row in told.tasks:
        out.print(f"  task {row['task_id']} {row['change']}: {row['reason'] or '-'}", highlight=False, markup=False)
    if told.rules:
        show([msgspec.structs.asdict(one) for one in told.rules], _RULES, as_json=False)


def _end(end: dict[str, Any]) -> str:
    """ "parked: no-patient-id at map" """
    because = f": {end['reason']}" if end.get("reason") else ""
    return f"{end['end']}{because}{' at ' + end['stage'] if 'stage' in end else ''}"


def transitions(
    patient: PatientName,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What changed about a patient: from what, to what, by which message; the newest first."""

    async def ask(store: CoreStore) -> list[dict[str, Any]] | None:
        patient_id = await patient_log.patient_named(store, patient)
        if patient_id is None:
            return None
        entry = access.NewAudit(at=system_clock(), action="patient.transitions", object=patient_id, actor=account())
        await access.add_audit(store, entry)
        return (await patient_log.transitions(store, None, patient_id, None, limit))[0]

    rows = with_store(read_settings(config), ask)
    if rows is None:
        fail("There is no such patient here.")
    show(rows, _CHANGES, as_json=as_json, empty="Nothing changed.")

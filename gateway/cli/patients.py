"""Patients: find one, show everything known about one; both read the store, also when no gateway runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from gateway.cli import crosswalk
from gateway.cli.console import Config, Json, examples, fail, out, print_json, read_settings, show
from gateway.cli.local import PatientName, account, with_store
from gateway.clock import system_clock
from gateway.coordination.rules.scheduling import is_unresolved
from gateway.store import access, patient_log, queries
from gateway.store.core_store import CoreStore
from gateway.store.paging import Row

_FOUND = ["patient_id:patient", "facility_id:facility", "authority", "mrn", "family", "given", "birth_date"]
_LISTS = {
    "identifiers": ["authority", "value", "type", "key"],
    "encounters": ["encounter_id:stay", "visit_number:visit", "status", "class_:class", "started_at", "discharged_at"],
    "appointments": [
        "appointment_id:appointment",
        "filler_id:filler",
        "status",
        "unresolved",
        "start_at:start",
        "provider_name",
    ],
    "coverages": ["coverage_id:coverage", "payer_name:payer", "member_id:member", "eligibility", "eligibility_as_of"],
    "authorizations": ["authorization_id:authorization", "number", "status", "payer_id:payer", "expires_on:expires"],
    "tasks": ["task_id:task", "rule_id:rule", "title", "status", "due_at:due", "owner"],
}


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Patients: find, show; numbers that name the same person.")
    group.command(
        "find",
        epilog=examples("baton patients find 900123", "baton patients find --family Example --birth-date 1950-01-31"),
    )(find)
    group.command("show", epilog=examples("baton patients show 'GENHOSP|900123'"))(show_patient)
    crosswalk.add_to(group)
    app.add_typer(group, name="patients")


def find(
    number: Annotated[str | None, typer.Argument(metavar="[NUMBER]", help="MRN or other number.")] = None,
    authority: Annotated[str | None, typer.Option("--authority", help="Who gave the number.")] = None,
    family: Annotated[str | None, typer.Option("--family", help="Family name; with --birth-date.")] = None,
    birth_date: Annotated[
        datetime | None, typer.Option("--birth-date", formats=["%Y-%m-%d"], help="With --family, or alone.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Patients by number, or by birth date and family name; at most 50.  Audited, without what was asked."""
    if number is None and birth_date is None:
        fail("Give a number, or --birth-date with or without --family.", code=2)

    async def ask(store: CoreStore) -> list[Row]:
        rows = await queries.search_patients(
            store,
            None,
            identifier=number,
            authority=authority,
            family=family,
            birth_date=birth_date.date().isoformat() if birth_date else None,
        )
        await _audit(store, "patient.search", "patients")
        return rows

    show(with_store(read_settings(config), ask), _FOUND, as_json=as_json, empty="Nobody.")


def show_patient(patient: PatientName, config: Config = None, as_json: Json = False) -> None:
    """Everything known about a patient: identifiers, stays, appointments, cover, authorizations, tasks.  Audited."""

    async def ask(store: CoreStore) -> dict[str, Any] | None:
        patient_id = await patient_log.patient_named(store, patient)
        if patient_id is None:
            return None
        await _audit(store, "patient.read", patient_id)
        found = await queries.patient_state(store, None, patient_id)
        for visit in found["appointments"] if found is not None else ():
            end = visit["end_at"] or visit["start_at"]
            visit["unresolved"] = is_unresolved(visit["status"], end, system_clock())
        return found

    state = with_store(read_settings(config), ask)
    if state is None:
        fail("There is no such patient here, or the number names several: give its authority.")
    if as_json:
        print_json(state)
        return
    show([state["patient"]], _FOUND, as_json=False)
    for name, columns in _LISTS.items():
        if state[name]:
            out.print(f"\n[bold]{name}[/]")
            show(state[name], columns, as_json=False)
    out.print(f"\nWhat changed: `baton transitions {state['patient']['patient_id']}`.", highlight=False)


async def _audit(store: CoreStore, action: str, what: str) -> None:
    entry = access.NewAudit(at=system_clock(), action=action, object=what, actor=account())
    await access.add_audit(store, entry)

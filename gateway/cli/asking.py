"""Questions to payers: ask, see what is outstanding, ask again."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ApiClient
from gateway.cli.console import ActorOption, Config, Json, ask_api, examples, out, read_settings, show
from gateway.cli.local import account, with_store
from gateway.clock import system_clock
from gateway.store import inquiries

_COLUMNS = ["inquiry_id", "kind", "payer_id", "status", "asked_at", "due_at", "attempts", "acknowledgement", "answer"]
_PAYERS = ["payer_id", "opened_at:down since", "last_at:last said so", "count:answers"]

Patient = Annotated[str, typer.Argument(help="Our id of the patient (`pat_...`).")]
Coverage = Annotated[str | None, typer.Option("--coverage", help="Our id of the coverage; else the first on file.")]
On = Annotated[str | None, typer.Option("--on", help="Date of service, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option("--until", help="Its last day, YYYY-MM-DD.")]
Procedure = Annotated[list[str] | None, typer.Option("--procedure", help="HCPCS or CPT code; several times.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Show the X12 and send nothing.")]
Inquiry = Annotated[str, typer.Argument(help="Our id of the question (`inq_...`).")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Ask a payer: eligibility (270) or authorization (278).")
    group.command("eligibility", epilog=examples("baton ask eligibility PATIENT --dry-run"))(eligibility)
    group.command(
        "authorization",
        epilog=examples(
            "baton ask authorization PATIENT --category HS --procedure 71250 --on 2026-11-16 --dry-run",
            "baton ask authorization PATIENT --kind inquiry --authorization AUTHORIZATION",
        ),
    )(authorization)
    app.add_typer(group, name="ask")
    sent = typer.Typer(no_args_is_help=True, help="What we sent to payers: outstanding, resend.")
    sent.command("outstanding", epilog=examples("baton x12 outstanding", "baton x12 outstanding --late"))(outstanding)
    sent.command("resend", epilog=examples("baton x12 resend INQUIRY --dry-run"))(resend)
    app.add_typer(sent, name="x12")


def eligibility(
    patient: Patient,
    coverage: Coverage = None,
    service_type: Annotated[list[str] | None, typer.Option("--service-type", help="EQ01; several times.")] = None,
    procedure: Procedure = None,
    on: On = None,
    dry_run: Dry = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Is this coverage in force?  Sends a 270 to the payer's partner."""
    body = _body(patient, coverage, procedure, on, None, actor) | {"service_types": service_type or []}
    _ask("/api/v1/eligibility-requests", body, dry_run, config, as_json)


def authorization(
    patient: Patient,
    kind: Annotated[str, typer.Option("--kind", help="authorization, inquiry, cancellation, extension.")] = (
        "authorization"
    ),
    authorization_id: Annotated[str | None, typer.Option("--authorization", help="Our id; not for a new one.")] = None,
    coverage: Coverage = None,
    category: Annotated[str, typer.Option("--category", help="UM01: AR admission, HS services, SC referral.")] = "HS",
    service_type: Annotated[str | None, typer.Option("--service-type", help="UM03.")] = None,
    procedure: Procedure = None,
    quantity: Annotated[str | None, typer.Option("--quantity", help="Units of each procedure.")] = None,
    diagnosis: Annotated[list[str] | None, typer.Option("--diagnosis", help="ICD-10-CM; the first is principal.")] = (
        None
    ),
    urgent: Annotated[bool, typer.Option("--urgent", help="UM06 = U: the expedited clock.")] = False,
    on: On = None,
    until: Until = None,
    admission: Annotated[str | None, typer.Option("--admission", help="Date of admission, YYYY-MM-DD.")] = None,
    dry_run: Dry = False,
    actor: ActorOption = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Request, inquire about, cancel or extend an authorization.  Sends a 278 to the payer's partner."""
    body = _body(patient, coverage, procedure, on, until, actor) | {
        "kind": kind,
        "authorization_id": authorization_id,
        "category": category,
        "service_type": service_type,
        "quantity": quantity,
        "diagnoses": diagnosis or [],
        "urgent": urgent,
        "admission_on": admission,
    }
    _ask("/api/v1/authorization-requests", body, dry_run, config, as_json)


def _body(
    patient: str,
    coverage: str | None,
    procedure: list[str] | None,
    on: str | None,
    until: str | None,
    actor: str | None,
) -> dict[str, Any]:
    return {
        "actor": actor or account(),
        "patient_id": patient,
        "coverage_id": coverage,
        "procedures": procedure or [],
        "service_on": on,
        "service_ends_on": until,
    }


def _ask(path: str, body: dict[str, Any], dry_run: bool, config: Config, as_json: bool) -> None:
    client = ApiClient(read_settings(config))
    answer = ask_api(lambda: client.post(path, body | {"dry_run": dry_run}))
    if dry_run:
        for text in answer["x12"]:
            out.print(text if "\n" in text else text.replace("~", "~\n"), markup=False, highlight=False)
        return
    show([answer["inquiry"]], _COLUMNS, as_json=as_json)


def outstanding(
    late: Annotated[bool, typer.Option("--late", help="Only what is past its clock, refused or given up.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500)] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Questions that have no answer yet, with their TA1 or 999, the newest first; and payers that are down."""
    settings = read_settings(config)
    rows, _ = with_store(
        settings,
        lambda store: inquiries.list_inquiries(store, None, status="outstanding", cursor=None, limit=limit),
    )
    now = system_clock()
    chosen = [row for row in rows if not late or inquiries.is_late(row, now)]
    show(chosen, _COLUMNS, as_json=as_json, empty="Nothing is outstanding.")
    down = with_store(settings, inquiries.payers_down)
    if down and not as_json:
        show(down, _PAYERS, as_json=False, title="Payers that cannot answer now")


def resend(
    inquiry: Inquiry, dry_run: Dry = False, actor: ActorOption = None, config: Config = None, as_json: Json = False
) -> None:
    """Send the same question once more: same trace and BHT03, a new control number."""
    _ask(f"/api/v1/inquiries/{quote(inquiry, safe='')}/resend", {"actor": actor or account()}, dry_run, config, as_json)

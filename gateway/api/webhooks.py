"""Webhooks: where events are posted; add, list, test, rotate, enable, disable, remove."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Request
from pydantic import BaseModel, Field, StringConstraints

from channels.egress import EgressRefused
from gateway.api.auth import credential_of, facilities_of, gateway_of, needs, new_router, record
from gateway.api.models import Actor, Asked, ChannelAct, Ident, Page
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.event_sinks import chosen
from gateway.settings.channels import EventPattern
from gateway.store.ledger import Balance
from gateway.store.webhooks import NameTaken, Webhook, list_webhooks
from gateway.webhook_secrets import new_secret_id
from mappings.fhir.notification import EVENTS

router = new_router("webhooks")
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDocument, "description": "No such webhook"}}
_REFUSED = _ABSENT | {409: {"model": ProblemDocument, "description": "Not from here, or the name is taken"}}

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class NewWebhook(Asked):
    """A subscription."""

    actor: Actor
    name: Word = Field(description="Its name, of a-z, 0-9 and hyphen.", examples=["care-app"])
    url: str = Field(min_length=10, max_length=2000, examples=["https://care.example.org/baton"])
    types: list[EventPattern] = Field([], max_length=50, description="Empty: all.", examples=[["task.*"]])
    facilities: list[Word] | None = Field(None, min_length=1, max_length=200, description="null: all of them.")
    payload: Literal["reference", "full"] = Field(
        "reference", description="Only our ids, or the whole event; `full` needs a key with events:read."
    )
    format: Literal["event", "fhir-notification"] = Field(
        "event", description="CloudEvents, or Da Vinci notifications in FHIR R4, which need `full`."
    )
    restricted: bool = Field(False, description="Restricted patients in full; needs a key with restricted:read.")


class WebhookView(BaseModel):
    """A webhook as it is."""

    name: str = Field(examples=["care-app"])
    url: str
    types: list[str]
    facilities: list[str] | None
    payload: str
    format: str
    restricted: bool
    origin: str = Field(description="api, or settings: then baton.toml is where it is changed.")
    state: str = Field(description="active or disabled.", examples=["active"])
    reason: str | None = Field(description="Why it is disabled: gone (the endpoint answered 410) or by-person.")
    trouble: str | None = Field(description="Why deliveries do not arrive now.", examples=["status-500"])
    pending: int = Field(description="Deliveries not taken yet.")
    confirmed: int = Field(description="Deliveries taken.")
    parked: int = Field(description="Deliveries given up or set aside; `publish-again` sends them once more.")
    previous_until: datetime | None = Field(description="Until then the secret from before the rotation signs too.")
    created_at: datetime
    created_by: str | None


class WebhookSecret(BaseModel):
    """A webhook and its secret, which is shown this once."""

    webhook: WebhookView
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookTest(BaseModel):
    """What became of a test event.  Nothing of the answer's body is shown."""

    delivered: bool
    status: int | None = Field(description="HTTP status of the answer.", examples=[204])
    trouble: str | None = Field(description="Why it was not taken.", examples=["no-answer-in-time"])


@router.get("/webhooks", response_model=Page[WebhookView])
@needs("webhooks:read")
async def show_webhooks(request: Request) -> dict[str, Any]:
    """The webhooks whose facilities this key may see."""
    rows = [row for row in await list_webhooks(gateway_of(request).store) if _may_manage(request, row)]
    sinks = (await gateway_of(request).store.ledger()).sinks
    return {"items": [_view(request, row, sinks) for row in rows], "next": None}


@router.get("/webhooks/{name}", response_model=WebhookView, responses=_ABSENT)
@needs("webhooks:read")
async def show_webhook(request: Request, name: Ident) -> dict[str, Any]:
    """One webhook."""
    return await _shown(request, name)


@router.post("/webhooks", response_model=WebhookSecret, responses=_REFUSED, status_code=201)
@needs("webhooks:write")
async def add_webhook(request: Request, new: NewWebhook) -> dict[str, Any]:
    """Subscribe.  The answer has the secret, this once."""
    _check_grants(request, new)
    gateway = gateway_of(request)
    if gateway.settings.find_channel(new.name) is not None or new.name == "bus":
        raise Problem(409, "conflict", "This is the name of a channel.")
    try:
        await gateway.webhooks.check_url(new.url)
    except EgressRefused as problem:
        raise Problem(422, "invalid-request", f"Events cannot be posted there: {problem}.") from None
    await record(request, "webhook.add", new.name, actor=new.actor, detail=f"{new.payload} {new.format}")
    now = gateway.clock()
    row = Webhook(
        name=new.name,
        url=new.url,
        types=tuple(new.types),
        facilities=_facilities(request, new),
        payload=new.payload,
        format=new.format,
        restricted=new.restricted,
        secret_id=new_secret_id(),
        created_at=now,
        created_by=new.actor,
        changed_at=now,
    )
    try:
        secret = await gateway.webhooks.add(row)
    except NameTaken:
        raise Problem(409, "conflict", "There is a webhook of this name.") from None
    return {"webhook": await _shown(request, new.name), "secret": secret}


@router.post("/webhooks/{name}/test", response_model=WebhookTest, responses=_ABSENT)
@needs("webhooks:write")
async def test_webhook(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Post one signed event of the type `webhook.test`, without a patient, and say what was answered."""
    row = await _find(request, name)
    await record(request, "webhook.test", name, actor=act.actor)
    status, trouble = await gateway_of(request).webhooks.test(row, gateway_of(request).clock())
    return {"delivered": trouble is None, "status": status, "trouble": trouble}


@router.post("/webhooks/{name}/rotate", response_model=WebhookSecret, responses=_ABSENT)
@needs("webhooks:write")
async def rotate_webhook(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Make a new secret, shown this once.  The old one signs beside it for `[webhooks] rotation_hours`."""
    row = await _find(request, name)
    await record(request, "webhook.rotate", name, actor=act.actor)
    gateway = gateway_of(request)
    grace = timedelta(hours=gateway.settings.webhooks.rotation_hours)
    secret = await gateway.webhooks.rotate(row, gateway.clock(), grace)
    return {"webhook": await _shown(request, name), "secret": secret}


@router.post("/webhooks/{name}/enable", response_model=WebhookView, responses=_ABSENT)
@needs("webhooks:write")
async def enable_webhook(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Take events again, from now on."""
    row = await _find(request, name)
    await record(request, "webhook.enable", name, actor=act.actor)
    await gateway_of(request).webhooks.enable(row, gateway_of(request).clock())
    return await _shown(request, name)


@router.post("/webhooks/{name}/disable", response_model=WebhookView, responses=_ABSENT)
@needs("webhooks:write")
async def disable_webhook(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """Send nothing more.  What is pending is set aside and can be published again."""
    row = await _find(request, name)
    await record(request, "webhook.disable", name, actor=act.actor)
    await gateway_of(request).webhooks.disable(row, gateway_of(request).clock(), "by-person")
    return await _shown(request, name)


@router.post("/webhooks/{name}/remove", response_model=WebhookView, responses=_REFUSED)
@needs("webhooks:write")
async def remove_webhook(request: Request, name: Ident, act: ChannelAct) -> dict[str, Any]:
    """End the subscription, with what is pending for it.  The answer is its last state."""
    row = await _find(request, name)
    if row.origin == "settings":
        raise Problem(409, "conflict", "This webhook comes from baton.toml: remove it there.")
    view = await _shown(request, name)
    await record(request, "webhook.remove", name, actor=act.actor)
    await gateway_of(request).webhooks.remove(name, gateway_of(request).clock())
    return view


def _check_grants(request: Request, new: NewWebhook) -> None:
    """Nobody subscribes to more than his key may read."""
    scopes = credential_of(request).scopes
    if new.payload == "full" and "events:read" not in scopes:
        raise Problem(403, "forbidden", "payload `full` needs a key with events:read.")
    if new.restricted and "restricted:read" not in scopes:
        raise Problem(403, "forbidden", "`restricted` needs a key with restricted:read.")
    if new.format == "fhir-notification" and not chosen(tuple(new.types), EVENTS):
        raise Problem(422, "invalid-request", "Notifications are made of encounter.admitted and encounter.discharged.")
    if new.format == "fhir-notification" and new.payload != "full":
        raise Problem(422, "invalid-request", "format `fhir-notification` needs payload `full`.")


def _facilities(request: Request, new: NewWebhook) -> tuple[str, ...] | None:
    """Those asked for, or all that the key may see."""
    allowed = facilities_of(request)
    known = {facility.id for facility in gateway_of(request).settings.facility}
    if new.facilities is None:
        return None if allowed is None else tuple(sorted(allowed))
    if any(name not in known or (allowed is not None and name not in allowed) for name in new.facilities):
        raise Problem(422, "invalid-request", "A facility is not one that this key may see.")
    return tuple(new.facilities)


def _may_manage(request: Request, row: Webhook) -> bool:
    """A key of some facilities manages the webhooks of these alone."""
    allowed = facilities_of(request)
    return allowed is None or (row.facilities is not None and set(row.facilities) <= allowed)


async def _find(request: Request, name: str) -> Webhook:
    for row in await list_webhooks(gateway_of(request).store):
        if row.name == name and _may_manage(request, row):
            return row
    raise not_found()


async def _shown(request: Request, name: str) -> dict[str, Any]:
    row = await _find(request, name)
    return _view(request, row, (await gateway_of(request).store.ledger()).sinks)


def _view(request: Request, row: Webhook, sinks: Mapping[str, Balance]) -> dict[str, Any]:
    balance = sinks.get(row.name, Balance())
    counts = {"pending": balance.open, **{word: balance.words.get(word, 0) for word in ("confirmed", "parked")}}
    return msgspec.structs.asdict(row) | counts | {"trouble": gateway_of(request).webhooks.trouble(row.name)}

"""Is it alive, does it take messages, how is it: /healthz, /readyz and /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from gateway.api.auth import GuardedRoute, gateway_of, needs
from gateway.api.ports import Facts
from gateway.store.ports import StoreUnavailable
from gateway.telemetry import Metrics

router = APIRouter(tags=["health"])


class Status(BaseModel):
    """One word: who may know more asks with a key."""

    status: str = Field(examples=["ok"])


@router.get("/healthz", response_model=Status)
async def alive() -> dict[str, str]:
    """The process answers.  Needs no key."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Status, responses={503: {"model": Status, "description": "Not ready"}})
async def ready(request: Request) -> Response:
    """The gateway takes messages.  Needs no key and gives no reasons; the metrics and the log do."""
    try:
        taking = (await gateway_of(request).facts()).ready
    except StoreUnavailable:
        taking = False
    return JSONResponse({"status": "ready" if taking else "not-ready"}, 200 if taking else 503)


@needs("metrics:read")
async def metrics(request: Request) -> Response:
    """Metrics in the text form of Prometheus."""
    gateway = gateway_of(request)
    show_facts(gateway.metrics, await gateway.facts())
    return Response(gateway.metrics.render(), media_type=CONTENT_TYPE_LATEST)


router.routes.append(
    GuardedRoute(
        "/metrics",
        metrics,
        methods=["GET"],
        tags=["health"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Metrics"}},
    )
)


def show_facts(metrics: Metrics, facts: Facts) -> None:
    """Set the gauges from what the gateway says of itself."""
    metrics.ready.set(facts.ready)
    metrics.in_flight.set(facts.in_flight)
    metrics.oldest_pending_seconds.set(facts.oldest_pending_seconds)
    metrics.outbox_pending.set(facts.outbox_pending)
    metrics.timers_due.set(facts.timers_due)
    metrics.compute_restarts.set(facts.compute_restarts)
    metrics.bus_up.set(facts.bus != "away")
    for channel, seconds in facts.feed_quiet_seconds.items():
        metrics.feed_quiet_seconds.labels(channel).set(seconds)

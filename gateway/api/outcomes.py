"""Figures for outcomes: contacts, follow-ups, no-shows, readmissions, authorizations, eligibility, open tasks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router
from gateway.api.models import Moment, Page
from gateway.api.problems import Problem
from gateway.outcomes import all_figures, as_csv
from gateway.store.outcome_rows import outcome_rows

router = new_router("outcomes")
CSV = "text/csv"
LONGEST = timedelta(days=400)


class FigureView(BaseModel):
    """One figure.  It names no patient."""

    measure: str = Field(
        description="time-to-contact, follow-up, no-show, readmission, authorization, eligibility-failure, open-tasks.",
        examples=["follow-up"],
    )
    of: str = Field(description="Facility, payer, reason code or queue; `all`.", examples=["all"])
    name: str = Field(examples=["booked-within-14-days"])
    value: float | None = Field(description="Rates are shares of 1, times are hours; null: no case.")
    cases: int = Field(description="How many cases the figure is of.")


@router.get(
    "/outcomes",
    response_model=Page[FigureView],
    responses={200: {"content": {CSV: {}}, "description": "Figures, as JSON or, for `Accept: text/csv`, as CSV"}},
)
@needs("tasks:read")
async def show_outcomes(
    request: Request,
    since: Annotated[Moment | None, Query(description="Default: 30 days before `until`.")] = None,
    until: Annotated[Moment | None, Query(description="Default: now.")] = None,
) -> Response:
    """Figures of a period for the facilities that this key may see; open tasks as they are now."""
    gateway = gateway_of(request)
    now = gateway.clock()
    end = until or now
    if since is None and end.year < 2:
        raise Problem(422, "invalid-request", "Give `since` too.")
    begin = since or end - timedelta(days=30)
    if not timedelta(0) < end - begin <= LONGEST:
        raise Problem(422, "invalid-request", "since must be earlier than until, by 400 days at most.")
    try:
        rows = await outcome_rows(gateway.store, facilities_of(request), begin, end)
    except OverflowError:
        raise Problem(422, "invalid-request", "This time cannot be reckoned with.") from None
    figures = await asyncio.to_thread(all_figures, rows, begin, end, now)
    if CSV in request.headers.get("accept", ""):
        return Response(as_csv(figures), media_type=CSV)
    return Response(msgspec.json.encode({"items": figures, "next": None}), media_type="application/json")

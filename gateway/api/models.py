"""Shapes of requests and answers.  What mirrors a record of the store is made from it, so that the two cannot drift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, create_model

from gateway.coordination import records

Item = TypeVar("Item")
JSON_SUFFIX = "_json"


def model_of(record: type[msgspec.Struct], *hidden: str, **further: Any) -> type[BaseModel]:
    """A response model with the fields of `record`; columns `x_json` become `x`; `hidden` are left out."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        if field.name in hidden:
            continue
        if field.name.endswith(JSON_SUFFIX):
            fields[field.name.removesuffix(JSON_SUFFIX)] = (list[Any] | dict[str, Any] | None, ...)
        else:
            fields[field.name.rstrip("_")] = (field.type, ...)
    return create_model(record.__name__, __doc__=record.__doc__, **fields, **further)


def shown(row: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    """A row of the store as `model_of` describes it."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith(JSON_SUFFIX):
            result[name.removesuffix(JSON_SUFFIX)] = json.loads(value) if value else None
        else:
            result[name.rstrip("_")] = value
    return result | further


class Page(BaseModel, Generic[Item]):
    """One page of a list.  `next` is the cursor of the following page; null at the end."""

    items: list[Item]
    next: str | None = Field(None, examples=["WzE4NDJd"])


TEXT = r"^[^\x00]*$"
"""Any text that every store takes."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


Ident = Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9_.:-]+$")]
Number = Annotated[int, Path(ge=1, le=2**53)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Cursor = Annotated[
    str | None, Query(max_length=400, pattern=r"^[A-Za-z0-9_=-]+$", description="`next` of the last page.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items of a page.")]
Actor = Annotated[
    str,
    Field(
        min_length=1,
        max_length=120,
        pattern=TEXT,
        description="Who acts: the person's id, not the key.",
        examples=["jdoe"],
    ),
]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=TEXT, description="Why, for those who come after.")]


class Asked(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class TaskAct(Asked):
    """Who acts on a task, and which revision they saw (or send it as If-Match)."""

    actor: Actor
    revision: int | None = Field(None, ge=1, le=2**31 - 1, description="The revision that was seen.", examples=[3])
    reason: Reason | None = None


class TaskCompletion(TaskAct):
    """How a task ended."""

    outcome: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9-]{0,60}$", description="A word for what came of it.", examples=["reached"]
    )


class TaskReassignment(TaskAct):
    """To whom or where a task goes."""

    owner: Actor | None = None
    queue: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,60}$", examples=["um"])


class ParkedAct(Asked):
    """Who decides about a parked item, and why."""

    actor: Actor
    reason: Reason


class ParkedEdit(ParkedAct):
    """A body that takes the place of the one that failed."""

    body: str = Field(
        min_length=1, pattern=TEXT, description="The whole message.  Text in UTF-8, or base64 when `encoding` says so."
    )
    encoding: str = Field("utf-8", pattern="^(utf-8|base64)$")


class ChannelAct(Asked):
    """Who steers a channel."""

    actor: Actor


class PatientSearch(Asked):
    """What is known of a patient.  At least an identifier, or a family name with a birth date."""

    identifier: str | None = Field(None, min_length=1, max_length=200, pattern=TEXT, examples=["MRN000123"])
    authority: str | None = Field(None, max_length=200, pattern=TEXT, examples=["HOSP"])
    family: str | None = Field(None, min_length=1, max_length=200, pattern=TEXT, examples=["Example"])
    birth_date: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["1950-01-31"])


Task = model_of(records.Task)
TaskChange = model_of(records.TaskChange)
TaskDetail = model_of(records.Task, history=(list[TaskChange], ...))  # type: ignore[valid-type]
Patient = model_of(records.Patient)
PatientIdentifier = model_of(records.PatientIdentifier)
Encounter = model_of(records.Encounter)
EncounterLocation = model_of(records.EncounterLocation)
Appointment = model_of(
    records.Appointment,
    unresolved=(bool, Field(description="Still booked a day after its end: nobody said whether the patient came.")),
)
Coverage = model_of(records.Coverage)
Authorization = model_of(records.Authorization)
Transition = model_of(records.Transition)


class ChannelView(BaseModel):
    """One channel as it is."""

    name: str = Field(examples=["adt"])
    kind: str = Field(examples=["mllp-listener"])
    stage: str = Field(examples=["live"])
    state: str = Field(description="running, paused, draining, stopped or disabled.", examples=["running"])
    facility_id: str = Field(examples=["main"])
    address: str = Field(examples=["127.0.0.1:2575"])
    peers: int = Field(examples=[3])
    last_received_at: datetime | None
    last_acknowledged_at: datetime | None
    last_processed_at: datetime | None
    oldest_pending_at: datetime | None
    counts: dict[str, int] = Field(examples=[{"processed": 120, "parked": 1, "in_flight": 0}])
    last_error: str | None
    answers: str = Field(
        description="Which acknowledgements it gives.", examples=["AA, AE or AR; by MSH-15 and MSH-16 CA, then AA"]
    )

"""Shapes of requests and answers about tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.models import TEXT, Actor, Asked, Moment, Reason, Task, TaskAct
from gateway.coordination import commands

Word = Annotated[str, Field(max_length=60, pattern=TEXT)]
QueueName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$", examples=["um"])]
TaskIdent = Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9_.:-]+$")]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]
Revision = Annotated[int, Field(ge=1, le=2**31 - 1)]


class TaskQuery(Asked):
    """What a worklist shows; a filter that was saved is one of these."""

    queue: Word | None = Field(None, examples=["um"])
    status: Literal["open"] | commands.Status | None = Field(
        None, description="A status, or `open`: every one that is not over.", examples=["open"]
    )
    due_before: Moment | None = Field(None, description="With an offset or Z.")
    due_within: float | None = Field(None, ge=0, le=24 * 366, description="Due in so many hours, or past due.")
    patient: Word | None = Field(None, description="Our id of the patient.")
    facility: Annotated[str, Field(max_length=63, pattern=TEXT)] | None = None
    rule: Word | None = Field(None, examples=["auth-denied"])
    owner: Annotated[str, Field(max_length=120, pattern=TEXT)] | None = Field(None, examples=["jdoe"])
    unowned: bool | None = Field(None, description="True: only what nobody has.")
    team: Word | None = None
    type: Word | None = Field(None, examples=["outreach"])
    priority: Literal["stat", "asap", "urgent", "routine"] | None = None
    overdue: bool | None = None
    escalated: bool | None = Field(None, description="True: only what the lead of the queue was told of.")


class TaskNote(TaskAct):
    """What those who come after should know; never shown on the bus."""

    reason: Annotated[str, Field(min_length=1, max_length=4000, pattern=TEXT, description="The note.")]


class TaskWait(TaskAct):
    """Who must act first."""

    waiting_on: commands.Waited
    until: Moment | None = Field(None, description="When to look again.")


class TaskSnooze(TaskAct):
    """When the task is work again.  Its due time and escalation stay."""

    until: Moment


class TaskAttempt(TaskAct):
    """One documented attempt to reach somebody."""

    channel: commands.Channel
    outcome: commands.Result


class TaskChecklist(TaskAct):
    """Items to add, to tick off, or to open again."""

    add: list[Line] = Field([], max_length=commands.MOST_ITEMS)
    done: list[Word] = Field([], max_length=commands.MOST_ITEMS, description="Ids of items.", examples=[["1"]])
    undone: list[Word] = Field([], max_length=commands.MOST_ITEMS, description="Ids of items.")


class TaskDecline(TaskAct):
    """Why the assignee does not take it."""

    reason: Reason


class TaskCancel(TaskAct):
    """Why a task is not needed."""

    reason: Reason
    error: bool = Field(False, description="It should never have been there: ends as entered-in-error.")


class SeenTask(Asked):
    """A task, and the revision that was seen."""

    task_id: TaskIdent
    revision: Revision | None = None


class BulkClaim(Asked):
    """The tasks to take, or how many of the next ones of a queue."""

    actor: Actor
    tasks: list[SeenTask] = Field([], max_length=100)
    queue: QueueName | None = None
    count: int = Field(1, ge=1, le=100, description="With `queue`: the most urgent, then the earliest due.")


class BulkAnswer(BaseModel):
    """What became of one task."""

    task_id: str
    done: bool
    task: Task | None = None  # type: ignore[valid-type]
    problem: str | None = Field(None, description="Why not.", examples=["the task is claimed by another person"])


class BulkResult(BaseModel):
    items: list[BulkAnswer]


class QueueCounts(BaseModel):
    """Open tasks of one queue."""

    queue: str
    open: int
    unowned: int
    on_hold: int
    overdue: int
    due_soon: int
    escalated: int
    stat: int
    asap: int
    urgent: int
    routine: int
    next_due_at: datetime | None


class SavedFilter(BaseModel):
    name: str
    filter: dict[str, Any]
    saved_at: datetime


class FilterToSave(Asked):
    actor: Actor
    filter: TaskQuery

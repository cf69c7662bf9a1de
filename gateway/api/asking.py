"""An act on a task as it was asked for: which revision was seen, and under which Idempotency-Key."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request, Response

from gateway.api.auth import credential_of, facilities_of, gateway_of, record
from gateway.api.models import TEXT, TaskAct, shown
from gateway.api.problems import Problem, not_found
from gateway.api.restricted import hidden, minimal_task, require
from gateway.coordination.changes import Command
from gateway.store import casework, queries
from gateway.store.ports import WriteRefused

Match = Annotated[str | None, Header(alias="If-Match", max_length=40, description="ETag of the task as it was seen.")]
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        pattern=TEXT,
        description="Any text of your own, new for each act: the same request again is answered, not done again.",
    ),
]

BLIND = ("note", "attempt")
"""Acts that add and take nothing away: they need no revision."""


class Asking:
    """Request, answer, and what the caller said about doing it once."""

    def __init__(self, request: Request, response: Response, if_match: str | None, once: str | None) -> None:
        self.request = request
        self.response = response
        self.if_match = if_match
        self.once = once

    async def do(self, name: str, task_id: str, act: TaskAct, **fields: Any) -> dict[str, Any]:
        """Execute one act and show the task."""
        given = {"actor": act.actor, "revision": act.revision, "reason": act.reason}
        command = Command(name=name, task_id=task_id, **given | fields)
        if self.once is None:
            return await self._execute(command)
        digest = hashlib.sha256(msgspec.json.encode((command, self.if_match))).hexdigest()
        scoped = f"{credential_of(self.request).key_id}\0{self.once}"
        request_id = hashlib.sha256(scoped.encode()).hexdigest()
        if (answer := await self._answered(request_id, digest, task_id)) is not None:
            return answer
        command = msgspec.structs.replace(command, request=request_id, request_digest=digest)
        try:
            return await self._execute(command)
        except WriteRefused:  # the same request, at the same time, was first
            answer = await self._answered(request_id, digest, task_id)
            if answer is None:
                raise
            return answer

    async def _answered(self, request_id: str, digest: str, task_id: str) -> dict[str, Any] | None:
        before = await casework.task_request(gateway_of(self.request).store, request_id)
        if before is None:
            return None
        if before["digest"] != digest:
            raise Problem(422, "key-reused", "This Idempotency-Key was used for another request.")
        self.response.headers["Idempotency-Replayed"] = "true"
        return await self.show(task_id)

    async def _execute(self, command: Command) -> dict[str, Any]:
        task = await self.find(command.task_id)
        if self.if_match is not None:
            if self.if_match.strip().removeprefix("W/").strip('"') != str(task["revision"]):
                raise Problem(412, "revision-differs", f"The task is at revision {task['revision']}.")
            command = msgspec.structs.replace(command, revision=task["revision"])
        if command.revision is None and command.name not in BLIND:
            raise Problem(
                428, "revision-needed", "Send If-Match or `revision`: the revision of the task that was seen."
            )
        await execute(self.request, command, task)
        return await self.show(command.task_id)

    async def show(self, task_id: str) -> dict[str, Any]:
        """The task with its history; the ETag is its revision."""
        task = await self.find(task_id)
        if await hidden(self.request, "Task", [task_id]):
            return shown(minimal_task(task), history=[])
        history = await queries.task_history(gateway_of(self.request).store, facilities_of(self.request), task_id)
        self.response.headers["ETag"] = f'"{task["revision"]}"'
        return shown(task, history=[shown(row) for row in history])

    async def find(self, task_id: str) -> dict[str, Any]:
        task = await queries.task(gateway_of(self.request).store, facilities_of(self.request), task_id)
        if task is None:
            raise not_found()
        return task


async def execute(request: Request, command: Command, task: dict[str, Any]) -> None:
    """Write it down, then do it.  `task` holds at least facility and patient."""
    await require(request, "Task", command.task_id)
    facility_id, actor = task["facility_id"], command.actor
    await record(request, f"task.{command.name}", command.task_id, facility_id=facility_id, actor=actor)
    await gateway_of(request).execute_command(command, task["patient_id"])


async def _asking(request: Request, response: Response, if_match: Match = None, once: Once = None) -> Asking:
    return Asking(request, response, if_match, once)


Asks = Annotated[Asking, Depends(_asking)]

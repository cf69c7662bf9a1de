"""A changed FHIR Task, as the act on the task that it means (domain reference 7.3).

Only status, businessStatus, statusReason, owner and performerType are changed through FHIR; what else differs is
refused, naming the element.  Who acts is said by the header `X-Actor`, else by the owner that the new Task names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.api.problems import Problem
from gateway.coordination.changes import Command
from gateway.coordination.commands import FAILED_OUTCOMES, WAITS
from mappings.fhir.elements import Resource

CHANGEABLE = ("status", "businessStatus", "statusReason", "owner", "performerType")
_SERVER = ("meta", "lastModified", "text")
_OUTCOMES = (*FAILED_OUTCOMES, "unable-to-reach", "done")


def command_of(shown: Resource, sent: Resource, task_id: str, actor: str | None) -> Command | None:
    """The act that makes `sent` of `shown`; None when nothing changes.  Raises Problem."""
    for name, value in sent.items():
        if name not in CHANGEABLE and name not in _SERVER and value != shown.get(name):
            raise _refused(f"Task.{name} is not changed through FHIR; {', '.join(CHANGEABLE)} are")
    merged = shown | {name: sent[name] for name in CHANGEABLE if name in sent}
    for name in ("businessStatus", "statusReason", "owner"):
        if name not in sent:
            merged.pop(name, None)
    if all(merged.get(name) == shown.get(name) for name in CHANGEABLE):
        return None
    reason = _text(merged.get("statusReason")) if merged.get("statusReason") != shown.get("statusReason") else None
    who = actor or _person(merged.get("owner"))
    if who is None:
        raise Problem(422, "actor-needed", "Name who acts: the header X-Actor, or a person as Task.owner.")
    act = msgspec.structs.replace(_act(shown, merged, task_id), actor=who)
    return msgspec.structs.replace(act, reason=reason)


def _act(shown: Resource, new: Resource, task_id: str) -> Command:
    def command(name: str, **fields: Any) -> Command:
        return Command(name=name, task_id=task_id, actor="", **fields)

    status, business = new.get("status"), _code(new.get("businessStatus"))
    if status == "completed":
        return command("complete", outcome=business if business in _OUTCOMES else None)
    if status == "failed":
        return command("complete", outcome=business if business in FAILED_OUTCOMES else FAILED_OUTCOMES[1])
    if status == "cancelled":
        return command("cancel")
    if status == "entered-in-error":
        return command("cancel", outcome="entered-in-error")
    if status == "rejected":
        return command("decline")
    if status == "on-hold":
        waiting = (business or "").removeprefix("awaiting-")
        if waiting not in WAITS:
            words = ", ".join(f"awaiting-{one}" for one in WAITS)
            raise _refused(f"on-hold needs a businessStatus of {words}; a snooze with its time is POST .../snooze")
        return command("wait", waiting_on=waiting)
    if status == "in-progress" and shown.get("status") != "in-progress":
        return command("start")
    return _handed_over(shown, new, command)


def _handed_over(shown: Resource, new: Resource, command: Any) -> Command:
    status, owner, before = new.get("status"), _person(new.get("owner")), _person(shown.get("owner"))
    queue = _new_queue(shown, new)
    if queue is not None or (owner is not None and before is not None and owner != before):
        return command("reassign", owner=owner, queue=queue)  # type: ignore[no-any-return]
    if status == "requested" and before is not None:
        return command("release")  # type: ignore[no-any-return]
    if owner is not None and (before is None or status == "accepted"):
        return command("claim")  # type: ignore[no-any-return]
    if before is not None and owner is None:
        return command("release")  # type: ignore[no-any-return]
    raise _refused(f"a task that is {shown.get('status')} does not become {_known(status)} in this way")


def _person(owner: Any) -> str | None:
    """The person that a Task.owner names; None for a team, or nobody."""
    if not isinstance(owner, dict) or owner.get("type") == "CareTeam":
        return None
    identifier = owner.get("identifier")
    value = identifier.get("value") if isinstance(identifier, dict) else None
    if value is None and isinstance(owner.get("reference"), str):
        value = owner["reference"].rpartition("/")[2]
    return value if isinstance(value, str) and 0 < len(value) <= 120 and "\0" not in value else None


def _new_queue(shown: Resource, new: Resource) -> str | None:
    """The queue to which the task goes: by its performerType, or by a team as its owner."""
    for read in (_performer, _team):
        if read(new) is not None and read(new) != read(shown):
            return read(new)
    return None


def _performer(task: Resource) -> str | None:
    types = task.get("performerType")
    return _code(types[0]) if isinstance(types, list) and types else None


def _team(task: Resource) -> str | None:
    owner = task.get("owner")
    identifier = owner.get("identifier") if isinstance(owner, dict) and owner.get("type") == "CareTeam" else None
    value = identifier.get("value") if isinstance(identifier, dict) else None
    return value if isinstance(value, str) else None


def _code(concept: Any) -> str | None:
    """The code of the first coding of a CodeableConcept."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    first = codings[0] if isinstance(codings, list) and codings else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, str) else None


def _text(concept: Any) -> str | None:
    text = concept.get("text") if isinstance(concept, dict) else None
    return text[:500].replace("\0", "") or None if isinstance(text, str) else None


def _known(status: Any) -> str:
    return status if status in ("requested", "accepted", "in-progress", "draft", "received", "ready") else "that"


def _refused(text: str) -> Problem:
    return Problem(422, "not-changed", f"{text[:1].upper()}{text[1:]}.")

"""What is open on the day a channel goes live: found by a shadow run over its stored traffic (decision 29)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.compute.protocol import Configure
from gateway.coordination.changes import Adopt
from gateway.coordination.records import Task
from gateway.shadow.engine import ShadowRun
from gateway.shadow.replay import Period, stored_chunks
from gateway.store import traffic_log
from gateway.store.core_store import CoreStore


async def find_open(
    store: CoreStore,
    configuration: Configure,
    channel: str,
    actor: str,
    period: Period,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Adopt]:
    """By patient: open tasks behind which stands a message of this channel, and whose key the store does not hold; with
    their escalations, and the checks that the channel's messages set."""
    run = ShadowRun(configuration)
    own: set[str] = set()
    async for chunk in stored_chunks(store, period, progress):
        for message in chunk:
            if message.channel == channel:
                own.add(f"m-{message.journal_id}")
            run.take(message)
    run.wait(period.now)
    tasks = [task for task in run.tasks.values() if task.open and not own.isdisjoint(_messages(task))]
    known = await traffic_log.known_keys(store, [task.task_key for task in tasks])
    new = {task.task_id: task for task in tasks if task.task_key not in known}
    patients: dict[str, Adopt] = {}
    for task in new.values():
        before = patients.get(task.patient_id) or Adopt(patient_id=task.patient_id, actor=actor, channel=channel)
        patients[task.patient_id] = msgspec.structs.replace(before, tasks=(*before.tasks, task))
    for timer in run.memory.timers():
        if timer.task_id in new or (timer.task_id is None and timer.channel == channel):
            before = patients.get(timer.patient_id) or Adopt(patient_id=timer.patient_id, actor=actor, channel=channel)
            patients[timer.patient_id] = msgspec.structs.replace(before, timers=(*before.timers, timer))
    return [patients[patient_id] for patient_id in sorted(patients) if patient_id]


def _messages(task: Task) -> set[str]:
    return {str(one.get("message_id")) for one in msgspec.json.decode(task.evidence_json)}

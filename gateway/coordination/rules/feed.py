"""The rule about no patient at all: a channel that has gone silent (6.3).

A silence is named by the moment of the message before it, so that whoever notices it, and however often, names the
same one.  Its tasks have the patient id "".
"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.coordination.changes import Silence
from gateway.coordination.draft import Draft, hours
from gateway.coordination.records import Task
from gateway.coordination.rules.declaration import Closing, Finding, Focus, Rule, done, open_for, settle_task
from gateway.coordination.tasks import Evidence


def hear_silence(draft: Draft, silence: Silence) -> None:
    """End the task of an earlier silence of this channel; open the one of this silence."""
    for task in draft.subject.tasks.open_of(SILENT.id):
        settle_task(draft, SILENT, task)
    if not silence.silent or not draft.makes_tasks:
        return
    last = _moment(silence.last)
    open_for(
        draft,
        SILENT,
        Focus(facility_id=silence.facility_id),
        Finding(
            key=cycle_key(silence.channel, silence.last),
            due_at=draft.now + hours(1),
            reason=f"Channel {silence.channel} has received nothing since {last}, for more than {silence.limit} s.",
            evidence=[
                Evidence(draft.cause.message_id, "last message", last),
                Evidence(draft.cause.message_id, "quiet_after", str(silence.limit)),
            ],
        ),
    )


def cycle_key(channel: str, last: datetime) -> str:
    """The task key of the silence that follows the message received at `last`."""
    return SILENT.key_of(channel, f"v{_moment(last)}")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def settle_silence(draft: Draft, task: Task) -> Closing | None:
    heard = draft.stimulus
    if not isinstance(heard, Silence) or not task.task_key.startswith(SILENT.key_of(heard.channel, "v")):
        return None
    if task.task_key.startswith(cycle_key(heard.channel, heard.last)):
        return None
    return done(f"channel {heard.channel} received a message at {_moment(heard.last)}")


SILENT = Rule(
    id="feed-silent",
    trigger="A running channel has received nothing for longer than its `quiet_after`. It counts from the channel's "
    "last message, and never while the gateway itself was down, its store away or the channel paused. Without "
    "`quiet_after`, and before the first message, no silence is noticed",
    task="Check interface",
    type="integration",
    priority="urgent",
    due="1 hour",
    queue="integration",
    resolves="The next message of the channel",
    retracts="Never",
    key="channel|v{last message}",
    basis="Product default",
    extended=True,
    settle=settle_silence,
)

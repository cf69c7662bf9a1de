"""Commands on a patient's state, and where an error came from."""

from __future__ import annotations

from gateway.compute.collect import Collector
from gateway.compute.protocol import Act, Configure, Decided, ItemDone
from gateway.compute.state import State
from gateway.compute.unmatched import NOBODY, nobody
from gateway.coordination.changes import Adopt, Ask, Cause, Command, CoordinationSettings, Link, Silence, Undo
from gateway.coordination.decide import decide
from gateway.coordination.scope import PatientScope, Scope


def act(request: Act, configuration: Configure, settings: CoordinationSettings) -> Decided:
    """Apply a command to the state that came with it; the outcome `filtered` carries the conflict."""
    state, command = State(request.rows), request.command
    collector = Collector(configuration, request.now)
    home = home_of(command, state)
    if home is None:
        nothing = ItemDone(work_id=0, outcome="filtered", reason="not-found")
        return Decided(writes=collector.writes(), done=[nothing])
    collector.begin()
    subject, origin = origin_of(command, home)
    cause = Cause(message_id=subject, origin=origin, channel="api", received_at=request.now)
    scope = scope_of(command, home, state)
    changes = decide(scope, command, cause, request.now, settings, configuration.salt)
    collector.add(changes, cause, "command", scope)
    collector.keep()
    return Decided(
        writes=collector.writes(),
        done=[ItemDone(work_id=0, outcome=changes.outcome, reason=changes.reason)],
        rule_failures=collector.rule_failures,
    )


def home_of(command: Command | Ask | Adopt | Undo | Link | Silence, state: State) -> PatientScope | None:
    """Whose state a command changes; a payer is not asked about one who was merged into another: his lanes are not held
    then."""
    if isinstance(command, Undo | Link):
        return state.patients.get(command.patient_id)
    if isinstance(command, Silence):
        return state.patients.get(NOBODY) or nobody()
    if isinstance(command, Adopt):
        return state.root(command.patient_id)
    if isinstance(command, Ask):
        home = state.patients.get(command.patient_id)
        return home if home is not None and home.patient.merged_into is None else None
    return next((p for p in state.patients.values() if command.task_id in p.tasks), None)


def scope_of(command: Command | Ask | Adopt | Undo | Link | Silence, home: PatientScope, state: State) -> Scope:
    """The patient of the command; of an undone merge also whoever was merged into him, of a number whoever has it."""
    if isinstance(command, Link):
        row = state.identifiers.get((command.authority, command.value))
        owner = state.root(row.patient_id) if row is not None else None
        if owner is None or owner is home:
            return Scope(subject=home)
        return Scope(subject=home, others={owner.patient.patient_id: owner})
    prior = state.patients.get(command.prior_id) if isinstance(command, Undo) else None
    return Scope(subject=home, others={prior.patient.patient_id: prior} if prior is not None else {})


def origin_of(command: Command | Ask | Adopt | Undo | Link | Silence, home: PatientScope) -> tuple[str, str]:
    """(what the command is about, what its ids derive from)."""
    if isinstance(command, Undo):
        return command.merge_id, f"undo.{command.merge_id}"
    if isinstance(command, Link):
        person = home.patient
        origin = f"link.{person.patient_id}.{person.revision}.{command.authority}|{command.value}"
        return f"link-{person.patient_id}", origin
    if isinstance(command, Adopt):
        ids = (*(task.task_id for task in command.tasks), *(timer.timer_id for timer in command.timers))
        return f"live-{command.channel}", f"live.{command.patient_id}.{','.join(ids)}"
    if isinstance(command, Ask):
        return command.inquiry_id or f"ask-{command.request_id}", f"ask.{command.request_id}"
    if isinstance(command, Silence):
        began = "silent" if command.silent else "heard"
        return f"feed-{command.channel}", f"{began}.{command.channel}.{command.last.isoformat()}"
    return command.task_id, f"{command.task_id}.{home.tasks[command.task_id].revision}.{command.name}"


def channel_of(command: Command | Ask | Adopt | Undo | Link | Silence) -> str:
    """The channel whose settings hold; empty: those of the whole gateway."""
    return command.channel if isinstance(command, Silence) else ""


def place_of(error: BaseException) -> str:
    """Class and place of an error, never its text: that may quote a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_name}:{trace.tb_lineno}"

"""What the HTTP API may ask of the running gateway.  `gateway.bootstrap.Gateway` is one; the tests bring their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.certificates import Certificates
from gateway.clock import Clock
from gateway.coordination.changes import Adopt, Ask, Command, Link, Undo
from gateway.replayer import Replayer
from gateway.settings import Settings
from gateway.store.core_store import CoreStore
from gateway.store.ports import Reply, WriteSet
from gateway.telemetry import Metrics
from gateway.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How the gateway is, at one moment.  Words and numbers only."""

    ready: bool
    reasons: tuple[str, ...] = ()  # why it is not ready: "store-away", "disk-short", "backlog-full", "compute-down"
    in_flight: int = 0  # items
    oldest_pending_seconds: float = 0.0
    outbox_pending: int = 0
    timers_due: int = 0
    compute_restarts: int = 0
    bus: str = "embedded"  # embedded | connected | away
    feed_quiet_seconds: Mapping[str, float] = field(default_factory=dict)  # channel -> seconds since its last unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """One channel as it is (decision 27)."""

    name: str
    kind: str
    stage: str
    state: str  # running | paused | draining | stopped | disabled
    facility_id: str  # its default facility: decides who may see it
    address: str = ""  # "127.0.0.1:2575"; a file drop: empty
    peers: int = 0
    last_received_at: datetime | None = None
    last_acknowledged_at: datetime | None = None
    last_processed_at: datetime | None = None
    oldest_pending_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)  # ends by word, and in_flight
    last_error: str | None = None  # a word, never a value
    answers: str = ""  # which acknowledgements it gives, in words


class GatewayPort(Protocol):
    """The running gateway, as the API sees it.  Every method may raise StoreUnavailable."""

    @property
    def store(self) -> CoreStore: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def certificates(self) -> Certificates: ...

    @property
    def replayer(self) -> Replayer: ...

    async def execute_command(self, command: Command, patient_id: str) -> object:
        """A person's act on a task of this patient.  Raises gateway.pipeline.Conflict."""
        ...

    async def ask(self, question: Ask | Adopt | Undo | Link, *, dry_run: bool = False) -> WriteSet:
        """A question to a payer, or a merge undone; with `dry_run` nothing is written.  Raises
        gateway.pipeline.Conflict."""
        ...

    async def send_document(self, document: Reply) -> int:
        """Put an interchange of ours out by its channel; returns the control number that it got."""
        ...

    async def facts(self) -> Facts: ...

    async def channels(self) -> list[ChannelStatus]: ...

    async def pause_channel(self, name: str, actor: str) -> None:
        """Stop reading; what is stored goes on.  KeyError when there is no such channel, as below."""
        ...

    async def resume_channel(self, name: str, actor: str) -> None: ...

    async def drain_channel(self, name: str, actor: str) -> None:
        """Stop reading and finish what is stored of this channel."""
        ...

    def wake(self) -> None:
        """Work was added to the store outside the pipeline (a retry, an edit)."""
        ...

    @property
    def webhooks(self) -> Webhooks: ...

    async def wait_for_events(self, seconds: float) -> None:
        """Return when events were committed, or after `seconds`."""
        ...

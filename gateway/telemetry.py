"""What the gateway says about itself: log lines and Prometheus metrics, neither of which ever holds patient data.

A log line is built from what the program wrote, not from what it handled: arguments that are exceptions show their
class, arguments that are bytes their length, tracebacks only places, and of another library's line only its template.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

OUR_PACKAGES = ("gateway", "channels", "mappings", "parsers")
SAFE_FIELDS = (
    "channel",
    "message_id",
    "event_id",
    "task_id",
    "rule_id",
    "key_id",
    "facility",
    "route",
    "method",
    "status",
    "count",
    "seconds",
)
"""Names of `extra` fields that are written; all others are dropped."""

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class SafeFormatter(logging.Formatter):
    """One line per record: text, or JSON with the keys at, level, logger, message, error, where and SAFE_FIELDS."""

    def __init__(self, form: str = "text") -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, str | int | float] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _safe_message(record),
        }
        fields |= {name: _safe(value) for name in SAFE_FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = type(record.exc_info[1]).__name__
            fields["where"] = _place(record.exc_info[1])
        if self._json:
            return json.dumps(fields, ensure_ascii=False)
        head = f"{fields.pop('at')} {fields.pop('level'):<7} {fields.pop('logger')}: {fields.pop('message')}"
        return " ".join([head, *(f"{name}={value}" for name, value in fields.items())])


def _safe_message(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] not in OUR_PACKAGES:
        return _clean(str(record.msg).partition("\n")[0])
    arguments = record.args
    if isinstance(arguments, Mapping):
        arguments = {name: _safe(value) for name, value in arguments.items()}
    elif arguments:
        arguments = tuple(_safe(value) for value in arguments)
    try:
        return _clean(str(record.msg) % arguments if arguments else str(record.msg))
    except (TypeError, ValueError, KeyError):
        return _clean(str(record.msg))


def _safe(value: object) -> str | int | float:
    """A value that can be written: numbers as they are, text cleaned, exceptions by class, bytes by length."""
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return value if isinstance(value, int | float) else _clean(str(value))


def _clean(text: str) -> str:
    """No control character of a value starts a new line or colours a terminal."""
    return text.translate(_CONTROL)


def _place(error: BaseException) -> str:
    """`file.py:line in function` of the innermost frame of ours, else of the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)]
    for frame in reversed(ours or frames):
        return f"{PurePath(frame.filename).name}:{frame.lineno} in {frame.name}"
    return ""


def _is_ours(filename: str) -> bool:
    parts = PurePath(filename).parts
    return "site-packages" not in parts and any(package in parts for package in OUR_PACKAGES)


_FOREIGN = (
    *("uvicorn", "uvicorn.error", "asyncio", "aio_pika", "aiormq", "sqlalchemy", "alembic"),
    *("httpx", "httpcore", "asyncssh"),  # below WARNING they tell whole addresses, headers and names of files
)


def configure_logging(level: str = "INFO", form: str = "text", stream: TextIO | None = None) -> None:
    """Send every log line of the process through SafeFormatter to `stream` (standard error).  Replaces handlers."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(SafeFormatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
        foreign.setLevel(max(logging.WARNING, root.level))


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """Prometheus metrics of one gateway, in a registry of its own.  Labels are names of channels and queues, and fixed
    words, only."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = self._counter("received", "Units received (frames, files)", "channel")
        self.answered = self._counter("answered", "Acknowledgements sent, by code", "channel", "code")
        self.processed = self._counter("processed", "Items ended as processed", "channel")
        self.filtered = self._counter("filtered", "Items ended as filtered", "channel")
        self.duplicate = self._counter("duplicate", "Items ended as duplicate", "channel")
        self.rejected = self._counter("rejected", "Items ended as rejected", "channel")
        self.foreign = self._counter("foreign_senders", "Rejected: the peer may not send for this sender", "channel")
        self.misnumbered = self._counter("sequence_misfits", "Sequence numbers (MSH-13) that did not fit", "channel")
        self.reused = self._counter("control_ids_reused", "A control id again with other content", "channel")
        self.failed_handshakes = self._counter("tls_handshakes_failed", "Peers turned away", "channel", "reason")
        self.parked = self._counter("parked", "Items ended as parked", "channel")
        self.published = self._counter("published", "Events settled on the bus, by outcome", "outcome")
        self.notices = self._counter("notices", "Notices raised, such as a quiet feed", "kind")
        self.ack_seconds = self._histogram("ack_seconds", "From the last byte of a frame to its answer", _SECONDS)
        self.commit_rows = self._histogram("commit_rows", "Units per intake commit", _SIZES)
        self.batch_items = self._histogram("batch_items", "Items per pipeline batch", _SIZES)
        self.in_flight = self._gauge("in_flight", "Items received and not yet ended")
        self.outbox_pending = self._gauge("outbox_pending", "Deliveries not yet confirmed")
        self.oldest_pending_seconds = self._gauge("oldest_pending_seconds", "Age of the oldest item in flight")
        self.timers_due = self._gauge("timers_due", "Timers due and not yet fired")
        self.compute_restarts = self._gauge("compute_restarts", "Times the compute process was replaced")
        self.feed_quiet_seconds = self._gauge("feed_quiet_seconds", "Seconds since a feed's last unit", "channel")
        self.bus_up = self._gauge("bus_up", "1 when the event bus takes events, 0 when it is away")
        self.certificate_expires = self._gauge(
            "certificate_expires_timestamp_seconds", "When the first certificate of a file ends", "owner", "file"
        )
        self.tasks_open = self._gauge("tasks_open", "Open tasks by queue and how they are", "queue", "how")
        self.outcome = self._gauge("outcome", "Figures for outcomes of the last 30 days", "measure", "name")
        self.ready = self._gauge("ready", "1 when the gateway takes messages")

    def render(self) -> bytes:
        """The text form of Prometheus."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"baton_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"baton_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"baton_{name}", text, registry=self.registry, buckets=buckets)

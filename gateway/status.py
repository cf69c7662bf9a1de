"""How the gateway and its channels are: facts for readiness, metrics and the channel list (decision 27)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.api.ports import ChannelStatus, Facts
from gateway.settings.kinds import AnyChannel
from gateway.settings.sending import MllpSender
from gateway.store import queries
from gateway.store.ledger import REUSED
from gateway.store.ports import StoreUnavailable
from gateway.store.progress import pending, timers_due

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

ENDS = ("processed", "filtered", "duplicate", "rejected", "parked")


STORE_AWAY = "store-away"


class Status:
    """Reads a running gateway.  Prometheus counters follow what intake and pipeline counted since the start."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._shown: Counter[tuple[str, ...]] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()  # (channel, end) of the pipeline

    async def facts(self) -> Facts:
        gateway = self._gateway
        reasons = [] if gateway.ready else ["starting"]
        now = gateway.clock()
        quiet: dict[str, float] = {}
        for name, traffic in gateway.intake.traffic.items():
            if traffic.last_received is not None:
                quiet[name] = max(0.0, (now - traffic.last_received).total_seconds())
        self._show_counters()
        if gateway.disk_short():
            reasons.append("disk-short")
        elif gateway.ready and not gateway.intake.accepting:
            reasons.append("not-accepting")
        common: dict[str, object] = {"compute_restarts": gateway.compute.restarts, "bus": gateway.bus_state()}
        try:
            waiting = await pending(gateway.store)
            due = await timers_due(gateway.store, now)
        except StoreUnavailable:
            return Facts(ready=False, reasons=(*reasons, STORE_AWAY), feed_quiet_seconds=quiet, **common)  # type: ignore[arg-type]
        age = (now - waiting.oldest_at).total_seconds() if waiting.oldest_at is not None else 0.0
        return Facts(
            ready=not reasons,
            reasons=tuple(reasons),
            in_flight=waiting.work,
            oldest_pending_seconds=max(0.0, age),
            outbox_pending=waiting.outbox,
            timers_due=due,
            feed_quiet_seconds=quiet,
            **common,  # type: ignore[arg-type]
        )

    def _show_counters(self) -> None:
        metrics = self._gateway.metrics
        for channel, traffic in self._gateway.intake.traffic.items():
            self._advance(("received", channel), traffic.received, metrics.received.labels(channel).inc)
            self._advance(("duplicate", channel), traffic.duplicates, metrics.duplicate.labels(channel).inc)
            self._advance(("rejected", channel), traffic.rejected, metrics.rejected.labels(channel).inc)
            self._advance(("foreign", channel), traffic.foreign, metrics.foreign.labels(channel).inc)
            self._advance(("reused", channel), traffic.reused, metrics.reused.labels(channel).inc)
            self._advance(("misnumbered", channel), traffic.misnumbered, metrics.misnumbered.labels(channel).inc)
            for code, count in traffic.answered.items():
                labelled = metrics.answered.labels(channel, code or "none")
                self._advance(("answered", channel, code), count, labelled.inc)
        for channel, source in self._gateway.sources.items():
            for reason, count in getattr(source, "failed_handshakes", {}).items():
                inc = metrics.failed_handshakes.labels(channel, reason).inc
                self._advance(("handshake", channel, reason, str(id(source))), count, inc)
        for one in self._gateway.certificates.expiries():
            metrics.certificate_expires.labels(one.owner, one.file).set(one.ends.timestamp())
        for relay in self._gateway.relays.values():
            for outcome, count in relay.settled.items():
                self._advance(("published", str(id(relay)), outcome), count, metrics.published.labels(outcome).inc)
        by_end = {"processed": metrics.processed, "filtered": metrics.filtered, "parked": metrics.parked}
        for (channel, end), count in self.ended.items():
            if end in by_end:
                self._advance((end, channel), count, by_end[end].labels(channel).inc)

    def _advance(self, key: tuple[str, ...], value: int, inc: object) -> None:
        more = value - self._shown[key]
        if more > 0:
            inc(more)  # type: ignore[operator]
            self._shown[key] = value

    async def channels(self) -> list[ChannelStatus]:
        gateway = self._gateway
        facts = await queries.channel_facts(gateway.store)
        ledger = await gateway.store.ledger()
        found: list[ChannelStatus] = []
        for channel in gateway.settings.channel:
            balance = ledger.channels.get(channel.name)
            counts: Mapping[str, int] = {**balance.words, "in_flight": balance.open} if balance else {}
            if balance is not None and balance.reused:
                counts = {**counts, REUSED: balance.reused}
            known = facts.get(channel.name, {})
            traffic = gateway.intake.traffic[channel.name]
            source = gateway.sources.get(channel.name)
            relay = gateway.relays.get(channel.name) if source is None else None
            sent = ledger.sinks.get(channel.name) if relay is not None else None
            if sent is not None:
                counts = {**sent.words, "pending": sent.open}
            port = gateway.ports.get(channel.name, 0)
            trouble = (relay.trouble if relay is not None else None) or getattr(source, "trouble", None)
            found.append(
                ChannelStatus(
                    name=channel.name,
                    kind=channel.kind,
                    stage=channel.stage,
                    state=gateway.channel_state(channel.name),
                    facility_id=channel.default_facility,
                    address=_address(channel, port),
                    peers=source.connections if source is not None else relay.connected if relay is not None else 0,
                    last_received_at=known.get("last_received_at"),
                    last_acknowledged_at=traffic.last_answered,
                    last_processed_at=known.get("last_processed_at"),
                    oldest_pending_at=known.get("oldest_pending_at"),
                    counts=counts,
                    last_error=trouble or ("gave-up" if traffic.gave_up else None),
                    answers=gateway.answers_of(channel.name),
                )
            )
        return found


def _address(channel: AnyChannel, port: int) -> str:
    """Where it listens, or sends to."""
    port = port or (channel.port if isinstance(channel, MllpSender) else 0)
    return f"{getattr(channel, 'host', '')}:{port}" if port else ""

"""The webhooks of a running gateway: opened, changed and ended while it runs, the same in every process of a store.

The table says what there is; this follows it.  A webhook of the settings has a row too, for its secrets and its state.
An endpoint that answers 410 is disabled, and what was pending for it is set aside, not lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import msgspec

from channels.egress import EgressPolicy, parse_url, pinned
from channels.ports import Delivery
from channels.standard_webhooks import show_secret
from channels.webhook import WebhookDestination, WebhookSettings, word_of
from gateway.event_sinks import EventSink, chosen
from gateway.host import Host
from gateway.notifications import NotificationDestination
from gateway.outgoing import renderer
from gateway.relay import Relay, RelayTimes
from gateway.settings.channels import Webhook as WebhookSection
from gateway.store.ports import StoreUnavailable
from gateway.store.webhooks import Webhook, add_webhook, change_webhook, list_webhooks, remove_webhook
from gateway.webhook_secrets import KEY_FILE, derive, ensure_key, new_secret_id
from mappings.fhir.notification import EVENTS

log = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
LOOK_UP_SECONDS = 5.0
TIMES = RelayTimes(batch=32, idle=0.25, first_retry=1.0, last_retry=10.0, delivery=600.0)
TEST_TYPE = "webhook.test"
KEY_FACT = "webhook-key"
"""Fact of the installation: what the key in use is told by, not the key."""


class _Open(msgspec.Struct):
    row: Webhook
    relay: Relay
    destination: WebhookDestination


class Webhooks:
    """Follows the table from `start` to `stop`."""

    def __init__(self, gateway: Host) -> None:
        self._gateway = gateway
        self._base = tuple(gateway.store.sinks)  # the sinks that are no webhooks
        self._open: dict[str, _Open] = {}
        self._rows: dict[str, Webhook] = {}
        self._gone: dict[str, float] = {}  # removed lately -> when to look once more
        self._key = b""
        self._mark = ""
        self._other_key = False
        self._lock = asyncio.Lock()
        self._behind = True  # the settings changed, the table does not say so yet
        self._look = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        settings = self._gateway.settings
        folder = Path(settings.gateway.data_dir)
        self._key = await asyncio.to_thread(ensure_key, Path(settings.webhooks.key_file or folder / KEY_FILE))
        self._mark = hashlib.sha256(self._key).hexdigest()[:16]
        known = await self._gateway.store.fact(KEY_FACT)
        if known is None:
            await self._gateway.store.set_fact(KEY_FACT, self._mark)
        self._other_key = known not in (None, self._mark)
        await self.refresh()
        self._task = asyncio.create_task(self._run(), name="webhooks")

    async def stop(self) -> None:
        self._stopping = True
        self._look.set()
        if self._task is not None:
            await self._task
        await asyncio.gather(*self._ending)
        await asyncio.gather(*(self._close(name) for name in list(self._open)))

    def follow(self, others: Sequence[EventSink]) -> None:
        """New settings hold: `others` are the sinks that are no webhooks.  Webhooks change at the next look."""
        self._base, self._behind = tuple(others), True
        self._gateway.store.sinks = (*self._base, *(_sink(each.row) for each in self._open.values()))
        self._look.set()

    @property
    def policy(self) -> EgressPolicy:
        return EgressPolicy(self._gateway.settings.webhooks.allow)

    @property
    def notices(self) -> dict[str, str]:
        """What is wrong now, by webhook."""
        found = {name: f"webhook {name} is disabled: {row.reason}" for name, row in self._rows.items() if row.reason}
        if self._other_key and self._open:
            found["key"] = "the webhook key is not that of before: put it back, or rotate every webhook"
        for name, each in self._open.items():
            if each.relay.trouble is not None:
                found[name] = f"webhook {name}: deliveries are refused ({each.destination.trouble or 'unreachable'})"
        return found

    @cached_property
    def _verify(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._gateway.settings.webhooks.ca_file or None)

    def trouble(self, name: str) -> str | None:
        """A word for why deliveries do not arrive now."""
        found = self._open.get(name)
        return found.destination.trouble if found else None

    # -- changes by a person -------------------------------------------------------------------------------------------

    async def check_url(self, url: str) -> None:
        """Raises EgressRefused when events would never be sent there; a name without an address may get one later."""
        parse_url(url)
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await pinned(url, self.policy)
        except (OSError, TimeoutError):
            pass

    async def add(self, webhook: Webhook) -> str:
        """The secret, which its receiver needs.  Raises NameTaken."""
        await add_webhook(self._gateway.store, webhook)
        await self.refresh()
        return show_secret(derive(self._key, webhook.name, webhook.secret_id))

    async def rotate(self, row: Webhook, now: datetime, grace: timedelta) -> str:
        """A new secret; deliveries are signed with both until the grace is over."""
        changed = msgspec.structs.replace(
            row,
            secret_id=new_secret_id(),
            previous_secret_id=row.secret_id,
            previous_until=now + grace,
            changed_at=now,
        )
        await self._change(changed)
        await self._gateway.store.set_fact(KEY_FACT, self._mark)
        self._other_key = False
        return show_secret(derive(self._key, row.name, changed.secret_id))

    async def enable(self, row: Webhook, now: datetime) -> None:
        await self._change(msgspec.structs.replace(row, state="active", reason=None, changed_at=now))

    async def disable(self, row: Webhook, now: datetime, reason: str) -> None:
        """Nothing is queued or sent any more; what was pending can be published again after `enable`."""
        await self._change(msgspec.structs.replace(row, state="disabled", reason=reason, changed_at=now))

    async def remove(self, name: str, now: datetime) -> None:
        await remove_webhook(self._gateway.store, name, now)
        await self.refresh()

    async def test(self, row: Webhook, now: datetime) -> tuple[int | None, str | None]:
        """Send one signed event without a patient; (status of the answer, word of what went wrong)."""
        destination = self._destination(row)
        body = {"specversion": "1.0", "type": TEST_TYPE, "source": "/baton/gateway", "time": now, "data": {}}
        number = f"evt_test{new_secret_id()}"
        delivery = Delivery(
            number, "", TEST_TYPE, msgspec.json.encode(body | {"id": number}), {}, "application/cloudevents+json"
        )
        try:
            status = await destination.post(delivery)
        except Exception as problem:
            word = word_of(problem)
            if word is None:
                raise
            return None, word
        finally:
            await destination.close()
        return status, None if 200 <= status < 300 else f"status-{status}"

    async def _change(self, row: Webhook) -> None:
        await change_webhook(self._gateway.store, row)
        await self.refresh()

    # -- following the table -------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Make what is open equal to what the table says."""
        async with self._lock:
            if self._behind:
                self._behind = False
                try:
                    await self._follow_settings()
                except StoreUnavailable:
                    self._behind = True
                    raise
            before, self._rows = self._rows, {row.name: row for row in await list_webhooks(self._gateway.store)}
            self._gone |= dict.fromkeys(before.keys() - self._rows.keys(), time.monotonic() + 2 * REFRESH_SECONDS)
            active = {name: row for name, row in self._rows.items() if row.state == "active"}
            self._gateway.store.sinks = (*self._base, *(_sink(row) for row in active.values()))
            for name in [name for name, each in self._open.items() if active.get(name) != each.row]:
                await self._close(name)
            for name, row in active.items():
                if name not in self._open:
                    self._start_one(row)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            try:
                await self.refresh()
                await self._clear_gone()
            except StoreUnavailable:
                pass  # looked at again
            except Exception:  # the loop must survive a look
                log.exception("the webhooks could not be read")

    async def _clear_gone(self) -> None:
        """Set aside what another process queued for a webhook before it heard that there is none any more."""
        for name in [name for name, due in self._gone.items() if time.monotonic() >= due]:
            del self._gone[name]
            if name not in self._rows and self._gateway.settings.find_channel(name) is None:
                await remove_webhook(self._gateway.store, name, self._gateway.clock())

    def _start_one(self, row: Webhook) -> None:
        destination = self._destination(row)
        render = renderer(row.payload, restricted=row.restricted)
        taker = (
            NotificationDestination(self._gateway.store, destination, row.url)
            if row.format == "fhir-notification"
            else destination
        )
        relay = Relay(self._gateway.store, row.name, taker, render=render, times=TIMES)
        self._open[row.name] = _Open(row, relay, destination)
        self._gateway.relays[row.name] = relay
        relay.start()
        if self._gateway.channel_state(row.name) in ("paused", "draining"):
            relay.pause()

    async def _close(self, name: str) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            self._gateway.relays.pop(name, None)
            await found.relay.stop()
            await found.destination.close()

    def _destination(self, row: Webhook) -> WebhookDestination:
        def live_secrets() -> Sequence[bytes]:
            previous = row.previous_until is not None and self._gateway.clock() < row.previous_until
            ids = (row.secret_id, row.previous_secret_id) if previous else (row.secret_id,)
            return [derive(self._key, row.name, each) for each in ids if each]

        settings = WebhookSettings(
            name=row.name,
            url=row.url,
            secrets=live_secrets,
            policy=self.policy,
            timeout=self._gateway.settings.webhooks.timeout,
            verify=self._verify,
        )
        return WebhookDestination(settings, gone=lambda: self._is_gone(row))

    def _is_gone(self, row: Webhook) -> None:
        """The endpoint said 410.  Disabled beside the relay, which calls this in the middle of a round."""
        log.warning("webhook %s: gone, disabled", row.name)
        task = asyncio.create_task(self._disable_gone(row.name))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _disable_gone(self, name: str) -> None:
        row = self._rows.get(name)
        if row is not None and row.state == "active":
            await self.disable(row, self._gateway.clock(), "gone")

    async def _follow_settings(self) -> None:
        """Rows of the webhooks that the settings name; those that they name no more go."""
        store, now = self._gateway.store, self._gateway.clock()
        there = {row.name: row for row in await list_webhooks(store)}
        named = {c.name: c for c in self._gateway.settings.channel if isinstance(c, WebhookSection) and c.enabled}
        for name, row in there.items():
            if row.origin == "settings" and name not in named:
                await remove_webhook(store, name, now)
        for name, section in named.items():
            wanted = _row_of(section, there.get(name), now)
            if name not in there:
                await add_webhook(store, wanted)
            elif wanted != there[name]:
                await change_webhook(store, wanted)


def _sink(row: Webhook) -> EventSink:
    facilities = None if row.facilities is None else frozenset(row.facilities)
    types = chosen(row.types, EVENTS) if row.format == "fhir-notification" else row.types
    return EventSink(row.name, types, facilities, row.restricted)


def _row_of(section: WebhookSection, before: Webhook | None, now: datetime) -> Webhook:
    """What the settings say, with the secrets and the state that the row has."""
    kept = before or Webhook(name=section.name, url="", secret_id=new_secret_id(), created_at=now, changed_at=now)
    return msgspec.structs.replace(
        kept,
        url=section.url,
        types=section.types,
        facilities=section.facilities or None,
        payload=section.payload,
        format=section.format,
        restricted=section.restricted,
        origin="settings",
    )

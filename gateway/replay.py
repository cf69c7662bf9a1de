"""Sends again what a sending channel was sent: chosen by time and type, said beforehand, in the old order."""

from __future__ import annotations

from functools import partial

from gateway.forwarding import patient_key
from gateway.settings import Settings
from gateway.settings.sending import MllpSender
from gateway.store.core_store import CoreStore
from gateway.store.forwarding import Chosen, Replay, choose_events, choose_messages
from parsers.hl7v2.header import scan_header


async def replay(store: CoreStore, channel: MllpSender, chosen: Chosen, *, dry_run: bool) -> Replay:
    """What was queued again; with `dry_run` what would be."""
    if channel.forward:
        wanted = Chosen(chosen.since, chosen.until, chosen.types or channel.messages)
        key_of = _key_of if channel.order == "patient" else None
        messages = partial(choose_messages, sink=channel.name, feeds=channel.forward, chosen=wanted, key_of=key_of)
        return await store.send_again(channel.name, messages, dry_run=dry_run)
    sink = next(one for one in store.sinks if one.name == channel.name)
    events = partial(choose_events, sink=sink, chosen=chosen)
    return await store.send_again(channel.name, events, dry_run=dry_run)


def find_sender(settings: Settings, name: str) -> MllpSender | None:
    """The channel, when it is one that sends and is open."""
    channel = settings.find_channel(name)
    return channel if isinstance(channel, MllpSender) and channel.enabled else None


def _key_of(feed: str, body: bytes) -> str:
    return patient_key(scan_header(body))

"""Hears when a channel falls silent and when it speaks again, and has the task of it opened and closed.

What counts is what the store received, from whichever gateway.  A silence is counted only while this gateway could
have heard a message: not from before its start, nor over a time in which its store was away or the channel paused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway.coordination.changes import Silence
from gateway.coordination.rules.feed import SILENT, cycle_key
from gateway.store import silence

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.settings.kinds import AnyChannel


TELL_AGAIN = timedelta(minutes=10)
"""A silence that goes on is told again: a rule may have been switched on, or its channel gone live, meanwhile."""


class Silences:
    """One look at a time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._listening: dict[str, datetime] = {}  # channel -> since when it could be heard without a break
        self._told: dict[str, tuple[datetime, datetime]] = {}  # channel -> message before the silence, when it was told

    def interrupted(self) -> None:
        """Nothing can be heard now."""
        self._listening.clear()

    async def look(self) -> None:
        """Compare the last messages with the clock and with the open tasks.  Raises StoreUnavailable."""
        gateway, now = self._gateway, self._gateway.clock()
        last = await silence.last_received(gateway.store)
        named = [key.split("|") for key in await silence.open_keys(gateway.store, SILENT.id)]
        waiting = {(channel, "|".join((SILENT.id, channel, cycle))) for _, channel, cycle, *_ in named}
        for channel in gateway.settings.channel:
            since, heard_at = self._heard_since(channel.name, now), last.get(channel.name)
            if heard_at is None:
                continue
            if any(name == channel.name and key != cycle_key(name, heard_at) for name, key in waiting):
                await self._tell(channel, heard_at, silent=False)
            if since is None or not self._wants(channel) or self._told_lately(channel.name, heard_at, now):
                continue
            if now - max(heard_at, since) > timedelta(seconds=channel.quiet_after):
                await self._tell(channel, heard_at, silent=True)
                self._told[channel.name] = heard_at, now

    def _heard_since(self, name: str, now: datetime) -> datetime | None:
        """Since when a message of this channel would have been heard; None: it would not be now."""
        if self._gateway.channel_state(name) != "running" or not self._gateway.intake.accepting:
            self._listening.pop(name, None)
            return None
        return self._listening.setdefault(name, now)

    def _told_lately(self, name: str, heard_at: datetime, now: datetime) -> bool:
        about, told_at = self._told.get(name, (None, now))
        return about == heard_at and now - told_at < TELL_AGAIN

    def _wants(self, channel: AnyChannel) -> bool:
        settings = self._gateway.settings
        return channel.quiet_after > 0 and SILENT.may_be_on(settings.coordination_settings(channel.name))

    async def _tell(self, channel: AnyChannel, heard_at: datetime, *, silent: bool) -> None:
        heard = Silence(
            channel=channel.name,
            facility_id=channel.default_facility,
            last=heard_at,
            silent=silent,
            limit=channel.quiet_after,
        )
        await self._gateway.pipeline.ask(heard)

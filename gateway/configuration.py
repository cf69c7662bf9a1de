"""What the compute process is told: the settings as reading and rules take them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.compute.protocol import Configure
from gateway.settings import Settings


def compute_configuration(settings: Settings, salt: bytes, packages: Sequence[str] = ()) -> Configure:
    channels = settings.channel  # what a channel took in is read to its end also when it is not enabled any more
    return Configure(
        profiles={channel.name: settings.profile(channel.name) for channel in channels},
        coordination={
            "": settings.coordination_settings(),
            **{channel.name: settings.coordination_settings(channel.name) for channel in channels},
        },
        gap_policy={channel.name: channel.gap_policy for channel in channels},
        salt=salt,
        version=settings.version,
        packages=list(packages),
        site_rules=settings.coordination.site_rules,
    )

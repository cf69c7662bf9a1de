"""How SFTP channels are opened from their settings."""

from __future__ import annotations

from channels.ports import Destination
from channels.sftp import Sftp, SftpSettings
from channels.sftp_account import SftpAccount
from gateway.openings.kind import ChannelKind, Source, Surroundings
from gateway.settings.sftp import Sftp as SftpSection


def sftp_kind() -> ChannelKind:
    return ChannelKind(
        bound=lambda channel: channel,
        source=_source,
        destination=_destination,
        patience=lambda channel: channel.connect_seconds + channel.answer_seconds * 4,
    )


def _destination(channel: SftpSection, around: Surroundings) -> Destination:
    sftp = Sftp(sftp_settings(channel), around.intake, clock=around.clock)
    around.opened[channel.name] = sftp
    return sftp


def _source(channel: SftpSection, around: Surroundings) -> Source:
    sftp: Sftp = around.opened[channel.name]
    return sftp


def sftp_settings(channel: SftpSection) -> SftpSettings:
    """Raises OSError when the password cannot be had."""
    account = SftpAccount(
        host=channel.host,
        port=channel.port,
        user=channel.user,
        host_key=channel.host_key,
        key=channel.key,
        password=channel.password(),
        connect_seconds=channel.connect_seconds,
        answer_seconds=channel.answer_seconds,
    )
    return SftpSettings(
        name=channel.name,
        account=account,
        folder=channel.folder,
        out=channel.out,
        after=channel.after,
        poll_seconds=channel.poll_seconds,
        stable_seconds=channel.stable_seconds,
        max_file=channel.max_file,
    )

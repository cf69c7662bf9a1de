"""The certificates in use: loaded again when their files change, and noticed before they end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from channels.tls import Tls, TlsError, TlsFiles, expiries, make_context

log = logging.getLogger(__name__)

Severity = Literal["error", "warning"]


@dataclass(slots=True, frozen=True)
class Expiry:
    """When a file's first certificate ends.  `file`: certificate | ca."""

    owner: str
    file: str
    ends: datetime


class Certificates:
    """Every Tls of the gateway, by owner: a channel's name, or "api"."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Tls, timedelta]] = {}

    def open(
        self, owner: str, files: TlsFiles, *, server: bool, warn_days: int, handshake_timeout: float = 10.0
    ) -> Tls:
        """Load and keep.  OSError with words for a person when the files make no TLS."""
        try:
            tls = Tls(files, server=server, handshake_timeout=handshake_timeout)
        except TlsError as problem:
            raise OSError(f"TLS of {owner}: {problem}") from None
        self._held[owner] = (tls, timedelta(days=warn_days))
        return tls

    def copy(self) -> Certificates:
        """The same ones, to be changed apart."""
        copied = Certificates()
        copied._held = dict(self._held)
        return copied

    def drop(self, channel: str) -> None:
        """Forget those of a channel that is closed."""
        for owner in [owner for owner in self._held if owner.partition("/")[0] == channel]:
            del self._held[owner]

    def refresh(self) -> None:
        """Load what changed.  Blocks for some small reads; what cannot be used leaves the old in use."""
        for owner, (tls, _) in list(self._held.items()):
            before = tls.trouble
            if tls.refresh():
                log.warning("TLS of %s: new certificates are in use", owner)
            elif tls.trouble != before:
                log.error("TLS of %s: the new files are not used: %s", owner, tls.trouble)

    def expiries(self) -> list[Expiry]:
        return [
            Expiry(owner, file, ends) for owner, (tls, _) in self._held.items() for file, ends in tls.expires.items()
        ]

    def notices(self, now: datetime) -> dict[str, str]:
        """What is wrong or soon will be, in words for a person."""
        found: dict[str, str] = {}
        for owner, (tls, warn) in self._held.items():
            if tls.trouble:
                found[f"certificate:{owner}:files"] = f"TLS of {owner}: the new files are not used: {tls.trouble}"
            for file, ends in tls.expires.items():
                if ends - now < warn:
                    found[f"certificate:{owner}:{file}"] = f"TLS of {owner}: {tell_expiry(file, ends, now)}"
        return found


def tell_expiry(file: str, ends: datetime, now: datetime) -> str:
    return f"the {file} {'ended' if ends <= now else 'ends'} on {ends:%Y-%m-%d}"


def look_at_files(files: TlsFiles, *, server: bool, warn_days: int) -> Iterator[tuple[Severity, str, str]]:
    """(severity, what, cure) of files that a configuration names, before anything is opened."""
    now = datetime.now(UTC)
    try:
        make_context(files, server=server)
        ends_of = expiries(files)
    except TlsError as problem:
        yield "error", f"TLS cannot be opened: {problem}.", "Name PEM files that this account may read and that fit."
        return
    for file, ends in ends_of.items():
        if ends <= now:
            yield "error", f"{tell_expiry(file, ends, now).capitalize()}.", "Put a new one in its place."
        elif ends - now < timedelta(days=warn_days):
            yield "warning", f"{tell_expiry(file, ends, now).capitalize()}.", "Have a new one made in time."
    if files.key and Path(files.key).stat().st_mode & 0o077:
        yield "warning", "The private key can be read by other accounts.", "chmod 600, owned by Baton's account."

"""How the settings of CORE channels stand to each other, and what this machine says of them and of SFTP channels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from channels.core_tokens import read_keys
from channels.tls import TlsFiles
from gateway.certificates import look_at_files
from gateway.settings import Settings, is_loopback
from gateway.settings.core import CoreClient, CoreEndpoint
from gateway.settings.sftp import Sftp
from parsers.core.payloads import BY_USE

Place = tuple[str | int, ...]
Found = tuple[Place, Literal["error", "warning"], str, str]


def core_findings(settings: Settings) -> Iterator[Found]:
    """(place, severity, what, cure)."""
    clients = {channel.name for channel in settings.channel if isinstance(channel, CoreClient) and channel.enabled}
    known = {partner.channel for partner in settings.partner if partner.own_id}
    for index, channel in enumerate(settings.channel):
        if isinstance(channel, CoreEndpoint):
            yield from _endpoint_findings(channel, ("channel", index), clients, known)
        elif isinstance(channel, CoreClient):
            yield from _client_findings(channel, ("channel", index))


def _endpoint_findings(channel: CoreEndpoint, at: Place, clients: set[str], known: set[str]) -> Iterator[Found]:
    if not is_loopback(channel.host) and not channel.allow_plaintext and channel.tls is None:
        cure = "Add [channel.tls], or set `allow_plaintext = true` where the network itself is protected."
        yield (*at, "host"), "error", "CORE without TLS would listen off loopback.", cure
    if channel.rest is not None and (channel.tls is None or not channel.tls.client_ca):
        cure = "Set `client_ca` in [channel.tls]: REST wants a client certificate besides the token."
        yield (*at, "rest"), "error", "Partners of this channel show no certificate.", cure
    if not channel.partner:
        yield (*at, "partner"), "warning", "Nobody may call this endpoint.", "Add a [[channel.partner]]."
    seen: set[tuple[str, str]] = set()
    for number, partner in enumerate(channel.partner):
        place = (*at, "partner", number)
        for key, value in (("name", partner.name), ("user", partner.user.lower())):
            if value and (key, value) in seen:
                yield (*place, key), "error", f"Two partners of this channel have this {key}.", "Give each its own."
            seen.add((key, value))
        if partner.certificate and (channel.tls is None or not channel.tls.client_ca):
            cure = "Set `client_ca` in [channel.tls], or give the partner a user and a password_hash."
            yield (*place, "certificate"), "error", "Partners of this channel show no certificate.", cure
        for target in partner.relay.values():
            if target not in clients:
                cure = "Name an enabled channel of kind `core-client`."
                yield (*place, "relay"), "error", "Requests would be passed on to a channel that is not there.", cure
            if partner.relay_as == "gateway" and target not in known:
                cure = "Add a [[partner]] with this `channel` and with `own_id`, or leave `relay_as` away."
                yield (*place, "relay_as"), "error", "We have no address at the channel that requests go to.", cure
        yield from _use_findings((*place, "accepts"), [*partner.accepts], [*partner.payload_types])
        yield from _use_findings((*place, "payload_types"), [*partner.payload_types], [])


def _client_findings(channel: CoreClient, at: Place) -> Iterator[Found]:
    for key, url in (("url", channel.url), ("token_url", channel.token_url)):
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not channel.allow_plaintext:
            cure = "Use https://, or set `allow_plaintext = true` where the network itself is protected."
            yield (*at, key), "error", "Patient data and the password would cross a network in the clear.", cure
    yield from _use_findings((*at, "payload_types"), [*channel.payload_types], [])


def _use_findings(place: Place, uses: list[str], own: list[str]) -> Iterator[Found]:
    for use in uses:
        if use not in BY_USE and use not in own and not use.startswith(("batch:", "results:")):
            cure = "Use one of: " + ", ".join(sorted(BY_USE)) + "."
            yield place, "error", "There is no such use of a payload.", cure


def connection_findings(settings: Settings) -> Iterator[Found]:
    """What only this machine can tell of the files and passwords of CORE and SFTP channels."""
    for index, channel in enumerate(settings.channel):
        at: Place = ("channel", index)
        if not channel.enabled:
            continue
        if isinstance(channel, CoreEndpoint) and channel.rest is not None:
            try:
                read_keys(Path(channel.rest.keys).read_bytes())
            except (OSError, ValueError) as problem:
                why = "cannot be read" if isinstance(problem, OSError) else str(problem)
                cure = "Name a JWKS file, or the PEM file of one public key, of the token issuer."
                yield (*at, "rest", "keys"), "error", f"The keys of bearer tokens: {why}.", cure
        if isinstance(channel, CoreEndpoint) and channel.tls is not None:
            files = TlsFiles(channel.tls.certificate, channel.tls.key, channel.tls.client_ca)
            for severity, text, cure in look_at_files(files, server=True, warn_days=channel.tls.warn_days):
                yield (*at, "tls"), severity, text, cure
        if isinstance(channel, CoreClient) and channel.url.lower().startswith("https:"):
            files = TlsFiles(channel.certificate, channel.key, channel.authority)
            for severity, text, cure in look_at_files(files, server=False, warn_days=channel.warn_days):
                yield (*at, "certificate" if channel.certificate else "authority"), severity, text, cure
        if isinstance(channel, CoreClient | Sftp):
            key = "password_env" if channel.password_env else "password_file"
            try:
                channel.password()
                if isinstance(channel, CoreClient):
                    key = "client_secret_env" if channel.client_secret_env else "client_secret_file"
                    channel.client_secret()
            except OSError:
                cure = "Set the variable, or make the file readable, for the account that runs `baton serve`."
                yield (*at, key), "warning", "The password cannot be had here.", cure
        if isinstance(channel, Sftp) and channel.key and not os.access(channel.key, os.R_OK):
            cure = "Name a private key file that the account that runs Baton may read."
            yield (*at, "key"), "error", "The SFTP key cannot be read.", cure

"""Who may speak for whom: a peer, known by certificate or address, and the senders (MSH-3, MSH-4) bound to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import Header, scan_header

UNKNOWN_PEER = "unknown-peer"
FOREIGN_SENDER = "sender-not-of-peer"
_HEADER = 2048  # bytes in which the first fields of a header are looked for


@dataclass(slots=True, frozen=True)
class Peer:
    """`networks` and `names` (lower case): () where that does not matter.  `senders`: of (MSH-3, MSH-4)."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    names: frozenset[str]
    senders: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]

    def is_at(self, address: str, names: Sequence[str]) -> bool:
        if self.names and not self.names.intersection(names):
            return False
        if not self.networks:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.networks)

    def may_send_for(self, application: str, facility: str) -> bool:
        return any(one.fullmatch(application) and two.fullmatch(facility) for one, two in self.senders)


def make_peer(addresses: Sequence[str], names: Sequence[str], senders: Sequence[str]) -> Peer:
    """From the settings: networks as text, names of certificates, patterns `MSH-3|MSH-4`."""
    pairs = [sender.partition("|") for sender in senders]
    return Peer(
        tuple(ip_network(address) for address in addresses),
        frozenset(name.lower() for name in names),
        tuple((_pattern(application), _pattern(facility)) for application, _, facility in pairs),
    )


def _pattern(text: str) -> re.Pattern[str]:
    """`*` and `?` as in file names; everything else as it is."""
    return re.compile(translate(text.replace("[", "[[]")))


@lru_cache(maxsize=4096)
def peers_at(peers: tuple[Peer, ...], peer: str, names: tuple[str, ...]) -> tuple[Peer, ...]:
    """Those that `peer` ("10.1.2.3:51234", "[::1]:51234") with these certificate names can be."""
    address = peer.rpartition(":")[0].strip("[]").partition("%")[0]
    return tuple(one for one in peers if one.is_at(address, names))


def refuse_sender(peers: tuple[Peer, ...], peer: str, names: tuple[str, ...], sender: tuple[str, str]) -> str | None:
    """Why `peer` may not send for `sender` (MSH-3.1, MSH-4.1); None when it may, or when no peers are configured."""
    if not peers:
        return None
    found = peers_at(peers, peer, names)
    if not found:
        return UNKNOWN_PEER
    return None if any(one.may_send_for(*sender) for one in found) else FOREIGN_SENDER


def senders_of(body: bytes, header: Header) -> list[tuple[str, str]]:
    """(MSH-3.1, MSH-4.1) of the header and of every message in the unit, each pair once."""
    headers = [header]
    messages = split_batch(body).messages
    if len(messages) > 1 or header.batch:
        headers += [scan_header(message[:_HEADER]) for message in messages]
    pairs = [(_first(one, one.sending_application), _first(one, one.sending_facility)) for one in headers]
    return list(dict.fromkeys(pairs))


def _first(header: Header, field: bytes) -> str:
    component = header.separators.component
    value = field.partition(component)[0] if component else field
    return value.strip().decode("utf-8", "backslashreplace")

"""Where an outgoing request may go: not to this machine, its network or a cloud's metadata, unless allowed.

A URL that someone else chose can make a server call its own neighbours.  So the name is resolved once, every address it
has is judged, the connection goes to one of those addresses (not to the name again, whose answer may have changed), and
the address that was really connected is judged before a byte is sent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_NEVER = (  # not public, whatever the table of this Python says; a cloud's host agent behind a public-looking address
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
)


class EgressRefused(Exception):
    """The request is not made.  The text names the rule, never the URL."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """`allowed`: networks that may be reached although they are not public (CIDR, or single addresses)."""

    allowed: tuple[str, ...] = ()

    def permits(self, address: Address) -> bool:
        networks = [ip_network(text, strict=False) for text in self.allowed]
        if any(address.version == network.version and address in network for network in networks):
            return True
        return is_public(address)

    def permits_plain(self, address: Address) -> bool:
        """Without TLS only where the operator allowed the network."""
        return self.permits(address) and not is_public(address)


def is_public(address: Address) -> bool:
    """True for an address of the public Internet, also when it is hidden in an IPv6 form that embeds an IPv4 one."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and any(address in network for network in _NAT64):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    never = any(address.version == network.version and address in network for network in _NEVER)
    return address.is_global and not address.is_multicast and not never


def parse_url(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of an address that may be written down.  Raises EgressRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EgressRefused("the address cannot be read") from None
    if parts.scheme not in ("https", "http"):
        raise EgressRefused("the address must start with https://")
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise EgressRefused("the address needs a host, and no user, password or fragment")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise EgressRefused("the address has characters that need encoding")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name.  OSError when it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def pinned(url: str, policy: EgressPolicy, look_up: Resolve = resolve) -> str:
    """The address to connect to for this URL.  Refused when any address of the name may not be reached.

    Raises EgressRefused, and OSError when the name has no address."""
    scheme, host, port = parse_url(url)
    addresses = [_read(text) for text in await look_up(host, port)]
    if not addresses:
        raise OSError("no address")
    judge = policy.permits if scheme == "https" else policy.permits_plain
    if not all(judge(address) for address in addresses):
        if scheme == "http" and all(policy.permits(address) for address in addresses):
            raise EgressRefused("http is for allowed networks only: use https")
        raise EgressRefused("the address is not public, and its network is not allowed in [webhooks] allow")
    return str(addresses[0])


def _read(text: str) -> Address:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        raise EgressRefused("the address cannot be read") from None

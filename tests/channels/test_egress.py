"""Where a request may go: the addresses of neighbours in every disguise, and names that change their mind."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.egress import EgressPolicy, EgressRefused, is_public, parse_url, pinned

NEIGHBOURS = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]


def answering(*addresses: str) -> object:
    async def look_up(host: str, port: int) -> Sequence[str]:
        return addresses

    return look_up


@pytest.mark.parametrize("address", NEIGHBOURS)
async def test_address_of_a_neighbour_is_refused_in_every_form(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(EgressRefused):
        await pinned("https://app.example.org/hook", EgressPolicy(), answering(address))  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:5db8:d70e"])
async def test_public_address_is_the_one_connected_to(address: str) -> None:
    assert await pinned("https://app.example.org/hook", EgressPolicy(), answering(address)) == address  # type: ignore[arg-type]


async def test_name_with_one_private_address_among_public_ones_is_refused() -> None:
    look_up = answering("93.184.215.14", "10.0.0.8")
    with pytest.raises(EgressRefused):
        await pinned("https://app.example.org/", EgressPolicy(), look_up)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "[::1]"])
async def test_odd_spelling_of_loopback_is_refused_after_the_resolver_read_it(host: str) -> None:
    with pytest.raises((EgressRefused, OSError)):
        await pinned(f"https://{host}/", EgressPolicy())


async def test_allowed_network_may_be_reached_and_without_tls_only_that() -> None:
    policy = EgressPolicy(("10.20.0.0/16",))
    assert await pinned("http://app.corp/", policy, answering("10.20.1.1")) == "10.20.1.1"  # type: ignore[arg-type]
    for url, address in [
        ("https://app.corp/", "10.21.0.1"),
        ("http://app.example.org/", "93.184.215.14"),
        ("http://127.0.0.1/", "127.0.0.1"),
    ]:
        with pytest.raises(EgressRefused):
            await pinned(url, policy, answering(address))  # type: ignore[arg-type]


async def test_name_without_an_address_is_no_refusal() -> None:
    with pytest.raises(OSError):
        await pinned("https://app.example.org/", EgressPolicy(), answering())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example.org/",
        "https://",
        "https:///path",
        "https://jdoe:secret@app.example.org/",
        "https://app.example.org/#part",
        "https://app.example.org:99999/",
        "https://app.example.org/a b",
        "https://app.example.org/\u00e9",
        "https://[::1/",
        "javascript:alert(1)",
        "",
    ],
)
def test_address_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@given(st.integers(0, 2**32 - 1))
def test_v4_address_inside_v6_is_judged_as_itself(number: int) -> None:
    plain = IPv4Address(number)
    for form in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert is_public(IPv6Address(form)) == is_public(plain)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scheme, host, port = parse_url(text)
    except EgressRefused:
        return
    assert scheme in ("http", "https") and host and 0 < port < 65536

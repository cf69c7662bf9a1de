"""Settings of TLS, and of the peers that a listener knows."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.settings.section import Section


def _known_network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("this is no address or network: write 10.1.2.3 or 10.1.0.0/16") from None
    return text


def _two_parts(text: str) -> str:
    if text.count("|") != 1:
        raise ValueError("write MSH-3 and MSH-4 with | between them, such as ADT1|GENHOSP or *|GENHOSP")
    return text


Network = Annotated[str, AfterValidator(_known_network)]
SenderPattern = Annotated[str, AfterValidator(_two_parts)]


class TlsSection(Section):
    """Who we are: TLS 1.2 or later.  Files are read again when they change, and on SIGHUP."""

    certificate: str = Field(min_length=1, description="PEM file: our certificate, then the chain up to its authority.")
    key: str = Field(min_length=1, description="PEM file: its private key, not encrypted.")
    warn_days: int = Field(default=30, ge=0, description="Days before a certificate's end from which it is noticed.")


class ListenerTlsSection(TlsSection):
    """TLS of a listener.  With `client_ca` it is mutual: every peer must show a certificate."""

    client_ca: str = Field(
        default="", description="PEM file: authorities that sign the peers' certificates; empty: none is asked for."
    )
    handshake_timeout: float = Field(default=10.0, gt=0, description="Seconds in which a peer must have shaken hands.")


class ClientTlsSection(Section):
    """TLS of connections that we open: 1.2 or later, and the peer's certificate is always verified."""

    ca: str = Field(
        default="", description="PEM file: authorities that sign the peer's certificate; empty: those of this machine."
    )
    certificate: str = Field(default="", description="PEM file: our certificate, where the peer asks for one.")
    key: str = Field(default="", description="PEM file: its private key, not encrypted.")
    server_name: str = Field(default="", description="Name the peer's certificate must have; empty: `host`.")
    warn_days: int = Field(default=30, ge=0, description="Days before a certificate's end from which it is noticed.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self


class CallbackSection(Section):
    """Where application acknowledgements go, when not back over the connection of their message."""

    host: str = Field(min_length=1, description="The peer's address.")
    port: int = Field(ge=1, le=65535, description="His TCP port.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for a connection, or for his answer.")
    accept_ack: Literal["AL", "NE"] = Field(
        default="AL", description="Our MSH-15: `AL` waits for his accept acknowledgement, `NE` does not."
    )
    allow_plaintext: bool = Field(default=False, description="Must be `true` to send off loopback without TLS.")
    tls: ClientTlsSection | None = Field(default=None, description="Connect with TLS; without it in the clear.")


class PeerSection(Section):
    """A peer that a listener knows, and for whom it may speak.  With any of these, all others are answered AR."""

    certificate: tuple[str, ...] = Field(
        default=(), description="Names of his certificate (common name or DNS name), any of these; needs `client_ca`."
    )
    address: tuple[Network, ...] = Field(default=(), description="Addresses or networks he comes from, any of these.")
    senders: tuple[SenderPattern, ...] = Field(
        default=("*|*",),
        description="MSH-3 and MSH-4 that he may send for, such as `ADT1|GENHOSP`; `*` stands for any text.",
    )

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if not self.certificate and not self.address:
            raise ValueError("a peer is known by certificate, by address, or by both")
        return self

"""Settings of the CAQH CORE channels: an endpoint that partners call, and a client that calls a partner."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.settings.channels import MIB, ChannelSection, Port, Zone
from gateway.settings.secret import read_secret
from gateway.settings.section import Name, Section
from gateway.settings.tls import ListenerTlsSection
from parsers.core.rest import BY_KIND

PasswordHash = Annotated[str, Field(pattern=r"^(scrypt\$[0-9]{4,6}\$[0-9a-f]{32}\$[0-9a-f]{128})?$")]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]{0,200}$")]


class _X12Section(ChannelSection):
    """How the X12 of a channel is read."""

    usage: tuple[str, ...] = Field(
        default=("P",), description="Accepted values of ISA15; others are filtered as test messages."
    )
    payer_zone: Zone = Field(default="America/New_York", description="Time zone of X12 times.")


class CorePartnerSection(Section):
    """Who may call a CORE endpoint, and what he may send."""

    name: Name = Field(description="Our name for the partner, in logs and reports; as in [[partner]] where he has one.")
    user: str = Field(default="", max_length=200, description="User name; compared without regard to case.")
    password_hash: PasswordHash = Field(
        default="", description="Hash of his password, from `baton core password`; empty: a certificate is enough."
    )
    certificate: tuple[str, ...] = Field(
        default=(), description="Names of his client certificate (common name or DNS name); one of them is then needed."
    )
    client_id: str = Field(
        default="",
        max_length=200,
        description="Of his bearer tokens, where `rest` is on; besides `certificate`.",
    )
    sender_ids: tuple[str, ...] = Field(default=(), description="Accepted values of SenderID; empty: any.")
    receiver_ids: tuple[str, ...] = Field(default=(), description="Accepted values of ReceiverID; empty: any.")
    accepts: tuple[str, ...] = Field(
        default=(), description="What he may send: `270`, `278`, `ack:999`, ... (docs/core.md); empty: anything known."
    )
    versions: tuple[str, ...] = Field(default=("2.2.0",), description="Accepted values of CORERuleVersion.")
    payload_types: dict[str, str] = Field(
        default_factory=dict, description='His own PayloadType values by use, such as `{"278" = "X12_278_Request"}`.'
    )
    spelling: dict[str, str] = Field(
        default_factory=dict, description='His spelling of MIME fields, such as `{PayloadID = "PayloadId"}`.'
    )
    relay: dict[str, Name] = Field(
        default_factory=dict,
        description='Channel (a `core-client`) behind us by ReceiverID; `{"*" = "bigpayer"}` for any receiver.',
    )

    relay_as: Literal["sender", "gateway"] = Field(
        default="sender",
        description="`gateway`: what is passed on gets the addresses of the `[[partner]]` of that channel and control "
        "numbers of ours, and its answer the asker's own back; `sender`: as it came.",
    )

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        if bool(self.user) != bool(self.password_hash):
            raise ValueError("user and password_hash belong together")
        if self.client_id and not self.certificate:
            raise ValueError("client_id needs certificate: X.509 and OAuth 2.0 go together")
        if not self.user and not self.certificate:
            raise ValueError("give user and password_hash, or certificate: nobody signs in without one")
        return self


class CoreTokenSection(Section):
    """Rule version 4.0.0 (REST) beside 2.2.0: whose bearer tokens count.  Needs `client_ca` in `[channel.tls]`."""

    issuer: str = Field(min_length=1, description="`iss` of the tokens.")
    audience: str = Field(min_length=1, description="`aud` of the tokens.")
    keys: str = Field(min_length=1, description="File of the issuer's public keys: a JWKS, or one key in PEM.")
    scope: str = Field(default="", description="A scope that each token must have; empty: none.")


class CoreEndpoint(_X12Section):
    """CAQH CORE over HTTPS, rule version 2.2.0: partners call us with SOAP 1.2 or HTTP MIME multipart."""

    kind: Literal["core-endpoint"] = Field(description="Selects this kind of channel.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8443, description="TCP port; 0 takes a free one.")
    path: UrlPath = Field(default="/core", description="Path of the URL that takes envelopes; its WSDL is at `?wsdl`.")
    allow_plaintext: bool = Field(
        default=False, description="Must be `true` to listen off loopback without TLS: patient data in the clear."
    )
    tls: ListenerTlsSection | None = Field(default=None, description="Listen with TLS; without it in the clear.")
    rest: CoreTokenSection | None = Field(default=None, description="Take REST with OAuth 2.0 too; off without it.")
    max_body: int = Field(default=16 * MIB, ge=65536, description="Largest request body in bytes.")
    max_in_work: int = Field(default=64 * MIB, ge=65536, description="Bytes of all request bodies at once.")
    body_seconds: float = Field(default=60.0, gt=0, description="Seconds in which a request body must have come.")
    answer_seconds: float = Field(
        default=20.0, gt=0, le=60, description="Seconds in which a real-time request is answered."
    )
    max_connections: int = Field(default=256, ge=1, description="Open connections.")
    partner: tuple[CorePartnerSection, ...] = Field(default=(), description="Who may call.")

    def claims(self) -> list[tuple[str, object]]:
        return [*super().claims(), *([("port", self.port)] if self.port and self.enabled else [])]


class CoreClient(_X12Section):
    """CAQH CORE over HTTPS, rule version 2.2.0 or (REST) 4.0.0: we call a payer or clearinghouse."""

    kind: Literal["core-client"] = Field(description="Selects this kind of channel.")
    url: str = Field(description="`https://` address of the endpoint; `http://` on loopback, or with allow_plaintext.")
    allow_plaintext: bool = Field(default=False, description="Must be `true` for `http://` off loopback.")
    form: Literal["soap", "mime", "rest"] = Field(
        default="soap", description="SOAP 1.2, HTTP MIME multipart, or `rest`: JSON with OAuth 2.0, below `url`."
    )
    mode: Literal["auto", "real-time", "batch"] = Field(
        default="auto", description="`auto`: an interchange with one transaction set in real time, others as a batch."
    )
    user: str = Field(default="", max_length=200, description="User name; empty: our certificate is enough.")
    password_env: str = Field(
        default="", pattern=r"^[A-Z0-9_]*$", description="Environment variable that holds the password."
    )
    password_file: str = Field(default="", description="File that holds the password; its last line end is not part.")
    sender_id: str = Field(min_length=1, max_length=50, description="SenderID: what the partner calls us.")
    receiver_id: str = Field(min_length=1, max_length=50, description="ReceiverID: what the partner calls himself.")
    version: str = Field(
        default="", max_length=20, description="CORERuleVersion; empty: `2.2.0`, of the form `rest` `4.0.0`."
    )
    token_url: str = Field(default="", description="Of `rest`: where access tokens are had by client credentials.")
    client_id: str = Field(default="", max_length=200, description="Of `rest`: our client_id there.")
    client_secret_env: str = Field(
        default="", pattern=r"^[A-Z0-9_]*$", description="Of `rest`: environment variable that holds our client secret."
    )
    client_secret_file: str = Field(default="", description="Of `rest`: file that holds our client secret.")
    scope: str = Field(default="", description="Of `rest`: scope that is asked for; empty: the server's default.")
    paths: dict[str, str] = Field(
        default_factory=dict,
        description="Of `rest`: the partner's paths below `url` by kind of message, "
        'such as `{"real-time" = "/v2/eligibility"}`.',
    )
    payload_types: dict[str, str] = Field(
        default_factory=dict, description='The partner\'s PayloadType values by use, such as `{"batch:270" = "..."}`.'
    )
    spelling: dict[str, str] = Field(default_factory=dict, description="The partner's spelling of MIME fields.")
    authority: str = Field(
        default="", description="PEM file of who signed the server's certificate; empty: this machine's authorities."
    )
    certificate: str = Field(default="", description="PEM file: our client certificate.")
    key: str = Field(default="", description="PEM file: its private key, not encrypted.")
    warn_days: int = Field(default=30, ge=0, description="Days before a certificate's end from which it is noticed.")
    connect_seconds: float = Field(default=10.0, gt=0, description="Seconds to connect.")
    answer_seconds: float = Field(default=60.0, gt=0, le=600, description="Seconds to wait for an answer.")
    resend_seconds: float = Field(default=90.0, ge=0, description="Seconds before a request is sent again.")
    tries: int = Field(default=5, ge=1, description="After so many a request is set aside for a person.")
    poll_seconds: float = Field(default=300.0, gt=0, description="Seconds between two looks for batch results.")
    results_hours: int = Field(default=96, ge=1, description="Hours for which results of a batch are asked for.")
    max_body: int = Field(default=64 * MIB, ge=65536, description="Largest answer in bytes.")
    requests_at_once: int = Field(
        default=16, ge=1, le=1000, description="Requests that wait for an answer at once; further ones wait their turn."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("url must be an http:// or https:// address without user name and password")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together")
        if self.form == "rest":
            if not self.token_url or not self.client_id or not (self.client_secret_env or self.client_secret_file):
                raise ValueError("rest needs token_url, client_id and one of client_secret_env and client_secret_file")
            if parts.scheme == "https" and not self.certificate:
                raise ValueError("rest needs certificate and key: X.509 and OAuth 2.0 go together")
            if unknown := set(self.paths) - set(BY_KIND):
                raise ValueError(f"there is no kind of message {min(unknown)!r}; use one of: " + ", ".join(BY_KIND))
        if self.user and bool(self.password_env) == bool(self.password_file):
            raise ValueError("user needs one of password_env and password_file")
        return self

    def password(self) -> str:
        """Raises OSError when it cannot be had."""
        return read_secret(f"channel {self.name}", self.password_env, self.password_file)

    def client_secret(self) -> str:
        """Raises OSError when it cannot be had."""
        return read_secret(f"channel {self.name}", self.client_secret_env, self.client_secret_file)

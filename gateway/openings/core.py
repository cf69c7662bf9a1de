"""How the CORE channels are opened from their settings."""

from __future__ import annotations

from collections.abc import Callable

from channels.core_calls import CoreClientSettings
from channels.core_client import CoreClient
from channels.core_desk import Desk
from channels.core_endpoint import CoreEndpoint, CoreEndpointSettings
from channels.core_http import CoreServer
from channels.core_oauth import Grant
from channels.core_partners import CorePartner, Gatekeeper
from channels.core_rest import RestDoor
from channels.core_results import ResultsPoller
from channels.core_tokens import TokenRules, Tokens
from channels.core_uptime import Uptime
from channels.ports import Destination
from channels.tls import TlsFiles
from gateway.openings.core_book import CoreBook
from gateway.openings.kind import ChannelKind, Source, Surroundings
from gateway.settings import Settings
from gateway.settings.channels import ChannelSection
from gateway.settings.core import CoreClient as CoreClientSection
from gateway.settings.core import CoreEndpoint as CoreEndpointSection
from gateway.settings.core import CorePartnerSection
from parsers.core.checking import Expectations
from parsers.core.envelope import RULE_VERSION
from parsers.core.rest import REST_VERSION
from parsers.x12.readdressing import Address, Route

_MARGIN = 30.0  # seconds beyond the slowest request, for a whole round of deliveries


def core_kinds() -> dict[str, ChannelKind]:
    return {
        "core-endpoint": ChannelKind(bound=lambda channel: channel, source=_endpoint, destination=_mailbox),
        "core-client": ChannelKind(
            bound=lambda channel: channel,
            source=_polling,
            destination=_client,
            patience=lambda channel: channel.connect_seconds + channel.answer_seconds * 4 + _MARGIN,
        ),
    }


def _book(channel: ChannelSection, around: Surroundings) -> CoreBook:
    return CoreBook(around.store, around.clock, channel.default_facility)


def _mailbox(channel: CoreEndpointSection, around: Surroundings) -> Destination:
    """The first half of an endpoint: answers for its partners wait there."""
    desk = Desk(
        channel.name,
        around.intake,
        _book(channel, around),
        around.opened,
        routes=_routes(around.settings),
        clock=around.clock,
        answer_seconds=channel.answer_seconds,
    )
    around.opened[channel.name] = desk
    return desk.mailbox


def _routes(settings: Settings) -> dict[str, list[Route]]:
    """By channel: how we are addressed at its partners when we pass something on."""
    found: dict[str, list[Route]] = {}
    for one in settings.partner:
        if one.channel and one.own_id:
            ours = Address(one.own_qualifier, one.own_id, one.own_application or one.own_id)
            his = Address(one.qualifier, one.id, one.application or one.id)
            found.setdefault(one.channel, []).append(Route(ours, his))
    return found


def _endpoint(channel: CoreEndpointSection, around: Surroundings) -> Source:
    tls = None
    if channel.tls is not None:
        files = TlsFiles(channel.tls.certificate, channel.tls.key, channel.tls.client_ca)
        tls = around.certificates.open(channel.name, files, server=True, warn_days=channel.tls.warn_days)
    settings = CoreEndpointSettings(
        name=channel.name,
        host=channel.host,
        port=channel.port,
        path=channel.path,
        max_body=channel.max_body,
        in_work=channel.max_in_work,
        body_seconds=channel.body_seconds,
        max_connections=channel.max_connections,
    )
    partners = [core_partner(partner) for partner in channel.partner]
    desk = around.opened[channel.name]
    rest = None
    if channel.rest is not None:
        rules = TokenRules(**channel.rest.model_dump())
        rest = RestDoor(channel.name, channel.path, partners, Tokens(rules), desk)
    book = _book(channel, around)

    def uptime(open_now: Callable[[], bool]) -> Uptime:
        return Uptime(channel.name, book, around.clock, open_now)

    return CoreEndpoint(settings, desk, Gatekeeper(partners), tls=tls, uptime=uptime, rest=rest)


def core_partner(section: CorePartnerSection) -> CorePartner:
    return CorePartner(
        name=section.name,
        user=section.user,
        password_hash=section.password_hash,
        client_id=section.client_id,
        certificate_names=frozenset(name.lower() for name in section.certificate),
        expectations=Expectations(
            versions=section.versions,
            sender_ids=section.sender_ids,
            receiver_ids=section.receiver_ids,
            uses=section.accepts,
            payload_types=section.payload_types,
        ),
        spelling=section.spelling,
        relay=dict(section.relay),
        relay_as=section.relay_as,
    )


def _client(channel: CoreClientSection, around: Surroundings) -> Destination:
    tls = None
    if channel.url.lower().startswith("https:"):
        files = TlsFiles(channel.certificate, channel.key, channel.authority)
        tls = around.certificates.open(channel.name, files, server=False, warn_days=channel.warn_days)
    poller = ResultsPoller(client_settings(channel), around.intake, _book(channel, around), around.clock, tls=tls)
    client = CoreClient(poller)
    around.opened[channel.name] = client
    return client


def client_settings(channel: CoreClientSection) -> CoreClientSettings:
    """Raises OSError when the password cannot be had."""
    grant = None
    if channel.form == "rest":
        secret = channel.client_secret()
        grant = Grant(url=channel.token_url, client_id=channel.client_id, secret=secret, scope=channel.scope)
    server = CoreServer(
        url=channel.url,
        form=channel.form,
        user=channel.user,
        password=channel.password(),
        sender_id=channel.sender_id,
        receiver_id=channel.receiver_id,
        rule_version=channel.version or (REST_VERSION if channel.form == "rest" else RULE_VERSION),
        paths=dict(channel.paths),
        grant=grant,
        payload_types=dict(channel.payload_types),
        spelling=dict(channel.spelling),
        connect_seconds=channel.connect_seconds,
        answer_seconds=channel.answer_seconds,
        max_body=channel.max_body,
        at_once=channel.requests_at_once,
    )
    return CoreClientSettings(
        name=channel.name,
        server=server,
        mode=channel.mode,
        resend_seconds=channel.resend_seconds,
        tries=channel.tries,
        poll_seconds=channel.poll_seconds,
        results_for=channel.results_hours * 3600.0,
    )


def _polling(channel: CoreClientSection, around: Surroundings) -> Source:
    client: CoreClient = around.opened[channel.name]
    return client.calls

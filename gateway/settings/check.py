"""Reads baton.toml all or nothing, and says of each thing that is wrong: line, what, and the cure."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from channels.egress import EgressRefused, parse_url
from channels.tls import TlsFiles
from gateway.certificates import Severity, look_at_files
from gateway.event_sinks import chosen
from gateway.settings import Settings, is_loopback
from gateway.settings.channels import MllpListener, Webhook
from gateway.settings.core_check import connection_findings, core_findings
from gateway.settings.kinds import KINDS
from gateway.settings.lines import Path, find_line, index_lines
from gateway.settings.people import odd_people
from gateway.settings.sender import odd_sender
from gateway.settings.sending import MllpSender
from gateway.settings.tls import ClientTlsSection, TlsSection
from mappings.fhir.notification import EVENTS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at.  `line` is 0 when it does not come from the file; `key` is the path of the setting."""

    line: int
    severity: Severity
    text: str
    cure: str
    key: str = ""


class SettingsError(Exception):
    """The configuration is refused as a whole; `findings` say where and how to mend it."""

    def __init__(self, source: str, findings: list[Finding]) -> None:
        self.source = source
        self.findings = findings
        super().__init__("\n".join(render_finding(source, finding) for finding in findings))


def render_finding(source: str, finding: Finding) -> str:
    """`baton.toml:12: error: channel.0.port: what. Cure: how`."""
    place = f"{source}:{finding.line}" if finding.line else "environment" if finding.key else source
    key = f"{finding.key}: " if finding.key else ""
    return f"{place}: {finding.severity}: {key}{finding.text} Cure: {finding.cure}"


def load(path: FilePath | None = None) -> Settings:
    """Settings of the file at `path` under the environment; the defaults when `path` is None.  SettingsError when
    anything in them is wrong."""
    settings, findings = _read(path)
    errors = [finding for finding in findings if finding.severity == "error"]
    if settings is None or errors:
        raise SettingsError(path.name if path else "settings", errors)
    return settings


def check(path: FilePath | None = None) -> list[Finding]:
    """Everything worth saying about a configuration on this machine, errors first."""
    settings, findings = _read(path)
    if settings is not None:
        findings = findings + list(_host_findings(settings))
    findings += list(_environment_findings())
    return sorted(findings, key=lambda finding: (finding.severity != "error", finding.line))


def _read(path: FilePath | None) -> tuple[Settings | None, list[Finding]]:
    given: dict[str, Any] = {}
    lines: dict[Path, int] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            cure = "Give a readable file in UTF-8, or leave --config out to run on the defaults."
            words = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8"
            return None, [Finding(0, "error", f"The file cannot be read ({words}).", cure)]
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            return None, [_syntax_finding(error)]
        lines = index_lines(text)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        return None, [_value_finding(detail, lines) for detail in error.errors(include_input=False, include_url=False)]
    return settings, list(_sense_findings(settings, lambda *key: find_line(lines, key) if lines else 0))


def _syntax_finding(error: tomllib.TOMLDecodeError) -> Finding:
    place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    what = re.sub(r"\s*\(at .*\)$", "", str(error))
    line = int(place[1]) if place else 1
    return Finding(line, "error", f"This is not TOML: {what}.", "Mend the syntax; text values need quotes.")


def _value_finding(detail: ErrorDetails, lines: dict[Path, int]) -> Finding:
    path: Path = tuple(part for part in detail["loc"] if part not in KINDS)
    written = path in lines or any(path[:length] in lines for length in range(2, len(path)))
    from_environment = bool(_environment_name(path)) and path not in lines
    line = find_line(lines, path) if lines and (written or not from_environment) else 0
    key = ".".join(str(part) for part in path)
    return Finding(line, "error", _what(detail), _cure(detail, path), key)


def _what(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "There is no setting of this name."
    if detail["type"] == "missing":
        return "This setting is missing."
    text = detail["msg"].removeprefix("Value error, ").rstrip(".") + "."
    return text[:1].upper() + text[1:]


def _environment_name(path: Path) -> str:
    """The variable that sets `path` or a table around it, when there is one."""
    for length in range(len(path), 0, -1):
        name = "BATON_" + "__".join(str(part) for part in path[:length]).upper()
        if name in os.environ:
            return name
    return ""


def _cure(detail: ErrorDetails, path: Path) -> str:
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    match detail["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(name, _keys_of(detail["loc"]), n=1)
            if close:
                return f"Write `{close[0]}`, if that is what you mean."
            if elsewhere := _section_with(name, path):
                return f"Write it below [{elsewhere}]."
            return "Remove it; docs/settings.md lists all."
        case "missing":
            return f"Add `{name} = ...`."
        case "literal_error":
            return f"Use one of {detail.get('ctx', {}).get('expected', '')}."
        case "union_tag_invalid" | "union_tag_not_found":
            return "Set `kind` to one of " + ", ".join(sorted(KINDS)) + "."
        case "string_pattern_mismatch":
            return f"Write a value of the form {detail.get('ctx', {}).get('pattern', '')}."
        case _:
            return f"Give `{name}` a value as docs/settings.md describes it."


def _keys_of(location: tuple[str | int, ...]) -> list[str]:
    """Names that would have been known where an unknown one was written."""
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        if part in KINDS:
            model = KINDS[part]
            continue
        field = model.model_fields.get(part)
        if field is not None:
            kinds = [field.annotation, *get_args(field.annotation)]
            model = next(filter(_is_model, kinds), model)
    return list(model.model_fields)


def _section_with(name: str, path: Path) -> str | None:
    """The one section that has a setting of this name, for one that was written in none or in another."""
    if len(path) > 2:
        return None
    kinds = {section: field.annotation for section, field in Settings.model_fields.items()}
    having = [section for section, kind in kinds.items() if _is_model(kind) and name in kind.model_fields]
    return having[0] if len(having) == 1 else None


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _sense_findings(settings: Settings, line: Callable[..., int]) -> Iterator[Finding]:
    """What single values cannot show: how they stand to each other."""
    if not is_loopback(settings.api.host) and not settings.api.allow_remote and settings.api.tls is None:
        cure = 'Add [api.tls], set `allow_remote = true` behind a proxy with TLS, or `host = "127.0.0.1"`.'
        yield Finding(line("api", "host"), "error", "The API would listen off loopback.", cure, "api.host")
    facilities = [facility.id for facility in settings.facility]
    if not facilities:
        yield Finding(line("facility"), "error", "There is no facility.", "Add a [[facility]] with an id.", "facility")
    for index, facility in enumerate(settings.facility):
        if facility.id in facilities[:index]:
            where = line("facility", index, "id")
            yield Finding(
                where, "error", "This facility id is used twice.", "Rename one of them.", f"facility.{index}.id"
            )
    seen: dict[tuple[str, object], int] = {}
    for index, channel in enumerate(settings.channel):
        for key, value in channel.claims():
            if seen.setdefault((key, value), index) != index:
                where, place = line("channel", index, key), f"channel.{index}.{key}"
                yield Finding(where, "error", f"Two channels have this {key}.", "Give each its own.", place)
        needed = channel.default_facility or not isinstance(channel, Webhook)
        if needed and channel.default_facility not in facilities:
            cure = "Use one of: " + ", ".join(facilities) + "; or add a [[facility]]."
            where, place = line("channel", index, "default_facility"), f"channel.{index}.default_facility"
            yield Finding(where, "error", "There is no facility of this id.", cure, place)
        if isinstance(channel, Webhook):
            yield from _webhook_findings(channel, index, settings, line)
        if isinstance(channel, MllpListener):
            yield from _listener_findings(channel, index, line)
        if isinstance(channel, MllpSender):
            yield from _sender_findings(channel, index, settings, line)
    for key_path, severity, text, cure in core_findings(settings):
        yield Finding(line(*key_path), severity, text, cure, ".".join(map(str, key_path)))
    yield from _partner_findings(settings, line)
    yield from _bus_findings(settings, line)
    for spot, severity, text, cure in odd_people(settings.staff):
        yield Finding(line(*spot), severity, text, cure, ".".join(map(str, spot)))


def _listener_findings(channel: MllpListener, index: int, line: Callable[..., int]) -> Iterator[Finding]:
    if not is_loopback(channel.host) and not channel.allow_plaintext and channel.tls is None:
        cure = "Add [channel.tls], or set `allow_plaintext = true` where the network itself is protected."
        where = line("channel", index, "host")
        yield Finding(where, "error", "MLLP without TLS would listen off loopback.", cure, f"channel.{index}.host")
    if channel.max_connections_per_peer > channel.max_connections:
        where, place = line("channel", index, "max_connections_per_peer"), f"channel.{index}.max_connections_per_peer"
        yield Finding(where, "warning", "One peer may have more connections than all.", "Lower it.", place)

    if channel.application_ack == "always" and channel.ack_mode == "original":
        where, place = line("channel", index, "application_ack"), f"channel.{index}.application_ack"
        cure = 'Set `ack_mode = "enhanced"`, or leave `application_ack` out.'
        yield Finding(where, "error", "In original mode there is one answer, never two.", cure, place)
    back = channel.callback
    if back is not None and not is_loopback(back.host) and not back.allow_plaintext and back.tls is None:
        where, place = line("channel", index, "callback", "host"), f"channel.{index}.callback.host"
        cure = "Add [channel.callback.tls], or set `allow_plaintext = true` where the network itself is protected."
        yield Finding(where, "error", "Answers without TLS would leave this machine.", cure, place)
    for at, peer in enumerate(channel.peer):
        if peer.certificate and (channel.tls is None or not channel.tls.client_ca):
            where, place = line("channel", index, "peer", at), f"channel.{index}.peer.{at}.certificate"
            cure = "Set `client_ca` in [channel.tls], or tell the peer by its address."
            yield Finding(where, "error", "Peers of this channel show no certificate.", cure, place)


def _webhook_findings(channel: Webhook, index: int, settings: Settings, line: Callable[..., int]) -> Iterator[Finding]:
    try:
        parse_url(channel.url)
    except EgressRefused as problem:
        where, place = line("channel", index, "url"), f"channel.{index}.url"
        yield Finding(where, "error", f"Events cannot be posted there: {problem}.", "Write https://host/path.", place)
    facilities = [facility.id for facility in settings.facility]
    if any(name not in facilities for name in channel.facilities):
        where, place = line("channel", index, "facilities"), f"channel.{index}.facilities"
        cure = "Use some of: " + ", ".join(facilities) + "."
        yield Finding(where, "error", "There is no facility of this id.", cure, place)
    if channel.format == "fhir-notification" and not chosen(channel.types, EVENTS):
        where, place = line("channel", index, "types"), f"channel.{index}.types"
        cure = "Leave `types` out, or name encounter.admitted or encounter.discharged."
        yield Finding(where, "error", "None of these types makes a notification.", cure, place)
    if channel.format == "fhir-notification" and channel.payload != "full":
        where, place = line("channel", index, "payload"), f"channel.{index}.payload"
        yield Finding(where, "error", "Notifications hold patient data.", 'Set `payload = "full"`.', place)


def _sender_findings(
    channel: MllpSender, index: int, settings: Settings, line: Callable[..., int]
) -> Iterator[Finding]:
    if not is_loopback(channel.host) and not channel.allow_plaintext and channel.tls is None:
        cure = "Add [channel.tls], or set `allow_plaintext = true` where the network itself is protected."
        place = f"channel.{index}.host"
        yield Finding(line("channel", index, "host"), "error", "Messages would leave without TLS.", cure, place)
    for key, text, cure in odd_sender(channel, {one.name: one for one in settings.channel}):
        yield Finding(line("channel", index, key), "error", text, cure, f"channel.{index}.{key}")


def _partner_findings(settings: Settings, line: Callable[..., int]) -> Iterator[Finding]:
    facilities = [facility.id for facility in settings.facility]
    channels = [channel.name for channel in settings.channel]
    seen: set[tuple[str, str]] = set()
    for index, partner in enumerate(settings.partner):
        claims = [
            ("name", partner.name),
            *(("id", f"{partner.qualifier} {one}") for one in (partner.id, *partner.aliases)),
        ]
        for key, value in claims:
            if (key, value) in seen:
                where, place = line("partner", index, key), f"partner.{index}.{key}"
                yield Finding(where, "error", f"Two partners have this {key}.", "Give each its own.", place)
            seen.add((key, value))
        if partner.channel and partner.channel not in channels:
            cure = "Use one of: " + ", ".join(channels) + "; or add a [[channel]]."
            where, place = line("partner", index, "channel"), f"partner.{index}.channel"
            yield Finding(where, "error", "There is no channel of this name.", cure, place)
        if partner.channel and not partner.own_id:
            where, place = line("partner", index, "channel"), f"partner.{index}.own_id"
            cure = "Set `own_id` to the identifier that the partner gave you (ISA06)."
            yield Finding(where, "error", "What we send would carry no sender.", cure, place)
        for at, provider in enumerate(partner.provider):
            if provider.facility not in facilities:
                cure = "Use one of: " + ", ".join(facilities) + "; or add a [[facility]]."
                where = line("partner", index, "provider", at, "facility")
                place = f"partner.{index}.provider.{at}.facility"
                yield Finding(where, "error", "There is no facility of this id.", cure, place)


def _bus_findings(settings: Settings, line: Callable[..., int]) -> Iterator[Finding]:
    if settings.bus.queue and not settings.bus.url:
        cure = "Set `url` in [bus], or remove the queues."
        where = line("bus", "queue", 0)
        yield Finding(where, "warning", "Queues are declared on RabbitMQ only, and there is none.", cure, "bus.queue")
    if settings.bus.payload == "full" and settings.bus.url and settings.bus_exposed:
        cure = 'Use amqps://, or `payload = "reference"`.'
        yield Finding(
            line("bus", "payload"), "warning", "Patient data would cross the network in clear.", cure, "bus.payload"
        )
    for index, queue in enumerate(settings.bus.queue):
        if not queue.bindings:
            cure = 'Add `bindings = ["#"]` for every event, or narrower patterns.'
            where, place = line("bus", "queue", index), f"bus.queue.{index}.bindings"
            yield Finding(where, "warning", "The queue has no bindings and will stay empty.", cure, place)
        if not queue.max_length:
            cure = "Set `max_length`, so that a queue that nobody reads cannot fill the broker."
            where, place = line("bus", "queue", index), f"bus.queue.{index}.max_length"
            yield Finding(where, "warning", "The queue may grow without end.", cure, place)


def _host_findings(settings: Settings) -> Iterator[Finding]:
    """What only this machine can tell."""
    folders = [("gateway.data_dir", settings.gateway.data_dir)]
    for index, channel in enumerate(settings.channel):
        if channel.enabled:
            folders += [(f"channel.{index}.{key}", folder) for key, folder in channel.folders()]
    yield from _tls_findings(settings)
    for place, severity, text, cure in connection_findings(settings):
        yield Finding(0, severity, text, cure, ".".join(map(str, place)))
    for key, folder in folders:
        nearest = next(
            (part for part in (FilePath(folder), *FilePath(folder).absolute().parents) if part.exists()), None
        )
        if nearest is None or not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            cure = "Give the account that runs Baton the right to write there, or name another folder."
            yield Finding(0, "error", "The folder cannot be written.", cure, key)


def _tls_findings(settings: Settings) -> Iterator[Finding]:
    sections: dict[str, TlsSection | ClientTlsSection | None] = {"api.tls": settings.api.tls}
    for index, channel in enumerate(settings.channel):
        if isinstance(channel, MllpListener) and channel.enabled:
            sections[f"channel.{index}.tls"] = channel.tls
        if isinstance(channel, MllpSender) and channel.enabled:
            sections[f"channel.{index}.tls"] = channel.tls
        if isinstance(channel, MllpListener) and channel.enabled:
            sections[f"channel.{index}.callback.tls"] = channel.callback.tls if channel.callback else None
    for key, section in sections.items():
        if section is not None:
            server = isinstance(section, TlsSection)
            files = TlsFiles(section.certificate, section.key, getattr(section, "client_ca" if server else "ca", ""))
            for severity, text, cure in look_at_files(files, server=server, warn_days=section.warn_days):
                yield Finding(0, severity, text, cure, key)


def _environment_findings() -> Iterator[Finding]:
    own = {"CONFIG", "API_KEY", "API_URL"}
    for name in sorted(os.environ):
        word = name.removeprefix("BATON_").split("__")[0]
        if name.startswith("BATON_") and word not in own and word.lower() not in Settings.model_fields:
            cure = "Write BATON_<SECTION>__<KEY>, such as BATON_API__PORT."
            yield Finding(0, "warning", "This variable sets nothing.", cure, name)

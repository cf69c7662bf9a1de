"""Writes docs/settings.md from the descriptions of the settings."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings import (
    ApiSection,
    BusSection,
    DiskSection,
    FacilitySection,
    GatewaySection,
    PipelineSection,
    QueueSection,
    RetentionSection,
    SchedulerSection,
    StoreSection,
)
from gateway.settings.asking import AskingSection
from gateway.settings.channels import FileDrop, MllpListener
from gateway.settings.coordination import CalendarSection, CoordinationSection, OverrideSection
from gateway.settings.core import CoreClient, CoreEndpoint, CorePartnerSection
from gateway.settings.feed import IdentifierRuleSettings, TranslationSettings
from gateway.settings.partners import GuidesSection, PartnerSection, PayerSection, PolicySection, ProviderSection
from gateway.settings.people import CoordinatorSection, PanelSection, PeopleSection, TeamSection
from gateway.settings.sending import MllpSender, ReactionsSection
from gateway.settings.sftp import Sftp
from gateway.settings.tls import CallbackSection, ClientTlsSection, ListenerTlsSection, PeerSection, TlsSection

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[gateway]", GatewaySection),
    ("[store]", StoreSection),
    ("[bus]", BusSection),
    ("[[bus.queue]]", QueueSection),
    ("[api]", ApiSection),
    ("[api.tls]", TlsSection),
    ("[[facility]]", FacilitySection),
    ("[[calendar]]", CalendarSection),
    ('[[channel]] with kind = "mllp-listener"', MllpListener),
    ("[channel.tls] of a listener", ListenerTlsSection),
    ("[channel.callback]", CallbackSection),
    ("[channel.callback.tls]", ClientTlsSection),
    ("[[channel.peer]]", PeerSection),
    ("[[channel.patient_id]]", IdentifierRuleSettings),
    ("[[channel.translate]]", TranslationSettings),
    ('[[channel]] with kind = "mllp-sender"', MllpSender),
    ("[channel.reactions]", ReactionsSection),
    ("[channel.tls] of a sender", ClientTlsSection),
    ('[[channel]] with kind = "file-drop"', FileDrop),
    ('[[channel]] with kind = "sftp"', Sftp),
    ('[[channel]] with kind = "core-endpoint"', CoreEndpoint),
    ("[[channel.partner]]", CorePartnerSection),
    ('[[channel]] with kind = "core-client"', CoreClient),
    ("[[partner]]", PartnerSection),
    ("[partner.policy]", PolicySection),
    ("[partner.guides]", GuidesSection),
    ("[[partner.payer]]", PayerSection),
    ("[[partner.provider]]", ProviderSection),
    ("[asking]", AskingSection),
    ("[pipeline]", PipelineSection),
    ("[scheduler]", SchedulerSection),
    ("[disk]", DiskSection),
    ("[retention]", RetentionSection),
    ("[coordination]", CoordinationSection),
    ("[[coordination.override]]", OverrideSection),
    ("[people]", PeopleSection),
    ("[[team]]", TeamSection),
    ("[[coordinator]]", CoordinatorSection),
    ("[[panel]]", PanelSection),
)

_INTRODUCTION = """\
# Settings

Made from `gateway/settings/__init__.py` by `make docs`; a test compares the two.

Baton reads `baton.toml` (`baton serve --config FILE`) all or nothing: one wrong value and the whole file is refused,
with the line and the cure. `baton check` does the same without starting anything. The environment wins over the file:
`BATON_<SECTION>__<KEY>`, such as `BATON_STORE__URL` or `BATON_API__PORT`; `BATON_CHANNEL` and `BATON_FACILITY` take a
whole list as JSON. Without a file there is one facility `main`, an MLLP listener `adt` on 127.0.0.1:2575 and a file
drop `payers` under the data folder.
"""


def settings_markdown() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for title, model in SECTIONS:
        parts.append(f"## `{title}`\n\n{(model.__doc__ or '').strip()}\n")
        parts.append("| key | kind | default | meaning |\n|---|---|---|---|")
        parts += [_row(name, field) for name, field in model.model_fields.items()]
        parts.append("")
    return "\n".join(parts)


def _row(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        default = "its defaults"
    else:
        default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
    cells = (f"`{name}`", _kind(field.annotation), default, field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(annotation: Any) -> str:
    """A type in a reader's words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in inner if part is not type(None))
    if origin is tuple:
        return f"list of {_kind(inner[0])}" if len(inner) == 2 and inner[1] is Ellipsis else "pair"
    words = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return words.get(annotation, "table")

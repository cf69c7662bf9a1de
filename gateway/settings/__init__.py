"""Every setting of Baton, described once: baton.toml, overridden by BATON_<SECTION>__<KEY> in the environment.

`gateway.settings.check.load` reads a file; `Settings()` alone gives the defaults.  docs/settings.md is made from here.
"""

from __future__ import annotations

import hashlib
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.people import People
from gateway.settings.asking import AskingSection
from gateway.settings.channels import (
    MIB,
    FileDrop,
    MllpListener,
    Name,
    Network,
    Port,
    Zone,
)
from gateway.settings.coordination import CalendarSection, CoordinationSection, rule_settings
from gateway.settings.kinds import AnyChannel, Channel
from gateway.settings.partners import PartnerSection
from gateway.settings.people import CoordinatorSection, PanelSection, PeopleSection, TeamSection, people_of
from gateway.settings.section import Section
from gateway.settings.tls import TlsSection
from mappings.partners import TradingPartner
from mappings.profile import Facility, FeedProfile, IdentifierRule, Translation


def is_loopback(host: str) -> bool:
    """True when `host` (a name or an address) can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class GatewaySection(Section):
    """The process as a whole."""

    data_dir: str = Field(
        default="var", description="Folder for everything Baton writes, relative to the working directory."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe line that is logged."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="Form of a log line.")


class StoreSection(Section):
    """Where messages, state and tasks live."""

    url: str = Field(
        default="",
        description="`sqlite:///path` or `postgresql://user@host/name`; empty: `<data_dir>/baton.db` in SQLite.",
    )
    seen_days: int = Field(
        default=14,
        ge=1,
        description="Days for which a repeated message is known as a duplicate, and a control number of X12 as used.",
    )
    pool_size: int = Field(default=8, ge=2, le=100, description="PostgreSQL connections.")

    @model_validator(mode="after")
    def _known_store(self) -> Self:
        if self.url and not self.url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("url must start with sqlite:/// or postgresql://")
        return self


class QueueSection(Section):
    """A quorum queue that Baton declares on the bus."""

    name: str = Field(min_length=1, max_length=200, description="Name of the queue.")
    bindings: tuple[str, ...] = Field(
        default=(), description="Routing patterns `<family>.<event>.<facility>`, such as `task.#`."
    )
    max_length: int = Field(default=0, ge=0, description="Most messages the queue keeps; 0: no limit.")
    restricted: bool = Field(
        default=False,
        description="It may see restricted patients in full: it is bound to the exchange `<exchange>.granted` instead.",
    )


class BusSection(Section):
    """RabbitMQ, or the embedded event log."""

    url: str = Field(
        default="", description="`amqp://` or `amqps://` address of RabbitMQ; empty: the embedded event log."
    )
    exchange: str = Field(
        default="baton.events", min_length=1, description="Durable topic exchange that takes the events."
    )
    payload: Literal["", "full", "reference"] = Field(
        default="",
        description="Events with patient data or only ids; empty: `reference` off loopback without TLS, else `full`.",
    )
    restricted: bool = Field(
        default=False,
        description="Restricted patients' events in full too; else the bus gets their id, type and due time.",
    )
    publish_timeout: float = Field(default=10.0, gt=0, description="Seconds to wait for the confirms of one batch.")
    batch: int = Field(default=200, ge=1, le=5000, description="Events published before waiting for their confirms.")
    queue: tuple[QueueSection, ...] = Field(default=(), description="Queues to declare.")

    @model_validator(mode="after")
    def _known_scheme(self) -> Self:
        if self.url and not self.url.startswith(("amqp://", "amqps://")):
            raise ValueError("url must start with amqp:// or amqps://")
        return self


class ApiSection(Section):
    """The HTTP API."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8080, description="TCP port; 0 takes a free one.")
    allow_remote: bool = Field(
        default=False, description="Must be `true` to listen off loopback without TLS, behind a proxy that has it."
    )
    tls: TlsSection | None = Field(default=None, description="Serve https; without it http.")
    max_body: int = Field(default=MIB, ge=1024, description="Largest request body in bytes.")
    max_edit: int = Field(default=16 * MIB, ge=1024, description="Largest body of an edited message in bytes.")


class WebhooksSection(Section):
    """What holds for every webhook: of the settings and of the API."""

    allow: tuple[Network, ...] = Field(
        default=(),
        description="Networks that may be posted to although they are not public, such as `10.20.0.0/16`; "
        "`http://` is for these only.",
    )
    ca_file: str = Field(default="", description="PEM file of the authorities to trust; empty: those of the system.")
    timeout: float = Field(default=15.0, gt=0, le=60, description="Seconds for a request and its answer.")
    key_file: str = Field(
        default="",
        description="File of the key that secrets are derived from, the same on every host of a store; empty: "
        "`<data_dir>/webhook.key`, made when missing.",
    )
    rotation_hours: int = Field(
        default=24, ge=0, le=720, description="Hours for which the old secret signs too after a rotation."
    )


class FacilitySection(Section):
    """A site that owns encounters, tasks and deadlines."""

    id: Name = Field(description="Our id, used in routing keys and API keys.")
    name: str = Field(default="", description="Name for people.")
    aliases: tuple[str, ...] = Field(
        default=(), description="Values of PV1-3.4, EVN-7, MSH-4 or AIL-3.4 that mean this facility."
    )
    zone: Zone = Field(default="America/New_York", description="Time zone of deadlines.")
    calendar: str = Field(
        default="us-federal",
        description="Calendar of business days: `us-federal`, `weekdays`, `US-CA`, or the id of a `[[calendar]]`.",
    )


class RetentionSection(Section):
    """How long finished things stay; state, tasks, the audit and whatever is pending are kept."""

    bodies_days: int = Field(default=90, ge=1, description="Days for message bodies.")
    events_days: int = Field(default=400, ge=1, description="Days for events.")
    interchanges_days: int = Field(
        default=400,
        ge=30,
        description="Days for X12 that was sent: TA1, 999, answers, questions; never fewer than `store.seen_days`.",
    )
    requests_days: int = Field(
        default=30,
        ge=1,
        description="Days for which an Idempotency-Key is known: later the same request is done again.",
    )


class PipelineSection(Section):
    """Parse, map, decide and write."""

    batch: int = Field(default=256, ge=1, le=1024, description="Most messages per batch.")
    linger_ms: int = Field(default=20, ge=0, le=1000, description="Milliseconds a worker waits after a small batch.")
    budget_seconds: float = Field(default=2.0, gt=0, description="Compute time per message.")
    memory_mb: int = Field(default=1024, ge=128, description="Memory of the compute process in MiB.")
    max_attempts: int = Field(default=5, ge=1, description="Attempts before a message is parked.")


class DiskSection(Section):
    """Intake stops before the disk is full."""

    reserve_ratio: float = Field(default=0.05, ge=0, lt=1, description="Share of the disk that stays free.")
    reserve_bytes: int = Field(
        default=1024 * MIB,
        ge=0,
        description="Bytes that are enough by themselves: the smaller of the two reserves counts.",
    )


class SchedulerSection(Section):
    """Timers after a silence (decision 17)."""

    catch_up_minutes: int = Field(
        default=15, ge=0, description="Minutes after a feed's first message before held timers fire."
    )
    catch_up_max_hours: int = Field(default=2, ge=0, description="Hours after which held timers fire in any case.")


_DEFAULT_CHANNELS: tuple[Channel, ...] = (
    MllpListener(name="adt", kind="mllp-listener"),
    FileDrop(name="payers", kind="file-drop"),
)


class Settings(BaseSettings):
    """All of baton.toml."""

    model_config = SettingsConfigDict(env_prefix="BATON_", env_nested_delimiter="__", extra="forbid", frozen=True)

    gateway: GatewaySection = Field(default_factory=GatewaySection)
    store: StoreSection = Field(default_factory=StoreSection)
    bus: BusSection = Field(default_factory=BusSection)
    api: ApiSection = Field(default_factory=ApiSection)
    webhooks: WebhooksSection = Field(default_factory=WebhooksSection)
    pipeline: PipelineSection = Field(default_factory=PipelineSection)
    scheduler: SchedulerSection = Field(default_factory=SchedulerSection)
    coordination: CoordinationSection = Field(default_factory=CoordinationSection)
    retention: RetentionSection = Field(default_factory=RetentionSection)
    disk: DiskSection = Field(default_factory=DiskSection)
    calendar: tuple[CalendarSection, ...] = ()
    facility: tuple[FacilitySection, ...] = (FacilitySection(id="main"),)
    channel: tuple[Channel, ...] = _DEFAULT_CHANNELS
    partner: tuple[PartnerSection, ...] = ()
    asking: AskingSection = Field(default_factory=AskingSection)
    people: PeopleSection = Field(default_factory=PeopleSection)
    team: tuple[TeamSection, ...] = ()
    coordinator: tuple[CoordinatorSection, ...] = ()
    panel: tuple[PanelSection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; nothing else is read."""
        return (env_settings, init_settings)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Fill what depends on `data_dir`, so that everybody else reads plain values."""
        root = self.gateway.data_dir
        if not self.store.url:
            self.__dict__["store"] = self.store.model_copy(update={"url": f"sqlite:///{root}/baton.db"})
        self.__dict__["channel"] = tuple(channel.completed(root) for channel in self.channel)
        return self

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        """Exceptions of rules name facilities that are declared."""
        known = {"", *(one.id for one in self.facility)}
        unknown = sorted({one.facility for one in self.coordination.override} - known)
        if unknown:
            raise ValueError(f"coordination.override names no facility of this file: {', '.join(unknown)}")
        return self

    @property
    def version(self) -> int:
        """A number that changes with the content: 31 bits, kept with every message (decision 28)."""
        digest = hashlib.sha256(self.model_dump_json().encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    @property
    def bus_exposed(self) -> bool:
        """True when events cross a network in the clear."""
        url = urlsplit(self.bus.url)
        return url.scheme == "amqp" and not is_loopback(url.hostname or "")

    @property
    def bus_payload(self) -> Literal["full", "reference"]:
        """What leaves on the bus: `bus.payload`, or the default of decision 24."""
        return self.bus.payload or ("reference" if self.bus_exposed else "full")

    @property
    def facilities(self) -> tuple[Facility, ...]:
        return tuple(Facility(**facility.model_dump()) for facility in self.facility)

    @property
    def partners(self) -> tuple[TradingPartner, ...]:
        return tuple(partner.partner() for partner in self.partner)

    def find_partner(self, name: str) -> TradingPartner | None:
        return next((partner for partner in self.partners if partner.name == name), None)

    def find_channel(self, name: str) -> AnyChannel | None:
        return next((channel for channel in self.channel if channel.name == name), None)

    def profile(self, name: str) -> FeedProfile:
        """How to read the messages of channel `name`; KeyError when there is none."""
        channel = self.find_channel(name)
        if channel is None:
            raise KeyError(name)
        ours = {"channel": name, "facilities": self.facilities, "partners": self.partners}
        given = {key: value for key, value in channel if key in FeedProfile.__struct_fields__}
        if isinstance(channel, MllpListener):
            given["patient_id"] = tuple(IdentifierRule(**rule.model_dump()) for rule in channel.patient_id)
            given["translate"] = tuple(Translation(**one.model_dump()) for one in channel.translate)
        return FeedProfile(**given | ours)  # a kind's own `facilities` are others: those whose events it is sent

    @property
    def staff(self) -> People:
        """Teams, coordinators and panels as the desk reads them."""
        groups = dict(self.coordination.condition_groups)
        return people_of(self.people, self.team, self.coordinator, self.panel, groups)

    def coordination_settings(self, name: str = "") -> CoordinationSettings:
        """Rule settings for messages of channel `name`; without a name for timers and commands (stage live)."""
        channel = self.find_channel(name)
        calendars = {calendar.id: calendar.days for calendar in self.calendar}
        return rule_settings(
            self.coordination,
            facilities={one.id: (one.zone, calendars.get(one.calendar, one.calendar)) for one in self.facility},
            default_zone=channel.zone if channel else self.facility[0].zone,
            stage=channel.stage if channel else "live",
            asking=self.asking.asking(self.partners),
        )

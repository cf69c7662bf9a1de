"""What a mapping must be told about one feed: plain data, made from the settings, never read from a file here."""

from __future__ import annotations

import msgspec

from mappings.partners import TradingPartner, partner_of


class Facility(msgspec.Struct, frozen=True, kw_only=True):
    """A site that owns encounters, tasks and deadlines (decision 11)."""

    id: str
    name: str = ""
    aliases: tuple[str, ...] = ()  # values of PV1-3.4, EVN-7, MSH-4, AIL-3.4 that mean this facility
    zone: str = "America/New_York"
    calendar: str = "us-federal"


class IdentifierRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which repetition of PID-3 names the patient: both given values must match."""

    authority: str | None = None
    type: str | None = None


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """Codes of the feed, as sent in the field, and what they are read as."""

    field: str  # "PV1-2", "SCH-25.1"
    values: dict[str, str]


class FeedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """How to read one channel's messages."""

    channel: str
    zone: str = "America/New_York"
    character_set: str = "utf-8"  # when MSH-18 is absent, or always
    character_set_from: str = "message"  # message | channel: whether MSH-18 is believed
    default_authority: str = ""  # for identifiers without CX.4; empty: the channel's name
    patient_id: tuple[IdentifierRule, ...] = ()  # empty: first MR, else PI, else first with an authority, else default
    trusted_links: tuple[str, ...] = ()  # authorities whose identifiers may name a patient of another authority
    encounter_id: tuple[str, ...] = ("PV1-19", "PID-18")
    default_facility: str = "main"
    facilities: tuple[Facility, ...] = ()
    observation_when: tuple[tuple[str, str], ...] = ()  # ("PV1-18", "OBS"): any one makes class observation
    restricted_codes: tuple[str, ...] = ()  # prefixes of DG1-3 that make the stay restricted: "F10", "B20"
    self_pay_classes: tuple[str, ...] = ("SP", "SELF", "SELFPAY")
    processing_ids: tuple[str, ...] = ("P",)  # others are filtered as test-message
    usage: tuple[str, ...] = ("P",)  # ISA15
    unique_control_numbers: bool = False  # ISA13 of a sender counts up; where real time asks, PayloadID does
    payer_zone: str = "America/New_York"  # for X12 times
    partners: tuple[TradingPartner, ...] = ()
    translate: tuple[Translation, ...] = ()
    relocate: tuple[tuple[str, str], ...] = ()  # ("ZPV-3", "PV1-36"): from, to
    pick: tuple[tuple[str, str], ...] = ()  # ("case_manager", "ZPV-4.2"): name in events, from
    sequence_numbers: bool = False  # MSH-13 counts: 0 and -1 are about the link, and say nothing of a patient
    filter_events: tuple[str, ...] = ()  # "ADT^A31", "SIU^*": stored, answered and filtered
    structure: str = "off"  # off | warn | reject: check segments and required fields by the message structure
    insurance: str = "full"  # full | partial: whether the IN1 of a message are all that the patient has

    @property
    def adjusts(self) -> bool:
        """Whether values are moved or translated before they are read."""
        return bool(self.translate or self.relocate or self.pick)

    @property
    def authority(self) -> str:
        return self.default_authority or self.channel

    def facility_of(self, *codes: str | None) -> tuple[str, bool]:
        """(facility id, known) of the first code that is an alias; the channel's default and False when none is.

        Where there is one facility and it has no aliases, every code is its own."""
        for code in codes:
            if code:
                for facility in self.facilities:
                    if code == facility.id or code in facility.aliases:
                        return facility.id, True
        alone = not any(facility.aliases for facility in self.facilities) and len(self.facilities) < 2
        return self.default_facility, alone or not any(codes)

    def partner_of(self, qualifier: str, sender: str) -> TradingPartner:
        """The partner with this ISA05 and ISA06; one with the defaults when no settings name him."""
        return partner_of(self.partners, qualifier, sender)

    def zone_of(self, facility_id: str) -> str:
        for facility in self.facilities:
            if facility.id == facility_id:
                return facility.zone
        return self.zone

"""Trading partners as plain data: how to address each, what he takes, and what his errors cost."""

from __future__ import annotations

import msgspec

from parsers.x12.policy import Policy


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, for one of our facilities (NM1*1P)."""

    facility: str
    npi: str
    name: str = ""
    taxonomy: str = ""  # PRV03


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """A payer who is reached through this partner (NM1*PR, NM1*X3)."""

    id: str  # NM109 when we ask
    name: str = ""  # NM103
    qualifier: str = "PI"  # NM108
    aliases: tuple[str, ...] = ()  # IN1-3, and NM109 of his answers, that mean this payer


class Guides(msgspec.Struct, frozen=True, kw_only=True):
    """GS08 and ST03 of what we send."""

    eligibility: str = "005010X279A1"
    authorization: str = "005010X217"
    inquiry: str = "005010X215"


class TradingPartner(msgspec.Struct, frozen=True, kw_only=True):
    """One partner.  `id` is his ISA06, `own_id` what he calls us in ISA08; places change when we send."""

    name: str = ""  # "" stands for a sender whom no settings name
    channel: str = ""  # what we send goes out there
    qualifier: str = "ZZ"
    id: str = ""
    aliases: tuple[str, ...] = ()  # further values of his ISA06
    application: str = ""  # his GS02; empty: id
    own_qualifier: str = "ZZ"
    own_id: str = ""
    own_application: str = ""
    version: str = "00501"  # ISA12
    separators: str = "*:^~"  # element, component, repetition, segment
    line_end: str = ""  # between segments that we send
    request_ta1: bool = False  # ISA14
    usage: str = "T"  # ISA15 of what we send
    acknowledge: str = "auto"  # auto | 999 | 997 | none
    policy: Policy = Policy()
    guides: Guides = Guides()
    payers: tuple[Payer, ...] = ()
    providers: tuple[Provider, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.id, *self.aliases)


UNKNOWN_PARTNER = TradingPartner()


def partner_of(partners: tuple[TradingPartner, ...], qualifier: str, sender: str) -> TradingPartner:
    """The partner with this ISA05 and ISA06; by ISA06 alone when no qualifier fits; else one with defaults."""
    named = [partner for partner in partners if sender in partner.addresses]
    return next((one for one in named if one.qualifier == qualifier), named[0] if named else UNKNOWN_PARTNER)

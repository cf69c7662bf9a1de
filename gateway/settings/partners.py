"""Settings of one trading partner: how his X12 is addressed and written, what is expected of it, what errors cost."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.settings.channels import Name
from gateway.settings.section import Section
from mappings.partners import Guides, Payer, Provider, TradingPartner
from parsers.x12.policy import Policy

LINE_ENDS = {"": "", "LF": "\n", "CRLF": "\r\n"}
_NPI_PREFIX = "80840"  # ISO 7812 issuer number of health care in the United States

Address = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[ -~]+$")]
Qualifier = Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]
Level = Literal["off", "warn", "reject"]


def valid_npi(text: str) -> bool:
    """Ten digits with the Luhn check digit over the prefix 80840 (45 CFR 162.406)."""
    if len(text) != 10 or not text.isascii() or not text.isdigit():
        return False
    digits = [int(digit) for digit in reversed(_NPI_PREFIX + text)]
    return sum(digit if at % 2 == 0 else sum(divmod(2 * digit, 10)) for at, digit in enumerate(digits)) % 10 == 0


def _checked_npi(text: str) -> str:
    if not valid_npi(text):
        raise ValueError("this is no NPI: ten digits, the last of which is a check digit")
    return text


class ProviderSection(Section):
    """Who asks this partner, for one of our facilities (NM1*1P)."""

    facility: Name = Field(description="Id of a [[facility]].")
    npi: Annotated[str, AfterValidator(_checked_npi)] = Field(description="National provider identifier (NM109).")
    name: str = Field(default="", max_length=60, description="Name (NM103); empty: the facility's.")
    taxonomy: str = Field(
        default="", pattern=r"^([0-9A-Z]{10})?$", description="Provider taxonomy code (PRV03); empty: no PRV."
    )


class PayerSection(Section):
    """A payer who is reached through this partner."""

    id: Annotated[str, Field(min_length=1, max_length=80)] = Field(description="His identifier (NM109).")
    name: str = Field(default="", max_length=60, description="His name (NM103).")
    qualifier: Annotated[str, Field(pattern=r"^[0-9A-Z]{1,2}$")] = Field(
        default="PI", description="What kind of identifier it is (NM108): `PI`, `XV`, `NI`, `FI`, `46`, `24`."
    )
    aliases: tuple[str, ...] = Field(
        default=(), description="Codes of IN1-3, and of NM109 in his answers, that mean this payer."
    )


class PolicySection(Section):
    """What errors of this partner cost: nothing, a warning (999 E), or the transaction set (999 R).

    Broken envelopes always reject. Lines of a guide that are not confirmed warn at most: docs/guides.md."""

    segment_count: Level = Field(default="warn", description="SE01 differs from the number of segments.")
    set_control_number: Level = Field(default="warn", description="ST02 is used twice in a group.")
    segments: Level = Field(
        default="warn", description="Unknown, missing, misplaced or too often repeated segments and loops."
    )
    elements: Level = Field(
        default="warn", description="Missing or surplus elements, types, lengths, dates, elements that need each other."
    )
    codes: Level = Field(default="warn", description="Values outside the code list of their element.")
    situational: Level = Field(default="warn", description="What one value demands of another element or segment.")
    hierarchy: Level = Field(default="warn", description="HL numbers, parents and child flags.")
    characters: Level = Field(default="warn", description="Characters outside the X12 extended character set.")
    duplicates: Literal["auto", "off", "warn", "reject"] = Field(
        default="auto",
        description="A control number again with other content: TA1 `R` 025, or a flag; `auto` rejects requests, "
        "flags answers.",
    )


class GuidesSection(Section):
    """Implementation guides (GS08, ST03) of what we send to this partner."""

    eligibility: str = Field(default="005010X279A1", description="Of a 270.")
    authorization: str = Field(default="005010X217", description="Of a 278 request.")
    inquiry: str = Field(default="005010X215", description="Of a 278 inquiry.")


class PartnerSection(Section):
    """A payer, clearinghouse or provider with whom we exchange X12."""

    name: Name = Field(description="Our name for the partner, in logs, commands and URLs.")
    channel: str = Field(default="", description="Channel that takes what we send to this partner.")
    qualifier: Qualifier = Field(default="ZZ", description="ISA05 when the partner sends, ISA07 when we send.")
    id: Address = Field(description="ISA06 when the partner sends, ISA08 when we send.")
    aliases: tuple[Address, ...] = Field(default=(), description="Further values of ISA06 that are this partner.")
    application: str = Field(default="", max_length=15, description="GS02 of the partner, GS03 of ours; empty: `id`.")
    own_qualifier: Qualifier = Field(default="ZZ", description="ISA05 when we send.")
    own_id: Annotated[str, Field(max_length=15, pattern=r"^[ -~]*$")] = Field(
        default="", description="ISA06 when we send: our identifier at this partner."
    )
    own_application: str = Field(default="", max_length=15, description="GS02 when we send; empty: `own_id`.")
    version: Annotated[str, Field(pattern=r"^[0-9]{5}$")] = Field(default="00501", description="ISA12 when we send.")
    separators: str = Field(
        default="*:^~",
        min_length=4,
        max_length=4,
        description="Separators of element, component, repetition (ISA11) and segment, when we send.",
    )
    line_end: Literal["", "LF", "CRLF"] = Field(default="", description="What we write after each segment.")
    request_ta1: bool = Field(default=False, description="`true` asks for a TA1 of what we send (ISA14).")
    usage: Literal["T", "P"] = Field(default="T", description="ISA15 when we send: `T` until the partner is live.")
    acknowledge: Literal["auto", "999", "997", "none"] = Field(
        default="auto", description="Our answer to a functional group; `auto`: 997 to 004010, else 999."
    )
    policy: PolicySection = Field(default_factory=PolicySection, description="What errors of this partner cost.")
    guides: GuidesSection = Field(default_factory=GuidesSection, description="Guides of what we send.")
    payer: tuple[PayerSection, ...] = Field(default=(), description="Payers who are reached through this partner.")
    provider: tuple[ProviderSection, ...] = Field(default=(), description="Who asks, by facility.")

    @model_validator(mode="after")
    def _usable_separators(self) -> Self:
        usable = all(each.isascii() and each.isprintable() and not each.isalnum() for each in self.separators)
        if len(set(self.separators)) < 4 or not usable or " " in self.separators:
            raise ValueError("separators must be four different characters that are no letters, digits or blanks")
        return self

    def partner(self) -> TradingPartner:
        """The same as the readers and writers of X12 take it."""
        given = self.model_dump(exclude={"policy", "guides", "payer", "provider", "line_end"})
        return TradingPartner(
            **given,
            line_end=LINE_ENDS[self.line_end],
            policy=Policy(**self.policy.model_dump()),
            guides=Guides(**self.guides.model_dump()),
            payers=tuple(Payer(**payer.model_dump()) for payer in self.payer),
            providers=tuple(Provider(**provider.model_dump()) for provider in self.provider),
        )

"""Settings of one HL7 v2 feed: what is particular to how it says things (docs/feed-profile.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from gateway.settings.section import Name, Section
from parsers.hl7v2.encoding import read_character_set

EventPattern = Annotated[str, Field(pattern=r"^[A-Z0-9*?]{1,3}(\^[A-Z0-9*?]{1,3})?$")]
FieldPath = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{2}-[0-9]+(\.[0-9]+)?$")]


def _movable(path: str) -> str:
    field = path.partition(".")[0]
    if field in ("PID-3", "MRG-1") or field.startswith("MSH-"):
        raise ValueError("the header, PID-3 and MRG-1 are read before any profile: nothing can be moved there")
    return path


def _known_set(name: str) -> str:
    if read_character_set((name.encode(),), None).problem:
        raise ValueError("unknown character set: use a name of table 0211, such as 8859/1 or UNICODE UTF-8")
    return name


Code = Annotated[str, StringConstraints(to_upper=True, strip_whitespace=True, min_length=1)]
CharacterSetName = Annotated[str, AfterValidator(_known_set)]
Movable = Annotated[FieldPath, AfterValidator(_movable)]


class TranslationSettings(Section):
    """Codes of a feed that stand for those of the table."""

    field: FieldPath = Field(description="Where they stand, such as `PV1-2` or `SCH-25.1`.")
    values: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._/-]+$")]] = Field(
        description='What is sent and what it is read as: `{ INPATIENT = "I" }`.'
    )


class IdentifierRuleSettings(Section):
    """One way to name a patient; both given values must match."""

    authority: str | None = Field(default=None, description="Assigning authority (CX.4) that the identifier must have.")
    type: str | None = Field(
        default=None, description="Identifier type (CX.5, table 0203) that it must have, such as `MR`."
    )


class FeedSection(Section):
    """How to read one feed."""

    character_set: CharacterSetName = Field(default="utf-8", description="Encoding of messages without MSH-18.")
    character_set_from: Literal["message", "channel"] = Field(
        default="message", description="`channel`: `character_set` holds whatever MSH-18 says."
    )
    translate: tuple[TranslationSettings, ...] = Field(
        default=(), description="Codes of this feed that are read as those of the table (class, disposition, status)."
    )
    relocate: tuple[tuple[FieldPath, Movable], ...] = Field(
        default=(),
        description='Pairs of places: the value of the first is read in the second, such as `["ZPV-3", "PV1-36"]`.',
    )
    pick: tuple[tuple[Name, FieldPath], ...] = Field(
        default=(),
        description='Pairs of name and place that go along with every event, such as `["case-manager", "ZPV-4.2"]`.',
    )
    filter_events: tuple[EventPattern, ...] = Field(
        default=(), description="Events to store, answer and filter, such as `ADT^A31` or `SIU^*`."
    )
    structure: Literal["off", "warn", "reject"] = Field(
        default="off",
        description="Check segments and required fields by the structure of the event: note what does not fit, or "
        "park the message.",
    )
    insurance: Literal["full", "partial"] = Field(
        default="full", description="`partial`: the IN1 of a message are some of the patient's; the others stay."
    )
    patient_id: tuple[IdentifierRuleSettings, ...] = Field(
        default=(),
        description="Which repetition of PID-3 keys the patient, in order of preference; empty: MR, PI, then any.",
    )
    encounter_id: tuple[FieldPath, ...] = Field(
        default=("PV1-19", "PID-18"), description="Fields that name the encounter; the first one present counts."
    )
    observation_when: tuple[tuple[FieldPath, str], ...] = Field(
        default=(), description='Pairs of field and value that mean an observation stay, such as `["PV1-18", "OBS"]`.'
    )
    restricted_codes: tuple[Annotated[str, Field(pattern=r"^[A-Z0-9.]{1,8}$")], ...] = Field(
        default=(),
        description='Prefixes of diagnosis codes (DG1-3) that make a stay restricted, such as `["F10", "B20"]`.',
    )
    self_pay_classes: tuple[Code, ...] = Field(
        default=("SP", "SELF", "SELFPAY"), description="Financial classes (PV1-20) of patients without a payer."
    )
    processing_ids: tuple[Code, ...] = Field(
        default=("P",),
        min_length=1,
        description="Accepted values of MSH-11; others are stored, answered and filtered as test messages.",
    )

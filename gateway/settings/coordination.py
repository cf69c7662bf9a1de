"""Settings of the rules: numbers, lists, which rules run, and their exceptions by facility, payer and time."""

from __future__ import annotations

from datetime import date
from typing import Self

import msgspec
from pydantic import Field, field_validator, model_validator

from gateway.coordination.asking.settings import AskingSettings
from gateway.coordination.calendar import holidays_of
from gateway.coordination.changes import CoordinationSettings, Override
from gateway.coordination.rules.registry import BY_ID
from gateway.settings.channels import Name, Section


class CalendarSection(Section):
    """A calendar of business days of your own: another one, with days added and taken out."""

    id: Name = Field(description="Name for `facility.calendar`.")
    base: str = Field(default="us-federal", description="`us-federal`, `weekdays`, or a region such as `US-CA`.")
    closed: tuple[date, ...] = Field(default=(), description="Further days off.")
    open: tuple[date, ...] = Field(default=(), description="Holidays of the base on which you work.")

    @field_validator("base")
    @classmethod
    def _known_base(cls, base: str) -> str:
        try:
            holidays_of(base, 2026)
        except (NotImplementedError, KeyError) as error:
            raise ValueError("no such calendar") from error
        return base

    @property
    def days(self) -> str:
        """The calendar as the rules take it: "us-federal +2026-11-27 -2026-10-12"."""
        words = [self.base, *(f"+{day}" for day in sorted(self.closed)), *(f"-{day}" for day in sorted(self.open))]
        return " ".join(words)


class OverrideSection(Section):
    """Exceptions for one facility, one payer (or both), and a time.  What names more wins, then what began later."""

    facility: str = Field(default="", description="Facility id; empty: all.")
    payer: str = Field(default="", description="Payer id, payer name or plan id; empty: all.")
    since: date | None = Field(default=None, description="First day; empty: always.")
    until: date | None = Field(default=None, description="Last day; empty: for good.")
    set: dict[str, bool | int | str | list[str]] = Field(
        default={}, description="Numbers and lists of `[coordination]` that differ, such as `{ contact_bd = 1 }`."
    )
    enable: tuple[str, ...] = Field(default=(), description="Rules that run here.")
    disable: tuple[str, ...] = Field(default=(), description="Rules that do not run here.")


class CoordinationSection(Section):
    """Numbers of the rules: bd = business days, cd = calendar days, h = hours."""

    contact_bd: int = Field(default=2, ge=0, description="Business days to reach a discharged patient.")
    followup_high_cd: int = Field(default=7, ge=0, description="Days to a follow-up visit after a high-risk discharge.")
    followup_std_cd: int = Field(default=14, ge=0, description="Days to a follow-up visit after other discharges.")
    followup_none_cd: int = Field(
        default=30, ge=0, description="Days looked ahead before a missing follow-up visit is a task."
    )
    tcm_extra_dispositions: tuple[str, ...] = Field(
        default=(), description="Further PV1-36 codes that mean discharged home."
    )
    unbooked_check_h: int = Field(
        default=24, ge=0, description="Hours after discharge before looking for a follow-up visit."
    )
    auth_admit_check_h: int = Field(
        default=12, ge=0, description="Hours after admission before looking for an authorization."
    )
    auth_notice_h: int = Field(default=24, ge=0, description="Hours in which a payer must be told of an admission.")
    auth_expedited_h: int = Field(default=72, ge=0, description="Hours a payer has for an urgent request.")
    auth_standard_cd: int = Field(default=7, ge=0, description="Days a payer has for a standard request.")
    readmit_cd: int = Field(
        default=30, ge=0, description="Days after discharge in which an admission is a readmission."
    )
    verify_valid_cd: int = Field(default=3, ge=0, description="Days for which a coverage answer counts as fresh.")
    p2p_bd: int = Field(default=2, ge=0, description="Business days for a peer-to-peer review after a denial.")
    appeal_file_cd: int = Field(default=60, ge=0, description="Days to file an appeal after a denial.")
    tombstone_h: int = Field(default=72, ge=0, description="Hours for which a cancel waits for what it cancels.")
    update_hold_s: int = Field(
        default=60,
        ge=0,
        le=60,
        description="Seconds for which news of details (A08, A31) waits to be told as one event; 0: each at once.",
    )
    implied_discharge_min: int = Field(
        default=15,
        ge=0,
        description="Minutes after an A08 with a discharge time on an open stay before it counts as the discharge; an "
        "A03 before that is it.",
    )
    office_opens: str = Field(default="08:00", pattern=r"^[0-2]\d:[0-5]\d$", description="Start of the business day.")
    office_closes: str = Field(default="17:00", pattern=r"^[0-2]\d:[0-5]\d$", description="End of the business day.")
    followup_types: tuple[str, ...] = Field(
        default=("FOLLOWUP", "HFU", "FU"), description="Codes of SCH-7, SCH-8 or AIS-3 that mean a follow-up visit."
    )
    followup_location_types: tuple[str, ...] = Field(
        default=("C", "D", "O", "H", "P"), description="Location types (AIL-4) where a follow-up visit can be."
    )
    not_followup_services: tuple[str, ...] = Field(
        default=("LAB", "XR", "CT", "MRI", "US", "IMG", "RAD"),
        description="Codes of SCH-7, SCH-8 or AIS-3 that are no follow-up visit.",
    )
    no_auth_payers: tuple[str, ...] = Field(default=(), description="Payers known to need no inpatient authorization.")
    disabled_rules: tuple[str, ...] = Field(default=(), description="Ids of rules that do not run.")
    enabled_rules: tuple[str, ...] = Field(
        default=(), description="Ids of extended rules that run; docs/rules.md says which are off by default."
    )
    auth_payers: tuple[str, ...] = Field(
        default=(), description="Payers (id, name or plan) known to require authorization of appointments."
    )
    selfpay_wait_h: int = Field(default=4, ge=0, description="Hours after admission before missing cover is a task.")
    obs_warn_h: int = Field(default=20, ge=0, description="Hours of observation before the MOON is asked for.")
    obs_review_h: int = Field(default=24, ge=0, description="Hours of observation before the first status review.")
    obs_second_midnight: bool = Field(
        default=True, description="Second status review at the second midnight; else after `obs_second_h`."
    )
    obs_second_h: int = Field(default=48, ge=0, description="Hours of observation before the second status review.")
    moon_deadline_h: int = Field(default=36, ge=0, description="Hours of observation by which the MOON is delivered.")
    ed_freq_count: int = Field(default=4, ge=2, description="Emergency visits in `ed_freq_cd` that are frequent use.")
    ed_freq_cd: int = Field(default=365, ge=1, description="Days over which emergency visits are counted.")
    ed_return_h: int = Field(default=72, ge=1, description="Hours in which a second emergency visit is a return.")
    rebook_wait_h: int = Field(default=24, ge=0, description="Hours a cancelled visit has to be booked again.")
    auth_lead_bd: int = Field(
        default=10, ge=0, description="Business days before a service at which its authorization is looked for again."
    )
    auth_ends_soon_cd: int = Field(default=14, ge=0, description="Days before its end at which one is extended.")
    outage_wait_h: int = Field(default=24, ge=0, description="Hours a payer may be away before a person is asked.")
    duplicate_cd: int = Field(default=14, ge=0, description="Days within which two bookings of a service are doubled.")
    referral_bd: int = Field(default=5, ge=0, description="Business days a referral has to be booked.")
    responsibility_limit: int = Field(
        default=1000, ge=0, description="Dollars still open for the patient above which an estimate is owed."
    )
    languages: tuple[str, ...] = Field(
        default=("en", "eng", "english"), description="Languages (PID-15) that need no interpreter."
    )
    higher_care_units: tuple[str, ...] = Field(
        default=(), description="Units (PV1-3.1) of intensive or step-down care."
    )
    medicare_plan_types: tuple[str, ...] = Field(
        default=("MA", "MB", "HN", "MEDICARE", "MCR"),
        description="Plan types (IN1-15) and insurance types (EB04) of Medicare and Medicare Advantage.",
    )
    specialist_types: tuple[str, ...] = Field(
        default=("PROCEDURE", "PROC", "SURGERY", "REFERRAL", "SPEC"),
        description="Codes of SCH-7, SCH-8 or AIS-3 that mean a procedure or a referral visit.",
    )
    provider_cancel_reasons: tuple[str, ...] = Field(
        default=("PROVIDER", "PROV", "CLINIC", "RESOURCE"),
        description="Codes of SCH-6 that mean that the provider cancelled.",
    )
    condition_groups: dict[str, tuple[str, ...]] = Field(
        default={}, description="ICD-10-CM prefixes by group, in place of those in docs/rules.md."
    )
    quiet_mrns: tuple[str, ...] = Field(
        default=(), description="Record numbers, or ranges such as `T100-T199`, of patients who make no tasks."
    )
    quiet_names: tuple[str, ...] = Field(default=(), description="Family names of test patients: no tasks.")
    opt_out: tuple[str, ...] = Field(
        default=(), description="Record numbers of patients who want none of `opt_out_types`."
    )
    opt_out_types: tuple[str, ...] = Field(
        default=("outreach", "social"), description="Task types that an opt-out keeps away."
    )
    suppressed_classes: tuple[str, ...] = Field(
        default=(), description="Patient classes (as sent in PV1-2, or ours) that make no tasks."
    )
    site_rules: str = Field(
        default="", description="File or folder with rules of your own (docs/site-rules.md); empty: none."
    )
    override: tuple[OverrideSection, ...] = Field(
        default=(), description="Other numbers for a facility, a payer or a time."
    )

    @model_validator(mode="after")
    def _known_rules(self) -> Self:
        """A rule that is switched on or off exists; a site's own are known only once they are loaded."""
        named = {*self.enabled_rules, *self.disabled_rules}
        for override in self.override:
            named |= {*override.enable, *override.disable}
        unknown = sorted(named - BY_ID.keys())
        if unknown and not self.site_rules:
            raise ValueError(f"no such rule: {', '.join(unknown)} (baton rules list)")
        return self

    @model_validator(mode="after")
    def _known_numbers(self) -> Self:
        """Every `set` of an override names a number of this section and gives it a value of its kind."""
        for position, override in enumerate(self.override):
            unknown = sorted(set(override.set) - NUMBERS)
            if unknown:
                raise ValueError(f"override {position}: {', '.join(unknown)} is no number of a rule")
            plain = {name: value for name, value in self.model_dump().items() if name != "override"}
            type(self).model_validate(plain | override.set)
        return self


NUMBERS = frozenset(CoordinationSection.model_fields) - {"override", "site_rules", "enabled_rules", "disabled_rules"}
"""Settings that an override may give another value."""


def rule_settings(
    section: CoordinationSection,
    *,
    facilities: dict[str, tuple[str, str]],
    default_zone: str,
    stage: str,
    asking: AskingSettings,
) -> CoordinationSettings:
    """What the rules get.  `facilities`: id -> (zone, calendar)."""
    given = {name: value for name, value in section if name in CoordinationSettings.__struct_fields__}
    overrides = tuple(
        Override(
            facility=one.facility,
            payer=one.payer,
            since=one.since.isoformat() if one.since else "",
            until=one.until.isoformat() if one.until else "",
            values=msgspec.to_builtins(one.set),
            enable=one.enable,
            disable=one.disable,
        )
        for one in section.override
    )
    return CoordinationSettings(
        **given, facilities=facilities, default_zone=default_zone, stage=stage, overrides=overrides, asking=asking
    )

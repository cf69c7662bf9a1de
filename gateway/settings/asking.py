"""Settings of our own questions to payers (270, 278)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.coordination.asking.settings import AskingSettings
from gateway.settings.section import Section
from mappings.partners import TradingPartner


class AskingSection(Section):
    """Questions to payers: `baton ask`, the API, and what the gateway asks by itself.  Whom: payers of [[partner]]."""

    automatic: tuple[Literal["admission", "booking", "insurance-changed", "pended"], ...] = Field(
        default=(),
        description="Moments at which the gateway asks partners with usage `P` by itself; empty: never. An answer of "
        "the last `verify_valid_cd` days, or a question that still waits, is enough.",
    )
    service_types: tuple[str, ...] = Field(
        default=("30",), description="Service types (EQ01) of a 270 that names none; `30`: the plan as a whole."
    )
    ladder_minutes: tuple[int, ...] = Field(
        default=(15, 60, 240, 1440),
        description="Minutes until the same question is asked again after AAA 42 or 80 (payer down), by attempt.",
    )
    acknowledgement_minutes: int = Field(
        default=60, ge=1, description="Minutes for a TA1, 999 or answer before a question is sent again."
    )
    answer_hours: int = Field(default=24, ge=1, description="Hours for the answer before a question counts as overdue.")
    per_minute: int = Field(
        default=0, ge=0, le=6000, description="Most questions per minute to one partner's channel; 0: no limit."
    )
    resends: int = Field(
        default=1, ge=0, le=5, description="How often what nobody acknowledged is sent again by itself."
    )

    def asking(self, partners: tuple[TradingPartner, ...]) -> AskingSettings:
        return AskingSettings(partners=partners, **self.model_dump(exclude={"per_minute"}))

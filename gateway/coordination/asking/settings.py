"""What may be asked of payers, and when (settings `[asking]` and `[[partner]]`)."""

from __future__ import annotations

import msgspec

from mappings.partners import Payer, Provider, TradingPartner

ADMISSION, BOOKING, INSURANCE, PENDED = "admission", "booking", "insurance-changed", "pended"


class AskingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`automatic`: moments at which the gateway asks by itself; empty: only when a person or program asks."""

    partners: tuple[TradingPartner, ...] = ()
    automatic: tuple[str, ...] = ()
    service_types: tuple[str, ...] = ("30",)  # EQ01
    ladder_minutes: tuple[int, ...] = (15, 60, 240, 1440)  # after an answer of 42 or 80, by attempt
    acknowledgement_minutes: int = 60  # for a TA1 or 999
    answer_hours: int = 24
    resends: int = 1  # by itself, when nothing came in time

    def route(self, payer_id: str | None, payer_name: str | None = None) -> tuple[TradingPartner, Payer] | None:
        """The partner with a channel who takes questions for this payer: by identifier or alias, else by name."""
        for partner in self.partners:
            if partner.channel:
                for payer in partner.payers:
                    if payer_id and payer_id in (payer.id, *payer.aliases):
                        return partner, payer
        for partner in self.partners:
            if partner.channel and payer_name and not payer_id:
                for payer in partner.payers:
                    if payer.name and payer.name.casefold() == payer_name.casefold():
                        return partner, payer
        return None

    def payer(self, payer_id: str | None) -> str | None:
        """The identifier of the payer whose identifier or alias this is; itself where no partner names it."""
        for partner in self.partners:
            for payer in partner.payers:
                if payer_id in (payer.id, *payer.aliases):
                    return payer.id
        return payer_id


def provider_at(partner: TradingPartner, facility_id: str) -> Provider | None:
    """Who asks this partner for a facility; the only provider there is stands for every facility."""
    found = next((one for one in partner.providers if one.facility == facility_id), None)
    return found or (partner.providers[0] if len(partner.providers) == 1 else None)

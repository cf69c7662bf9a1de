"""Writes one interchange with one group and one set for a trading partner, control numbers left as slots.

Slots `{ISA13}`, `{GS06}`, `{ST02}`: the store fills them when it commits (parsers.x12.acknowledgement).
"""

from __future__ import annotations

import unicodedata
from datetime import datetime

from mappings.partners import TradingPartner

Element = str | tuple[str, ...] | list[str]
"""A value, components (tuple) or repetitions (list)."""

SLOTS = ("{ISA13}", "{GS06}", "{ST02}")


class SetWriter:
    """One transaction set for one partner.  Values are brought into the X12 extended character set and never break out
    of their element; trailing empty elements are left out."""

    def __init__(self, partner: TradingPartner, functional_id: str, set_id: str, guide: str, moment: datetime) -> None:
        """`moment`: local time of the sender, for ISA09/10, GS04/05 and BHT04/05."""
        self._partner = partner
        self._element, self._component, self._repetition, self._terminator = tuple(partner.separators)
        self._functional_id = functional_id
        self._guide = guide
        self._moment = moment
        self._segments: list[str] = []
        self._levels = 0
        self.add("ST", set_id, "{ST02}", guide)

    def add(self, *elements: Element) -> None:
        values = [self._value(one) for one in elements]
        while values[-1] == "":
            values.pop()
        self._segments.append(self._element.join(values))

    def level(self, parent: int, code: str, *, children: bool) -> int:
        """HL; returns its number.  `parent` 0: none."""
        self._levels += 1
        self.add("HL", str(self._levels), str(parent or ""), code, "1" if children else "0")
        return self._levels

    @property
    def date(self) -> str:
        return f"{self._moment:%Y%m%d}"

    @property
    def time(self) -> str:
        return f"{self._moment:%H%M}"

    def body(self) -> bytes:
        """The whole interchange."""
        partner = self._partner
        count = len(self._segments) + 1
        own, theirs = partner.own_application or partner.own_id, partner.application or partner.id
        isa = ["ISA", "00", " " * 10, "00", " " * 10]
        for qualifier, address in ((partner.own_qualifier, partner.own_id), (partner.qualifier, partner.id)):
            isa += [self._fixed(qualifier, 2), self._fixed(address, 15)]
        isa += [f"{self._moment:%y%m%d}", self.time, self._repetition, partner.version, "{ISA13}"]
        isa += ["1" if partner.request_ta1 else "0", self._fixed(partner.usage, 1), self._component]
        gs = ["GS", self._functional_id, self._clean(own)[:15], self._clean(theirs)[:15], self.date, self.time]
        gs += ["{GS06}", "X", self._clean(self._guide)[:12]]
        segments = [
            self._element.join(isa),
            self._element.join(gs),
            *self._segments,
            self._element.join(("SE", str(count), "{ST02}")),
            self._element.join(("GE", "1", "{GS06}")),
            self._element.join(("IEA", "1", "{ISA13}")),
        ]
        end = self._terminator + partner.line_end
        return (end.join(segments) + end).encode("ascii")

    def _fixed(self, text: str, length: int) -> str:
        return self._clean(text)[:length].ljust(length)

    def _value(self, element: Element) -> str:
        if isinstance(element, tuple):
            parts = [self._clean(part) for part in element]
            while len(parts) > 1 and parts[-1] == "":
                parts.pop()
            return self._component.join(parts)
        if isinstance(element, list):
            return self._repetition.join(self._clean(part) for part in element)
        return element if element in SLOTS else self._clean(element)

    def _clean(self, text: str) -> str:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        unsafe = (self._element, self._component, self._repetition, self._terminator, "{", "}")
        return "".join(" " if letter in unsafe or not letter.isprintable() else letter for letter in plain).strip()


def day(text: str | None) -> str:
    """ISO date as CCYYMMDD; empty when there is none."""
    return (text or "")[:10].replace("-", "")


def dates(begins: str | None, ends: str | None) -> tuple[str, str]:
    """(DTP02, DTP03): a day (D8), or a range (RD8) where both ends are known and differ."""
    if ends and begins and ends > begins:
        return "RD8", f"{day(begins)}-{day(ends)}"
    return "D8", day(begins)

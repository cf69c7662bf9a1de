"""What every parser says about bytes that it cannot read, or reads with a doubt."""

from __future__ import annotations

import msgspec


class Oddity(msgspec.Struct, frozen=True):
    """Something odd that was survived.  `text` names places and codes, never a value of the message."""

    severity: str  # error | warning | information
    code: str  # HL7 table 0357 / X12 code where one applies, else a short word
    location: str  # "MSH^1^18", "ISA", "message"
    text: str


class ParseError(Exception):
    """The bytes are no unit of the standard at all.  `oddity` says what is missing and where."""

    def __init__(self, oddity: Oddity) -> None:
        super().__init__(f"{oddity.location}: {oddity.text}")
        self.oddity = oddity

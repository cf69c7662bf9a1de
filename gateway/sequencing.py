"""The sequence number protocol, from the receiver's side (HL7 v2, chapter 2.10.1): MSH-13 says which message of its
sender one is, MSA-4 of the answer which one is expected."""

from __future__ import annotations

import msgspec

from parsers.hl7v2.sequence import RESYNCHRONISE, START

NONE_YET = -1
"""MSA-4 where no number was accepted yet: the next one is taken whatever it is."""

MISFITS = ("gap", "behind")
"""Verdicts upon which a message is refused: kept as rejected `sequence-gap`, `sequence-behind`."""

REPEAT_DIFFERS = "repeat-differs"
"""Said of a unit that has the last number and other bytes than the one before: kept, as a copy of it."""


class Judgement(msgspec.Struct, frozen=True):
    """What a number means behind the last one that was accepted.

    verdict   accepted · start · resynchronise · repeat: the last one once more · behind: one before that · gap: one or
              more are missing before it
    expected  MSA-4 of the answer
    last      the last number accepted, from now on
    """

    verdict: str
    expected: int
    last: int | None


def judge(number: int, last: int | None) -> Judgement:
    """`last`: the last number accepted from this sender; None: none yet, or none since it resynchronised."""
    following = NONE_YET if last is None else last + 1
    if number == START:
        return Judgement("start", following, last)
    if number == RESYNCHRONISE:
        return Judgement("resynchronise", NONE_YET, None)
    if last is None or number == following:
        return Judgement("accepted", number, number)
    if number == last:
        return Judgement("repeat", following, last)
    return Judgement("behind" if number < last else "gap", following, last)

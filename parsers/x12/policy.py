"""What the errors of one partner's interchanges cost: off, a warning, or a rejection, by kind of error.

The envelope is not in here: control numbers that differ, a missing trailer or a tree that nobody can read always
reject, because nobody can say what belongs together.
"""

from __future__ import annotations

import msgspec

OFF, WARN, REJECT = "off", "warn", "reject"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """off: not looked at.  warn: told, in the 999 as E.  reject: told, and the set is rejected (IK5*R).

    Lines of a guide whose status is not `seen` warn at most, whatever stands here.
    """

    segment_count: str = WARN  # SE01
    set_control_number: str = WARN  # ST02 used twice in a group
    segments: str = WARN  # unknown, missing, misplaced or repeated segments and loops
    elements: str = WARN  # missing, surplus, type, length, dates, syntax notes
    codes: str = WARN  # values outside their code list
    situational: str = WARN  # what one value demands of another
    hierarchy: str = WARN  # HL numbers, parents, counts; a tree that cannot be read rejects in any case
    characters: str = WARN  # bytes outside the basic and extended character set
    duplicates: str = "auto"  # same control number, other content: auto rejects requesters' batches, flags answers


LENIENT = Policy()

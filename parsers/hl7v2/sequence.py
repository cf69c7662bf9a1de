"""The sequence number (MSH-13) of a message (chapter 2.10.1).

Numbers count up by one.  Two are no messages: 0 begins a link, and the answer says where to go on; -1 makes the next
number the first one again.  What follows MSH in these two has no content.
"""

from __future__ import annotations

import re

START, RESYNCHRONISE = 0, -1
LINK_ONLY = (START, RESYNCHRONISE)

_NUMBER = re.compile(rb"\+?[0-9]{1,15}|-1")


def read_sequence_number(sent: bytes) -> int | None:
    """MSH-13; None where it is empty or no number of the protocol: such a message takes no part in it."""
    value = sent[:64].strip()
    return int(value) if _NUMBER.fullmatch(value) else None

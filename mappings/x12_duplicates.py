"""A control number that was used before for other content (decision 5 of the project): refused, flagged or let pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mappings.profile import FeedProfile
from parsers.content import Content
from parsers.x12.header import find_headers
from parsers.x12.interchange import FunctionalGroup, Interchange
from parsers.x12.policy import OFF, REJECT, WARN, Policy

MOST_NUMBERS = 1000
"""Interchanges of one body whose control numbers are held against those before them."""

_CODE = "025"  # TA105
_INQUIRY, _REVIEW = "HS", "HI"  # GS01 of a 270; of every 278
_ANSWER = "11"  # BHT02
_TEXT = "ISA13 was used before by this sender, for other content"


def judge_repeated(interchange: Interchange, policy: Policy) -> None:
    """Note the repeated number in the interchange; a requester's is refused by a TA1, an answer is taken and flagged.

    Whoever numbers his answers badly would lose patients' coverage by it: his answers are worth more than his numbers.
    """
    level = policy.duplicates
    if level == "auto":
        level = REJECT if any(_asks(group) for group in interchange.groups) else WARN
    if level == REJECT:
        interchange.reject(_CODE, "ISA*13", _TEXT)
    elif level != OFF:
        interchange.note("warning", f"TA105*{_CODE}", "ISA*13", _TEXT)


def further_numbers(body: Content, profile: FeedProfile) -> Iterator[tuple[int, str, str]]:
    """(place, sender, control number) of the interchanges behind the first, where the channel counts them."""
    if profile.unique_control_numbers:
        for place, header in enumerate(islice(find_headers(body), MOST_NUMBERS), 1):
            if place > 1:
                yield place, header.sender, header.control_number


def _asks(group: FunctionalGroup) -> bool:
    """Whether a group holds requests.  A 278 says so by BHT02; of a group the first set is asked."""
    if group.functional_id != _REVIEW or not group.sets:
        return group.functional_id == _INQUIRY
    segments, _ = group.sets[0].split()
    heading = next((segment for segment in segments[:3] if segment.id == "BHT"), None)
    return heading is not None and heading.text(2) != _ANSWER

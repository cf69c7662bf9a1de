"""One error in a transaction set, as a 999 tells it to the sender and as `baton inspect` tells it to a person."""

from __future__ import annotations

import msgspec

SEEN, DERIVED, UNCONFIRMED = "seen", "derived", "unconfirmed"
MAX_SEGMENT_ERRORS = 100  # per set; a set that repeats one error for ever is told a hundred times


class SegmentError(msgspec.Struct, frozen=True, kw_only=True):
    """One IK3, with its IK4 where an element is to blame.

    kind      which setting of the partner's policy decides what it costs (parsers.x12.policy)
    status    of the guide's line: only `seen` ones may reject (decision 33 of the project)
    trigger   (segment, position, element) that demanded what is missing, for the CTX of a 999
    """

    segment: str
    position: int
    code: str  # IK304
    text: str
    loop: str = ""
    kind: str = "segments"
    status: str = SEEN
    severity: str = "warning"
    element: int = 0
    component: int = 0
    reference: str = ""  # data element number, IK402
    element_code: str = ""  # IK403
    trigger: tuple[str, int, int] | None = None

    @property
    def location(self) -> str:
        """`2110C EB*3 at 14`, `2100C NM1*4-2 at 9`."""
        element = f"*{self.element}" if self.element else ""
        if self.component:
            element += f"-{self.component}"
        return f"{self.loop} {self.segment}{element} at {self.position}".lstrip()

    @property
    def told(self) -> str:
        """The code of X12 that says what is wrong."""
        return f"IK403*{self.element_code}" if self.element_code else f"IK304*{self.code}"

"""The encounter state machine (domain reference 2.1) for A01, A03 to A07, A11 and A13.

A cell names what the message does to an encounter in that state; a trailing `!` adds the warning `state-anomaly`.
    keep              status stays, snapshot fields apply
    preadmitted, inpatient, outpatient, discharged, cancelled    that status
    class             status by patient class (table 0004 with the feed's observation marker)
    correct           second discharge message: corrects the first
    prior             status before the discharge
    revert            A11: the status before a conversion, else cancelled
    reopen            back to life as a new instance, status by the message
    reopen-later      the same when the event happened after the discharge, else `keep!`
    tombstone         nothing known yet: a cancelled encounter that swallows what it cancels
"""

from __future__ import annotations

from mappings.events import CanonicalEvent

OPEN_VISIT = frozenset(("outpatient", "emergency", "observation"))
IN_PROGRESS = OPEN_VISIT | {"inpatient", "on-leave"}
OPEN = IN_PROGRESS | {"preadmitted"}
ENDED = frozenset(("discharged", "expired"))

_COLUMNS = ("A05", "A04", "A01", "A06", "A07", "A03", "A11", "A13")
_ROWS = """
none         preadmitted  class    class         inpatient   class        discharged   tombstone  inpatient!
preadmitted  keep         class    class         inpatient   class        discharged!  cancelled  keep!
visit        keep!        keep     class         inpatient   keep!        discharged   cancelled  keep!
inpatient    keep!        keep!    keep          keep!       class        discharged   revert     keep!
on-leave     keep!        keep!    inpatient!    inpatient!  outpatient!  discharged   cancelled  prior!
ended        keep!        keep!    reopen-later  keep!       keep!        correct      cancelled  prior
cancelled    reopen       reopen   reopen        reopen!     reopen!      keep!        keep       keep!
deleted      reopen!      reopen!  reopen!       keep!       keep!        keep!        keep!      keep!
"""
_TABLE = {
    (row, column): (cell.rstrip("!"), cell.endswith("!"))
    for row, *cells in map(str.split, _ROWS.strip().splitlines())
    for column, cell in zip(_COLUMNS, cells, strict=True)
}
_ROW_OF = dict.fromkeys(OPEN_VISIT, "visit") | dict.fromkeys(ENDED, "ended") | {"": "none"}

_COLUMN_OF_TYPE = {
    "encounter.preadmitted": "A05",
    "encounter.registered": "A04",
    "encounter.admitted": "A01",
    "encounter.class-changed": "A06",
    "encounter.discharged": "A03",
    "encounter.admit-cancelled": "A11",
    "encounter.discharge-cancelled": "A13",
    "encounter.transferred": "A02",
    "encounter.transfer-cancelled": "A12",
}


def column_of(event: CanonicalEvent) -> str:
    """The event's column: a table column, A02, A12, or A08 for every update.

    The trigger tells A06 from A07, and an A01 from an A04 of the same type; elsewhere the type decides, as it holds
    what the mapping found out (an A01 of class preadmit is a pre-admission).
    """
    trigger = event.trigger.rpartition("^")[2]
    if (event.type == "encounter.class-changed" and trigger in ("A06", "A07")) or (
        event.type == "encounter.registered" and trigger == "A01"
    ):
        return trigger
    if event.type == "encounter.class-changed" and event.encounter and event.encounter.class_ != "inpatient":
        return "A07"
    return _COLUMN_OF_TYPE.get(event.type, "A08")


def cell_of(status: str, column: str) -> tuple[str, bool]:
    """(what happens, is it an anomaly) for an encounter in `status` ("" when there is none yet)."""
    return _TABLE.get((_ROW_OF.get(status, status), column), ("keep", False))


def status_of_class(class_: str | None) -> str:
    return class_ if class_ in ("inpatient", "emergency", "observation") else "outpatient"


def status_of_message(column: str, class_: str | None) -> str:
    """Status that a starting or class-changing message gives: by class, inside what its column allows."""
    if column == "A05":
        return "preadmitted"
    if column == "A06" or (column in ("A01", "A02") and class_ is None):
        return "inpatient"
    status = status_of_class(class_)
    return "outpatient" if status == "inpatient" and column in ("A04", "A07") else status

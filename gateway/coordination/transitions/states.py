"""The encounter state machine (domain reference 2.1).

A cell names what the message does to an encounter in that state; a trailing `!` adds the warning `state-anomaly`.
    keep              status stays, snapshot fields apply
    preadmitted, inpatient, outpatient, discharged, cancelled, deleted    that status
    class             status by patient class (table 0004 with the feed's observation marker)
    correct           second discharge message: corrects the first
    prior             status before the discharge, or before the leave
    revert            A11: the status before a conversion, else cancelled
    leave, return     absent, and back: status as before the leave
    withdraw          A27: cancelled, but only the announcement is withdrawn where an A05 stands
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
GONE = frozenset(("cancelled", "deleted"))

_STARTS_AND_CONVERSIONS = ("A05", "A14", "A04", "A01", "A06", "A07")
_STARTS_ROWS = """
none         preadmitted  preadmitted  class    class         inpatient   class
preadmitted  keep         keep         class    class         inpatient   class
visit        keep!        keep         keep     class         inpatient   keep!
inpatient    keep!        keep!        keep!    keep          keep!       class
on-leave     keep!        keep!        keep!    inpatient!    inpatient!  outpatient!
ended        keep!        keep!        keep!    reopen-later  keep!       keep!
cancelled    reopen       reopen       reopen   reopen        reopen!     reopen!
deleted      reopen!      reopen!      reopen!  reopen!       keep!       keep!
"""
_LEAVE_AND_PLANS = ("A21", "A22", "A52", "A53", "A16")
_LEAVE_ROWS = """
none         leave!  inpatient!  class!  leave!  class!
preadmitted  keep!   keep!       keep!   keep!   keep!
visit        keep!   keep!       keep!   keep!   keep
inpatient    leave   keep!       keep!   leave   keep
on-leave     keep    return      return  keep!   keep
ended        keep!   keep!       keep!   keep!   keep!
cancelled    keep!   keep!       keep!   keep!   keep!
deleted      keep!   keep!       keep!   keep!   keep!
"""
_ENDS_AND_CANCELS = ("A03", "A11", "A13", "A38", "A27", "A23")
_ENDS_ROWS = """
none         discharged   tombstone  inpatient!  tombstone  tombstone  deleted
preadmitted  discharged!  cancelled  keep!       cancelled  withdraw   deleted
visit        discharged   cancelled  keep!       keep!      keep       deleted
inpatient    discharged   revert     keep!       keep!      keep       deleted
on-leave     discharged   cancelled  prior!      keep!      keep!      deleted
ended        correct      cancelled  prior       keep!      keep!      deleted
cancelled    keep!        keep       keep!       keep       keep       deleted
deleted      keep!        keep!      keep!       keep!      keep!      keep
"""
_TABLE = {
    (row, column): (cell.rstrip("!"), cell.endswith("!"))
    for columns, rows in (
        (_STARTS_AND_CONVERSIONS, _STARTS_ROWS),
        (_LEAVE_AND_PLANS, _LEAVE_ROWS),
        (_ENDS_AND_CANCELS, _ENDS_ROWS),
    )
    for row, *cells in map(str.split, rows.strip().splitlines())
    for column, cell in zip(columns, cells, strict=True)
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
_COLUMN_OF_TRIGGER = {
    f"ADT^{column}": column
    for column in (
        "A09", "A10", "A14", "A15", "A16", "A21", "A22", "A23", "A25", "A26", "A27", "A32", "A33", "A38", "A52", "A53",
        "A54", "A55", "A61", "A62",
    )
}  # fmt: skip
"""Events that only their trigger tells."""
WITHOUT_A_COLUMN = frozenset(
    ("A02", "A08", "A09", "A10", "A12", "A15", "A25", "A26", "A32", "A33", "A54", "A55", "A61", "A62")
)
"""They never change the status (2.1)."""
_OF_A_BED = frozenset(("A01", "A02", "A15", "A16", "A21", "A22", "A25", "A26", "A52", "A53"))
"""Without a class they are about an inpatient."""


def column_of(event: CanonicalEvent) -> str:
    """The event's column: of the table, of `WITHOUT_A_COLUMN`, or A08 for every other update.

    The trigger tells A06 from A07, and an A01 from an A04 of the same type; elsewhere the type decides, as it holds
    what the mapping found out (an A01 of class preadmit is a pre-admission).
    """
    column = _COLUMN_OF_TRIGGER.get(event.trigger)
    if column is not None:
        return column
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
    if column in ("A05", "A14"):
        return "preadmitted"
    if column == "A06" or (column in _OF_A_BED and class_ is None):
        return "inpatient"
    status = status_of_class(class_)
    return "outpatient" if status == "inpatient" and column in ("A04", "A07") else status

"""Figures for outcomes: what became of discharges, visits, authorizations, eligibility questions and tasks.

Pure: rows of the store in, figures out.  No figure names a patient; a figure of few cases may still point at one, so
`cases` stands beside every rate.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Any

import msgspec

from gateway.store.outcome_rows import OutcomeRows

Row = Mapping[str, Any]

CONTACTED = ("done", "reached", "auto-resolved")
KEPT = ("arrived", "checked-in", "fulfilled")
NOT_BOOKED = ("cancelled", "entered-in-error", "noshow")
ALL = "all"
_NO_INDEX = ("expired", "acute-transfer")
"""Ends of a stay after which nobody can be readmitted, or which another hospital goes on with."""

_DAY = timedelta(days=1)
_AGES = ((1, "under-1-day"), (3, "1-to-3-days"), (7, "3-to-7-days"), (30, "7-to-30-days"))
_OLDEST = "over-30-days"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """`of`: facility, payer, reason code, or queue and age; "all" for everything."""

    measure: str
    of: str
    name: str
    value: float | None
    cases: int


def time_to_contact(tasks: Iterable[Row]) -> list[Figure]:
    """Calls after a discharge: `facility_id`, `discharged_at`, `due_at`, `closed_at`, `business_status`."""

    def figures(of: str, rows: Sequence[Row]) -> list[Figure]:
        reached = [row for row in rows if row["closed_at"] and row["business_status"] in CONTACTED]
        hours = [_hours(row["discharged_at"], row["closed_at"]) for row in reached if row["discharged_at"]]
        in_time = sum(row["closed_at"] <= row["due_at"] for row in reached)
        unable = sum(row["business_status"] == "unable-to-reach" for row in rows)
        return [
            *_spread("time-to-contact", of, "hours", hours),
            _share("time-to-contact", of, "within-deadline", in_time, len(rows)),
            _share("time-to-contact", of, "unable-to-reach", unable, len(rows)),
        ]

    return _grouped(tasks, "facility_id", figures)


def follow_ups(discharges: Iterable[Row], visits: Mapping[str, Sequence[Row]]) -> list[Figure]:
    """Discharges home: `facility_id`, `patient_id`, `discharged_at`; visits by patient: `start_at`, `status`."""

    def booked(row: Row, days: int, *, kept: bool = False) -> bool:
        left: datetime = row["discharged_at"]
        return any(
            visit["start_at"] is not None
            and left < visit["start_at"] <= left + days * _DAY
            and (visit["status"] in KEPT if kept else visit["status"] not in NOT_BOOKED)
            for visit in visits.get(row["patient_id"], ())
        )

    def figures(of: str, rows: Sequence[Row]) -> list[Figure]:
        found = [
            _share("follow-up", of, f"booked-within-{days}-days", sum(booked(row, days) for row in rows), len(rows))
            for days in (7, 14, 30)
        ]
        kept = sum(booked(row, 14, kept=True) for row in rows)
        return [*found, _share("follow-up", of, "kept-within-14-days", kept, len(rows))]

    return _grouped(discharges, "facility_id", figures)


def no_shows(visits: Iterable[Row]) -> list[Figure]:
    """Visits whose time has come: `facility_id`, `status`."""

    def figures(of: str, rows: Sequence[Row]) -> list[Figure]:
        missed = sum(row["status"] == "noshow" for row in rows)
        return [_share("no-show", of, "rate", missed, missed + sum(row["status"] in KEPT for row in rows))]

    return _grouped(visits, "facility_id", figures)


def readmissions(stays: Sequence[Row], since: datetime, until: datetime, days: int = 30) -> list[Figure]:
    """Inpatient stays of the period and after it: `facility_id`, `patient_id`, `inpatient_at`, `discharged_at`,
    `disposition_category`, `planned_readmission`, `newborn`."""
    by_patient: dict[str, list[Row]] = defaultdict(list)
    for stay in stays:
        if stay["inpatient_at"] is not None and not stay["newborn"]:
            by_patient[stay["patient_id"]].append(stay)
    index: list[dict[str, Any]] = []
    for theirs in by_patient.values():
        theirs.sort(key=lambda stay: stay["inpatient_at"])
        for place, stay in enumerate(theirs):
            left = stay["discharged_at"]
            if (
                left is None
                or not since <= left < until
                or stay["disposition_category"] in ("expired", "acute-transfer")
            ):
                continue
            back = theirs[place + 1]["inpatient_at"] if place + 1 < len(theirs) else None
            again = back is not None and back - left <= days * _DAY and not stay["planned_readmission"]
            index.append({"facility_id": stay["facility_id"], "again": again})

    def figures(of: str, rows: Sequence[Row]) -> list[Figure]:
        return [_share("readmission", of, f"within-{days}-days", sum(row["again"] for row in rows), len(rows))]

    return _grouped(index, "facility_id", figures)


def authorizations(rows: Iterable[Row]) -> list[Figure]:
    """Decided ones: `payer_id`, `clock_started_at`, `requested_at`, `decided_at`, `status`, `overturned`, `urgent`."""

    def figures(of: str, decided: Sequence[Row]) -> list[Figure]:
        found: list[Figure] = []
        for name, urgent in (("expedited", True), ("standard", False)):
            chosen = [row for row in decided if row["urgent"] == urgent]
            starts = [(row["clock_started_at"] or row["requested_at"], row["decided_at"]) for row in chosen]
            found += _spread("authorization", of, f"{name}-hours", [_hours(*pair) for pair in starts if pair[0]])
        overturned = sum(row["overturned"] for row in decided)
        denied = overturned + sum(row["status"] == "denied" for row in decided)
        return [
            *found,
            _share("authorization", of, "denied", denied, len(decided)),
            _share("authorization", of, "denials-overturned", overturned, denied),
        ]

    return _grouped(rows, "payer_id", figures)


def eligibility_failures(reasons: Iterable[str]) -> list[Figure]:
    """AAA reason codes of rejected answers, one per rejection."""
    counted: dict[str, int] = defaultdict(int)
    for reason in reasons:
        counted[reason] += 1
    total = sum(counted.values())
    found = (
        [Figure(measure="eligibility-failure", of=ALL, name="rejections", value=total, cases=total)] if total else []
    )
    return found + [
        _share("eligibility-failure", reason, "share", count, total) for reason, count in sorted(counted.items())
    ]


def open_tasks(tasks: Iterable[Row], now: datetime) -> list[Figure]:
    """Open tasks: `queue`, `opened_at`, `due_at`."""
    counted: dict[tuple[str, str], int] = defaultdict(int)
    queues: dict[str, list[Row]] = defaultdict(list)
    for row in tasks:
        age = (now - row["opened_at"]) / _DAY
        name = next((word for days, word in _AGES if age < days), _OLDEST)
        counted[row["queue"], name] += 1
        queues[row["queue"]].append(row)
    found = [
        Figure(measure="open-tasks", of=queue, name=name, value=count, cases=count)
        for (queue, name), count in sorted(counted.items())
    ]
    for queue, rows in sorted(queues.items()):
        found.append(_share("open-tasks", queue, "overdue", sum(row["due_at"] < now for row in rows), len(rows)))
    return found


def all_figures(rows: OutcomeRows, since: datetime, until: datetime, now: datetime) -> list[Figure]:
    """Every measure, in a fixed order."""
    return [
        *time_to_contact(_judged(rows.contacts, now)),
        *follow_ups(rows.discharges, rows.visits_of),
        *no_shows(rows.visits),
        *readmissions(rows.stays, since, until),
        *authorizations(rows.authorizations),
        *eligibility_failures(rows.rejections),
        *open_tasks(rows.open, now),
    ]


def _judged(calls: Iterable[Row], now: datetime) -> list[Row]:
    """Those that were made, or whose time is over; not those whose reason went away."""
    return [
        row
        for row in calls
        if row["business_status"] not in ("retracted", "merged") and (row["closed_at"] or row["due_at"] < now)
    ]


# -- how figures are made ----------------------------------------------------------------------------------------------


def _grouped(rows: Iterable[Row], by: str, figures: Callable[[str, Sequence[Row]], list[Figure]]) -> list[Figure]:
    """For everything, then for each group that is known by name."""
    groups: dict[str, list[Row]] = defaultdict(list)
    everything: list[Row] = []
    for row in rows:
        everything.append(row)
        groups[row[by] or "unknown"].append(row)
    if not everything:
        return []
    return figures(ALL, everything) + [figure for of, held in sorted(groups.items()) for figure in figures(of, held)]


def _share(measure: str, of: str, name: str, part: int, whole: int) -> Figure:
    return Figure(measure=measure, of=of, name=name, value=round(part / whole, 4) if whole else None, cases=whole)


def _spread(measure: str, of: str, name: str, values: Sequence[float]) -> list[Figure]:
    """Median and 90th percentile."""
    if not values:
        return []
    ninth = quantiles(values, n=10, method="inclusive")[8] if len(values) > 1 else values[0]
    pairs = (("median", median(values)), ("p90", ninth))
    return [
        Figure(measure=measure, of=of, name=f"{name}-{word}", value=round(value, 2), cases=len(values))
        for word, value in pairs
    ]


def _hours(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(hours=1)


def as_csv(figures: Iterable[Figure]) -> str:
    """One figure a line under a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Figure.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(figure) for figure in figures)
    return text.getvalue()

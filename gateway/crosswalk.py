"""A cross-walk of patients' numbers: what each of its rows would do (decision 9).  Pure; the API reads and writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.coordination.changes import Adopt, Ask, Link, Silence, Undo
from gateway.lanes import patient_lane
from gateway.store.crosswalk import Number, Owner
from gateway.store.ports import LoadRequest


class Judged(NamedTuple):
    """One row.  `status`: link | known | unknown | conflict; `number`: what is linked to the patient."""

    status: str
    owner: Owner | None = None
    number: Number | None = None


def judge(rows: Sequence[tuple[Number, Number]], owners: Mapping[Number, Owner]) -> Iterator[Judged]:
    """Each row by what is known and what the rows before it link.

    A number that does not name its patient by itself says nothing about the other one, and is nobody else's either."""
    known = dict(owners)
    for row in rows:
        naming = [number for number in row if number in known and known[number].names]
        if not naming:
            yield Judged("unknown")
            continue
        owner = known[naming[0]]
        other = row[1] if naming[0] == row[0] else row[0]
        if other in known and known[other].patient_id != owner.patient_id:
            yield Judged("conflict", owner)
        elif other in known and known[other].names:
            yield Judged("known", owner)
        else:
            known[other] = owner
            yield Judged("link", owner, other)


def lanes_of_number(number: Number, splits: Collection[int]) -> tuple[int, ...]:
    """The lanes in which feeds, whose `split_lanes` these are, bring messages about the number."""
    return tuple(sorted({patient_lane(number.authority, number.value, split) for split in {0, *splits}}))


def needed(question: Ask | Adopt | Undo | Link | Silence) -> LoadRequest:
    """What has to be known for an act on a patient."""
    prior = [question.prior_id] if isinstance(question, Undo) else []
    numbers = [(question.authority, question.value)] if isinstance(question, Link) else []
    return LoadRequest(patient_ids=[question.patient_id, *prior], identifiers=numbers)

"""Whose the numbers of a cross-walk are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import select, tuple_

from gateway.store import schema as s
from gateway.store.core_store import CoreStore

_STEP = 200


class Number(NamedTuple):
    """One identifier of a patient."""

    authority: str
    value: str


class Owner(NamedTuple):
    """Whose a number is.  `names`: it names him by itself."""

    patient_id: str
    facility_id: str
    names: bool


async def owners(store: CoreStore, numbers: Collection[Number]) -> dict[Number, Owner]:
    """Each number that is known, with its patient; of one who was merged the survivor."""
    wanted = sorted(set(numbers))
    found: dict[Number, Owner] = {}
    for start in range(0, len(wanted), _STEP):
        found |= await _owners(store, wanted[start : start + _STEP])
    return found


async def _owners(store: CoreStore, numbers: Sequence[Number]) -> dict[Number, Owner]:
    row, person = s.patient_identifiers.c, s.patients.c
    query = select(row.authority, row.value, row.key, person.patient_id, person.facility_id, person.merged_into)
    joined = query.join(s.patients, person.patient_id == row.patient_id)
    rows = await store.fetch(joined.where(tuple_(row.authority, row.value).in_([tuple(one) for one in numbers])))
    found: dict[Number, Owner] = {}
    for one in rows:
        patient_id, facility_id, merged = one["patient_id"], one["facility_id"], one["merged_into"]
        while merged is not None:
            chosen = select(person.patient_id, person.facility_id, person.merged_into).where(
                person.patient_id == merged
            )
            (survivor,) = await store.fetch(chosen)
            patient_id, facility_id, merged = survivor.values()
        found[Number(one["authority"], one["value"])] = Owner(patient_id, facility_id, bool(one["key"]))
    return found

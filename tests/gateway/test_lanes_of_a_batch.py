"""Which items of a batch may be decided under the lanes that are held (merge protocol, rules 2 and 3)."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.batches import fitting, isolate_suspect, resolve_roots
from gateway.compute.protocol import ItemKeys
from gateway.coordination.records import Patient, PatientIdentifier, Timer
from gateway.store.ports import Loaded, WorkItem
from tests.gateway.store.samples import NOON, identifier, patient, timer


def loaded(*found: Patient | PatientIdentifier | Timer) -> Loaded:
    names = {Patient: "patients", PatientIdentifier: "patient_identifiers", Timer: "timers"}
    rows: dict[str, list[Any]] = {}
    for record in found:
        rows.setdefault(names[type(record)], []).append([getattr(record, name) for name in record.__struct_fields__])
    lanes = {p.patient_id: tuple(map(int, p.lanes_json[1:-1].split(","))) for p in found if isinstance(p, Patient)}
    return Loaded(rows=rows, lanes=lanes)


def item(work_id: int, *lanes: int, **changes: Any) -> WorkItem:
    values: dict[str, Any] = {"work_id": work_id, "journal_id": work_id, "item": 0, "kind": "read", "channel": "adt"}
    values |= {"source_kind": "hl7v2", "received_at": NOON, "attempts": 0, "config_version": 0, "control_id": ""}
    return WorkItem(**values | {"body": b"", "lanes": lanes} | changes)


def key(work_id: int, *values: str) -> ItemKeys:
    return ItemKeys(work_id=work_id, identifiers=[("GH", value) for value in values])


MERGED = loaded(
    patient("a", merged_into="b", lanes_json="[1]"),
    patient("b", merged_into="c", lanes_json="[1,2]"),
    patient("c", lanes_json="[1,2,3]"),
    patient("d", lanes_json="[4]"),
    identifier("A", "a"),
    identifier("D", "d"),
    timer("tmr", patient_id="a"),
)


@pytest.mark.parametrize(
    ("keys", "items", "held", "expected"),
    [
        ([key(1, "A")], [item(1, 1)], {1, 2, 3}, (1, None)),
        ([key(1, "A")], [item(1, 1)], {1, 2}, (0, frozenset({1, 2, 3}))),
        ([key(1, "D"), key(2, "A")], [item(1, 4), item(2, 1)], {1, 4}, (1, frozenset({1, 2, 3}))),
        ([key(1, "new")], [item(1, 9)], {9}, (1, None)),
        ([key(1, "D")], [item(1, 4, 9)], {4}, (0, frozenset({4, 9}))),
        ([key(1)], [item(1, 1, kind="timer", body=b"tmr")], {1}, (0, frozenset({1, 2, 3}))),
        ([key(1)], [item(1, 1, kind="timer", body=b"gone")], {1}, (1, None)),
        ([key(1, "A")], [item(1, 1)], set(), (1, None)),
    ],
)
def test_batch_is_cut_before_the_first_item_that_needs_a_lane_not_held(
    keys: list[ItemKeys], items: list[WorkItem], held: set[int], expected: tuple[int, frozenset[int] | None]
) -> None:
    assert fitting(keys, items, MERGED, frozenset(held)) == expected


def test_identifier_and_timer_of_a_merged_patient_resolve_to_the_survivor() -> None:
    assert resolve_roots(MERGED) == {("GH", "A"): "c", ("GH", "D"): "d", ("", "tmr"): "c"}


def test_roots_of_patients_merged_in_a_circle_are_found_in_bounded_time() -> None:
    circle = loaded(patient("a", merged_into="b"), patient("b", merged_into="a"), identifier("A", "a"))
    assert resolve_roots(circle)["GH", "A"] in ("a", "b")


@pytest.mark.parametrize(("attempts", "taken"), [((0, 0, 0), 3), ((0, 1, 0), 1), ((1, 0, 0), 1), ((), 0)])
def test_item_that_was_tried_before_runs_alone(attempts: tuple[int, ...], taken: int) -> None:
    items = [item(n, 1, attempts=tried) for n, tried in enumerate(attempts, 1)]
    assert list(isolate_suspect(items)) == items[:taken]

"""The mark of a restricted patient or stay goes with every event about it, of tasks too."""

from __future__ import annotations


def marks(changes) -> dict[str, bool]:
    return {event.type: event.restricted for made in changes for event in made.emitted}


def test_task_of_a_restricted_stay_is_published_as_restricted(bench) -> None:
    bench.hear(bench.admit("2026-07-07 09:00", restricted=True, coverages=bench.insurance()))
    found = marks([*bench.changes, *bench.wait("2026-07-08 12:00")])
    assert found["encounter.admitted"] and found["task.created"]
    assert not found["patient.created"]  # the stay is protected, not who he is


def test_everything_about_a_restricted_patient_is_published_as_restricted(bench) -> None:
    patient = bench.event("x", "ADT^A01", "2026-07-07 09:00").patient
    bench.hear(bench.admit("2026-07-07 09:00", patient=type(patient)(key=patient.key, family="DOE", restricted=True)))
    assert all(marks([*bench.changes, *bench.wait("2026-07-08 12:00")]).values())


def test_what_is_not_restricted_is_not_marked(bench) -> None:
    bench.hear(bench.admit("2026-07-07 09:00", coverages=bench.insurance()))
    assert not any(marks([*bench.changes, *bench.wait("2026-07-08 12:00")]).values())

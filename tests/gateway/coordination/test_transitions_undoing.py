"""A wrong merge or move is taken back: what came goes back, what cannot is said (domain reference 2.3 e)."""

from __future__ import annotations

import msgspec

from gateway.coordination.changes import Cause, Changes, Undo
from gateway.coordination.decide import decide
from gateway.coordination.records import Merge
from gateway.coordination.scope import Scope
from mappings.events import CanonicalEvent, Identifier, IdentityFacts, PatientFacts
from tests.gateway.coordination.transition_builders import ACME, PROFILE, SETTINGS, World, adt, after, person, siu, stay

A, B, C = (person(number, family="TESTER") for number in ("900001", "900002", "900003"))


class Charts(World):
    """Like `World`, with the rules, and with people who undo."""

    def decided(self, event: CanonicalEvent) -> Changes:
        self.count += 1
        scope = self.state.scope_of(event, PROFILE)
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=event.recorded_at, lanes=(3,))
        changes = decide(scope, event, cause, event.recorded_at, SETTINGS, b"salt")
        self.state.absorb(scope)
        return changes

    def undo(self, entry: Merge) -> Changes:
        undo = Undo(
            merge_id=entry.merge_id, merge_trigger=entry.trigger, patient_id=entry.survivor_id, prior_id=entry.prior_id,
            moved_json=entry.moved_json, actor="jdoe", reason="two people",
        )  # fmt: skip
        scope = Scope(subject=self.state.patients[entry.survivor_id])
        if entry.prior_id != entry.survivor_id:
            scope.others[entry.prior_id] = self.state.patients[entry.prior_id]
        cause = Cause(message_id=entry.merge_id, origin=f"undo.{entry.merge_id}", channel="api", received_at=after(90))
        changes = decide(scope, undo, cause, after(90), SETTINGS, b"salt")
        self.state.absorb(scope)
        return changes


def merged() -> tuple[Charts, Merge]:
    """B, discharged home with a booking and cover, merged into A, who is in a bed."""
    charts = Charts()
    charts.decided(adt("A01", patient=A, encounter=stay("V1", class_="inpatient")))
    charts.decided(adt("A01", patient=B, coverages=(ACME,), encounter=stay("V2", class_="inpatient")))
    charts.decided(adt("A03", 2, patient=B, encounter=stay("V2", disposition="01", disposition_category="home")))
    charts.decided(siu("S12", 3, patient=B))
    (entry,) = charts.decided(adt("A40", 4, patient=A, prior=(B,), encounter=None)).merges
    return charts, entry


def test_undone_merge_gives_back_all_that_came_with_it() -> None:
    charts, entry = merged()
    a = charts.home(A)
    came = {
        task.task_id
        for task in a.tasks.values()
        if "V2" in str(a.encounters.get(task.encounter_id or "")) and task.open
    }
    changes = charts.undo(entry)
    assert changes.outcome == "processed"
    a, b = charts.home(A), charts.home(B)
    assert a is not b and b.patient.active and b.patient.merged_into is None
    assert [one.visit_number for one in a.encounters.values()] == ["V1"]
    assert [one.visit_number for one in b.encounters.values()] == ["V2"]
    assert len(b.appointments) == len(b.coverages) == 1 and not a.coverages
    assert came and came <= b.tasks.keys()
    for home in (a, b):
        for record in [
            *home.encounters.values(),
            *home.tasks.values(),
            *home.timers.values(),
            *home.coverages.values(),
        ]:
            assert record.patient_id == home.patient.patient_id
    assert all(
        b.patient.patient_id in task.task_key or a.patient.patient_id not in task.task_key for task in b.tasks.values()
    )


def test_undone_merge_is_told_to_both_and_journalled() -> None:
    charts, entry = merged()
    changes = charts.undo(entry)
    told = [event for event in changes.emitted if event.type == "patient.unmerged"]
    assert [event.patient_id for event in told] == [entry.survivor_id, entry.prior_id]
    assert told[0].data["restored"] == entry.prior_id
    (row,) = changes.merges
    assert row.trigger == f"undo:{entry.merge_id}" and "jdoe" in row.message_id


def test_messages_after_the_undo_find_the_restored_record() -> None:
    charts, entry = merged()
    charts.undo(entry)
    charts.decided(adt("A08", 95, patient=person("900002", phone="555-2"), encounter=stay("V2")))
    assert charts.home(B).patient.phone == "555-2" and charts.home(A).patient.phone is None


def test_what_came_since_the_merge_stays_and_is_said() -> None:
    charts, entry = merged()
    charts.decided(adt("A04", 10, patient=B, encounter=stay("V9", class_="outpatient")))
    changes = charts.undo(entry)
    assert "V9" in [one.visit_number for one in charts.home(A).encounters.values()]
    told = next(event for event in changes.emitted if event.type == "patient.unmerged")
    assert any("since the merge" in line for line in told.data["left"])


def test_undo_twice_or_of_an_undo_is_refused() -> None:
    charts, entry = merged()
    (row,) = charts.undo(entry).merges
    again = charts.undo(entry)
    assert (again.outcome, again.reason) == ("filtered", "conflict: there is nothing to undo")
    assert again.upserts == []
    assert charts.undo(row).outcome == "filtered"


def test_undo_behind_a_later_merge_is_refused() -> None:
    charts, entry = merged()
    charts.decided(adt("A28", 5, patient=C))
    (later,) = charts.decided(adt("A40", 6, patient=C, prior=(A,), encounter=None)).merges
    refused = charts.undo(entry)
    assert refused.outcome == "filtered" and "merged on" in str(refused.reason)
    charts.undo(later)
    assert charts.undo(entry).outcome == "processed"


def test_move_of_an_account_is_undone_too() -> None:
    charts = Charts()
    charts.decided(adt("A28", patient=A))
    charts.decided(adt("A01", 1, patient=B, encounter=stay("V2", class_="inpatient", account_number="K2")))
    event = msgspec.structs.replace(
        adt("A44", 2, patient=A, prior=(B,), encounter=None), identity=IdentityFacts(old_account="K2", account="K2")
    )
    (entry,) = charts.decided(event).merges
    assert not charts.home(B).encounters
    assert charts.undo(entry).outcome == "processed"
    assert not charts.home(A).encounters and len(charts.home(B).encounters) == 1


def test_death_that_came_with_a_stay_goes_back_with_it() -> None:
    charts = Charts()
    charts.decided(adt("A28", patient=A))
    charts.decided(adt("A01", 1, patient=B, encounter=stay("V2", class_="inpatient")))
    charts.decided(adt("A03", 2, patient=B, encounter=stay("V2", disposition="20", disposition_category="expired")))
    (entry,) = charts.decided(adt("A40", 4, patient=A, prior=(B,), encounter=None)).merges
    assert charts.home(A).patient.deceased_source is not None
    charts.undo(entry)
    assert charts.home(A).patient.deceased_source is None and charts.home(B).patient.deceased_source is not None


# -- A42 ---------------------------------------------------------------------------------------------------------------


def joined(patient_of_prior: PatientFacts = A) -> tuple[Charts, Merge]:
    """V1, from an emergency visit, merged into the inpatient stay V2 of A."""
    charts = Charts()
    charts.decided(adt("A04", patient=patient_of_prior, encounter=stay("V1", class_="emergency", account_number="K1")))
    charts.decided(adt("A01", 3, patient=A, encounter=stay("V2", class_="inpatient")))
    facts = IdentityFacts(
        old_visit=Identifier(value="V1", authority="GENHOSP"), visit=Identifier(value="V2", authority="GENHOSP")
    )
    prior = (patient_of_prior,) if patient_of_prior is not A else ()
    event = adt("A42", 4, patient=A, prior=prior, encounter=None)
    (entry,) = charts.decided(msgspec.structs.replace(event, type="encounter.merged", identity=facts)).merges
    return charts, entry


def test_undone_visit_merge_makes_two_stays_again_as_they_were() -> None:
    charts, entry = joined()
    assert (entry.survivor_id, entry.trigger) == (entry.prior_id, "ADT^A42")
    merged_stay = next(one for one in charts.home(A).encounters.values() if one.visit_number == "V2")
    assert merged_stay.account_number == "K1" and '"V1"' in merged_stay.aliases_json
    changes = charts.undo(entry)
    assert changes.outcome == "processed"
    stays = {one.visit_number: one for one in charts.home(A).encounters.values()}
    assert (stays["V1"].status, stays["V1"].merged_into, stays["V1"].account_number) == ("emergency", None, "K1")
    assert (stays["V2"].status, stays["V2"].account_number, stays["V2"].aliases_json) == ("inpatient", None, "[]")
    assert stays["V2"].started_at == after(3)
    ids = {one.encounter_id for one in stays.values()}
    for task in charts.home(A).tasks.values():
        assert all(other not in task.task_key for other in ids - {task.encounter_id})
    charts.decided(adt("A03", 5, patient=A, encounter=stay("V1", disposition="01", disposition_category="home")))
    stays = {one.visit_number: one.status for one in charts.home(A).encounters.values()}
    assert stays == {"V1": "discharged", "V2": "inpatient"}
    assert charts.undo(entry).reason == "conflict: there is nothing to undo"


def test_undone_visit_merge_keeps_what_was_said_since_and_tells_it() -> None:
    charts, entry = joined()
    charts.decided(adt("A08", 5, patient=A, encounter=stay("V2", class_="inpatient", account_number="K9")))
    charts.undo(entry)
    stays = {one.visit_number: one for one in charts.home(A).encounters.values()}
    assert (stays["V1"].account_number, stays["V2"].account_number) == ("K1", "K9")


def test_undone_visit_merge_across_patients_gives_the_stay_back() -> None:
    charts, entry = joined(B)
    assert entry.survivor_id != entry.prior_id and not charts.home(B).encounters
    assert charts.undo(entry).outcome == "processed"
    assert [one.visit_number for one in charts.home(A).encounters.values()] == ["V2"]
    (stay_of_b,) = charts.home(B).encounters.values()
    assert (stay_of_b.visit_number, stay_of_b.status, stay_of_b.patient_id) == (
        "V1", "emergency", charts.home(B).patient.patient_id,
    )  # fmt: skip

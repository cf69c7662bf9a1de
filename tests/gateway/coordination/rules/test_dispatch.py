"""Running rules: which are called, what a failing one harms, timers that are gone, and the rules' document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.coordination import rules
from gateway.coordination.changes import Cause, CoordinationSettings, Ids, Override, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.draft import Draft
from gateway.coordination.rules.declaration import Rule
from gateway.coordination.rules.describe import module_of, proof_of, rules_markdown
from gateway.coordination.rules.registry import BY_ID, RULES, Catalogue
from gateway.coordination.scope import Scope

OPENING_NOTHING = {"task-overdue-escalate", "assignee-absent-reassign"}
CORE = {
    "discharge-contact-2bd", "discharge-followup-unbooked", "followup-outside-window", "followup-no-show",
    "followup-not-completed", "notify-pcp-admission", "discharge-info-to-pcp", "no-pcp-on-file",
    "med-reconciliation-30d", "discharge-to-facility-handoff", "discharge-home-health", "ama-discharge",
    "discharge-pending", "expected-discharge-approaching", "medicare-notice-im", "obs-24h-moon",
    "obs-48h-status", "level-of-care-changed", "inpatient-admit-no-auth", "continued-stay-review",
    "auth-required-not-on-file", "auth-pended-aging", "auth-info-requested", "auth-denied",
    "auth-partial-or-modified", "auth-contact-payer", "auth-rejected-aaa", "auth-expiring-before-appointment",
    "auth-units-exhausted", "verify-coverage-on-admit", "coverage-inactive-upcoming",
    "coverage-ending-before-service", "eligibility-rejected", "coverage-changed", "other-payer-found",
    "self-pay-admission", "readmission-30d", "ed-frequent-use", "fmc-followup", "fum-fua-followup",
    "fuh-followup", "appointment-no-show", "appointment-cancelled-no-rebook", "appointment-resource-lost",
    "patient-merged-open-tasks", "identity-conflict", "death-cancels-tasks", "unmatched-message",
    "patient-deactivated-review",
}  # fmt: skip
"""The 45 of domain reference 6.2, its 39 as three, the one of 6.3 that is on by default, and that of A29 (2.2)."""
EXTENDED = {
    "notify-pcp-discharge", "transfer-to-higher-care", "los-exceeds-estimate", "leave-overdue", "attending-changed",
    "pcp-changed", "family-contact-missing", "interpreter-needed", "interpreter-needed-inpatient",
    "social-risk-screen", "referral-without-appointment", "appointment-unconfirmed-pending",
    "appointment-outcome-unknown", "auth-service-mismatch", "appeal-deadline-approaching", "benefit-limit-near",
    "high-patient-responsibility", "allergy-changed-active-plan", "preadmit-not-arrived", "patient-unlinked-review",
    "duplicate-service-booked", "final-diagnosis-missing", "family-meeting", "feed-silent", "waitlist-slot-opened",
    *OPENING_NOTHING,
}  # fmt: skip
"""6.3 without the one that is on; interpreter-needed as two."""


def test_every_rule_is_declared_once_and_completely() -> None:
    assert {rule.id for rule in RULES if not rule.extended} == CORE and len(CORE) == 49
    assert {rule.id for rule in RULES if rule.extended} == EXTENDED
    assert len(BY_ID) == len(RULES)
    known = set(CoordinationSettings.__struct_fields__)
    for rule in RULES:
        texts = (rule.trigger, rule.task, rule.due, rule.resolves, rule.retracts, rule.escalates, rule.key, rule.basis)
        assert all(texts), rule.id
        assert rule.priority in ("routine", "urgent", "asap", "stat") or rule.id in OPENING_NOTHING
        assert set(rule.settings) <= known, rule.id
        acts = rule.look or rule.about or rule.ripe
        assert (acts is None) == (rule.id in ("unmatched-message", "feed-silent") or rule.id in OPENING_NOTHING), (
            rule.id
        )


def test_every_clock_is_named_by_the_rule_that_asks_for_it() -> None:
    numbers = {
        name for name in CoordinationSettings.__struct_fields__
        if name.endswith(("_h", "_cd", "_bd")) and name not in ("tombstone_h", "update_hold_h")
    }  # fmt: skip
    assert numbers - {name for rule in RULES for name in rule.settings} == set()


def test_document_holds_every_rule() -> None:
    text = rules_markdown()
    assert text.endswith("\n")
    for rule in RULES:
        assert f"## {rule.id}\n" in text and rule.task in text


def test_a_reader_finds_the_code_and_the_proof_of_every_rule_by_its_id() -> None:
    root = Path(__file__).parents[4]
    for rule in RULES:
        code = (root / module_of(rule)).read_text()
        assert f'"{rule.id}"' in code or rule.id in OPENING_NOTHING, f"{rule.id} is not declared in {module_of(rule)}"
        named = rule.id in (root / proof_of(rule)).read_text() or rule.id in OPENING_NOTHING
        assert named, f"{rule.id} is not named in {proof_of(rule)}"


@pytest.fixture
def with_a_failing_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rule]:
    def explode(draft: Draft) -> None:
        raise ValueError("a value that nobody may see")

    def explode_late(draft: Draft, fired: TimerFired) -> None:
        raise ValueError("a value that nobody may see")

    contact = BY_ID["discharge-contact-2bd"]
    broken = msgspec.structs.replace(contact, look=explode, fire=explode_late)
    changed = tuple(broken if rule is contact else rule for rule in RULES)
    monkeypatch.setattr(rules, "CATALOGUE", Catalogue(changed))
    yield broken


def test_a_rule_that_raises_is_recorded_and_the_others_run(bench, with_a_failing_rule: Rule) -> None:
    scope = Scope()
    made = []
    for event in (bench.admit("2026-06-29 09:00"), bench.discharge("2026-07-02 14:10", readmission=True)):
        cause = Cause(message_id=f"m-{len(made)}", received_at=event.recorded_at, lanes=(1,))
        made.append(decide(scope, event, cause, event.recorded_at, bench.settings, b"salt"))
    assert [(f.rule_id, f.error) for f in made[-1].failures] == [("discharge-contact-2bd", "ValueError")]
    assert {t.rule_id for t in scope.subject.tasks.values()} >= {"discharge-followup-unbooked"}


def test_disabled_rule_does_not_run(make_bench) -> None:
    bench = make_bench(disabled_rules=("discharge-contact-2bd",))
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    assert bench.tasks("discharge-contact-2bd") == []


def test_historical_messages_and_loading_channels_make_no_tasks(make_bench) -> None:
    loading, archive = make_bench(stage="load"), make_bench()
    loading.hear(loading.admit("2026-06-29 09:00", coverages=loading.insurance()))
    loading.hear(loading.discharge("2026-07-02 14:10"))
    for event in (archive.admit("2026-06-29 09:00"), archive.discharge("2026-07-02 14:10")):
        archive.hear(msgspec.structs.replace(event, historical=True))
    assert loading.tasks() + archive.tasks() == []
    assert loading.timers() + archive.timers() == []


def test_timer_that_is_gone_or_was_moved_does_nothing(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    (check,) = [t for t in bench.timers() if t.rule_id == "discharge-followup-unbooked"]
    earlier = msgspec.structs.replace(check, fire_at=bench.local("2026-07-02 15:00"))
    assert bench.fire(earlier).upserts == []
    unknown = msgspec.structs.replace(check, timer_id="tmr_none")
    assert (bench.fire(unknown).upserts, bench.changes[-1].deleted_timers) == ([], ["tmr_none"])
    assert check.timer_id in bench.subject.timers


def test_fired_timer_is_deleted_and_runs_once(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    (check,) = [t for t in bench.timers() if t.rule_id == "discharge-followup-unbooked"]
    bench.now = check.fire_at
    assert bench.fire(check).deleted_timers == [check.timer_id]
    assert bench.fire(check).upserts == []


def test_timer_of_a_rule_that_no_longer_exists_is_dropped(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    (check,) = [t for t in bench.timers() if t.rule_id == "discharge-followup-unbooked"]
    bench.subject.timers[check.timer_id] = msgspec.structs.replace(check, rule_id="gone")
    assert bench.fire(bench.subject.timers[check.timer_id]).deleted_timers == [check.timer_id]


def test_run_rules_without_a_patient_does_nothing(bench) -> None:
    cause = Cause(message_id="m-1", received_at=bench.now)
    draft = Draft(Scope(), bench.admit("2026-06-29 09:00"), cause, bench.now, bench.settings, Ids(b"s", cause))
    rules.run_rules(draft)
    assert draft.changes().upserts == []


def test_tasks_carry_no_name_and_a_message_for_every_fact(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00", coverages=bench.insurance()))
    bench.hear(bench.discharge("2026-07-02 14:10"))
    bench.wait("2026-07-04 00:00")
    assert bench.tasks()
    for task in bench.tasks():
        assert "DOE" not in task.reason + task.evidence_json + task.title
        assert all(fact["message_id"] for fact in msgspec.json.decode(task.evidence_json))


def test_parked_gap_is_said_on_new_tasks(bench) -> None:
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.subject.patient = msgspec.structs.replace(bench.subject.patient, gap_since="m-77")
    bench.hear(bench.discharge("2026-07-02 14:10"))
    assert "m-77" in bench.task("discharge-contact-2bd").reason


def test_the_same_history_gives_the_same_ids(make_bench) -> None:
    found = []
    for bench in (make_bench(), make_bench()):
        bench.hear(bench.admit("2026-06-29 09:00", coverages=bench.insurance()))
        bench.hear(bench.discharge("2026-07-02 14:10"))
        bench.wait("2026-07-04 00:00")
        found.append(([t.task_id for t in bench.tasks()], sorted(t.timer_id for t in bench.timers())))
    assert found[0] == found[1]


def test_whoever_asks_is_told_what_every_rule_made_of_a_message(make_bench) -> None:
    bench, quiet = make_bench(), make_bench(quiet_mrns=("1000-1999",))
    for one in (bench, quiet):
        one.hear(one.admit("2026-06-29 09:00"))
    told = {one.rule_id: one for one in bench.ask(bench.discharge("2026-07-02 14:10"))}
    assert told["discharge-contact-2bd"].outcome == "opened"
    assert told["patient-merged-open-tasks"].because == "what triggers it did not happen"
    assert told["auth-denied"].because == "what triggers it did not happen"
    assert set(told) == {rule.id for rule in RULES}
    silenced = {one.rule_id: one.because for one in quiet.ask(quiet.discharge("2026-07-02 14:10"))}
    assert silenced["discharge-contact-2bd"] == "the patient is on the quiet list"
    assert quiet.tasks() == []


def test_overrides_change_numbers_and_rules_for_a_facility_and_a_time(make_bench) -> None:
    here = Override(facility="main", since="2026-07-01", until="2026-12-31", values={"contact_bd": 1})
    off = Override(facility="main", since="2026-08-01", disable=("discharge-contact-2bd",))
    elsewhere = Override(facility="other", values={"contact_bd": 9})
    bench = make_bench(overrides=(elsewhere, here, off))
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-06 14:10"))
    assert bench.task("discharge-contact-2bd").due_at == bench.local("2026-07-07 23:59:59")
    bench.hear(bench.admit("2026-08-03 09:00", "V2"))
    bench.hear(bench.discharge("2026-08-06 14:10", "V2"))
    assert len(bench.tasks("discharge-contact-2bd")) == 1


def test_opt_out_keeps_outreach_away_and_nothing_else(make_bench) -> None:
    bench = make_bench(opt_out=("1001",))
    bench.hear(bench.admit("2026-06-29 09:00"))
    bench.hear(bench.discharge("2026-07-02 14:10", readmission=True))
    assert "discharge-contact-2bd" not in bench.open_rules()
    assert "discharge-followup-unbooked" in bench.open_rules()

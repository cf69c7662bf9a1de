"""A rule that is not called (`Rule.hears`) could have done nothing: every decision is made twice, the second time with a
reader who asks what each rule made of it, for whom none is left out."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.coordination import rules as running
from gateway.coordination import transitions
from gateway.coordination.changes import Cause, Changes, Considered, CoordinationSettings, Ids, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.draft import MERGE, Draft
from gateway.coordination.rules import registry
from gateway.coordination.rules.declaration import default_steps, next_step
from gateway.coordination.rules.registry import BY_ID, RULES, Catalogue
from gateway.coordination.rules.signs import SIGNS
from scripts.event_catalogue import EVENT_TYPES
from tests.gateway.coordination.rules.conftest import Bench
from tests.gateway.coordination.rules.test_random_sequences import ALL, AllFamilies, day


class TwiceDecided(Bench):
    """Decides beside a copy of the state on which every rule looks."""

    def _decide(self, stimulus: Any, considered: list[Considered] | None = None) -> Changes:
        self.scope = copy.deepcopy(self.scope)  # the indexes of both are filled in the same order
        scope = copy.deepcopy(self.scope)
        made = super()._decide(stimulus, considered)
        whole = decide(scope, stimulus, self.cause_of(stimulus), self.now, self.settings, b"salt", [])
        assert msgspec.to_builtins(made) == msgspec.to_builtins(whole)
        assert msgspec.to_builtins(self.scope) == msgspec.to_builtins(scope)
        return made


class InAnyHistory(AllFamilies):
    make_bench = TwiceDecided


InAnyHistory.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate],
)
TestInAnyHistory = InAnyHistory.TestCase


@pytest.mark.parametrize("turn", [0, 7, 19, -1])
@pytest.mark.parametrize("extended", [False, True])
def test_a_busy_fortnight_decided_with_and_without_the_uncalled_rules_is_the_same(
    monkeypatch: pytest.MonkeyPatch, turn: int, extended: bool
) -> None:
    first, *others = RULES
    order = others[::-1] if turn < 0 else [*others[turn:], *others[:turn]]
    monkeypatch.setattr(running, "CATALOGUE", Catalogue((first, *order)))
    bench = TwiceDecided(enabled_rules=ALL if extended else ())
    day(bench)
    assert len({task.rule_id for task in bench.tasks()}) > 15


def test_an_admission_calls_no_rule_about_discharges(make_bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    consider = running._consider

    def note(draft: Any, rule: Any, on: bool) -> None:
        called.append(rule.id)
        consider(draft, rule, on)

    monkeypatch.setattr(running, "_consider", note)
    bench = make_bench()
    bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance()))
    assert {"verify-coverage-on-admit", "readmission-30d"} <= set(called)
    assert not {"discharge-contact-2bd", "med-reconciliation-30d", "family-contact-missing"} & set(called)
    bench.hear(bench.discharge("2026-07-02 14:10"))
    assert {"discharge-contact-2bd", "med-reconciliation-30d"} <= set(called)


def test_a_rule_that_hears_something_says_which_transitions_or_records() -> None:
    for rule in RULES:
        records = {kind for kind in rule.hears or () if not isinstance(kind, str)}
        assert records <= set(rule.watches), f"{rule.id} hears of records that it does not watch"


def test_what_a_rule_hears_is_said_by_transitions_events_or_signs() -> None:
    said = (
        set(re.findall(r"[a-z-]+", transitions.__doc__ or "")) | {event.type for event in EVENT_TYPES} | SIGNS | {MERGE}
    )
    for rule in RULES:
        words = {kind for kind in rule.hears or () if isinstance(kind, str)}
        assert words <= said, f"{rule.id} hears of something that nobody says"


def test_rules_are_kept_for_so_many_sets_of_news_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MOST_HEARD", 2)
    catalogue, settings_ = Catalogue(RULES), CoordinationSettings()
    alone = [catalogue.hearing(settings_, {sign}) for sign in sorted(SIGNS)]
    assert alone == [Catalogue(RULES).hearing(settings_, {sign}) for sign in sorted(SIGNS)]
    assert len(set(alone)) > 2
    assert catalogue.hearing(CoordinationSettings(enabled_rules=ALL), set()) > catalogue.hearing(settings_, set())


@settings(max_examples=50, deadline=None)
@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)))
def test_the_first_default_step_is_the_due_time_whenever_that_is(due_at: datetime) -> None:
    bench = Bench()
    bench.hear(bench.admit("2026-07-01 09:00", coverages=bench.insurance()))
    task = msgspec.structs.replace(bench.task("verify-coverage-on-admit"), due_at=due_at, escalations=0)
    cause = Cause(message_id="m-9", received_at=bench.now)
    draft = Draft(
        bench.scope, TimerFired(timer=bench.timers()[0]), cause, bench.now, bench.settings, Ids(b"salt", cause)
    )
    steps = default_steps(draft, task)
    assert min(steps, key=lambda step: step.at) == next_step(draft, BY_ID[task.rule_id], task)
    assert {step.kind for step in steps if step.at > due_at} == {"lead"}

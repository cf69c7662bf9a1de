"""authorization.expiring, expired and exhausted: told by timers and visits, once each (domain reference 5.4, 7.2)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.coordination.changes import Changes, Emitted
from gateway.coordination.terms import TERM

MRI = {"service": "70551", "reason": "MRI", "type": "IMG"}
TOLD = ("authorization.expiring", "authorization.expired", "authorization.exhausted")


@pytest.fixture(autouse=True)
def known(bench) -> None:
    bench.hear(bench.event("patient.updated", "ADT^A31", "2026-07-01 08:00", coverages=bench.insurance()))


def grant(bench, at: str = "2026-07-02 09:00", status: str = "certified", **facts: object) -> list[Emitted]:
    given = {"request_category": "HS", "service_type": "70551", "number": "A1", "effective_on": "2026-07-01", **facts}
    return told(bench.hear(bench.decision(at, status, **given)))


def told(*changes: Changes) -> list[Emitted]:
    return [event for one in changes for event in one.emitted if event.type in TOLD]


def timers(bench) -> list[tuple[str, str]]:
    return sorted((timer.kind, timer.cycle) for timer in bench.timers() if timer.rule_id == TERM)


def test_end_is_told_two_weeks_ahead_and_when_it_is_over(bench) -> None:
    assert grant(bench, expires_on="2026-08-31") == []
    assert told(*bench.wait("2026-08-17 07:59")) == []
    (soon,) = told(*bench.wait("2026-08-17 08:00"))
    assert (soon.type, soon.data["expires_on"], soon.data["number"]) == (TOLD[0], "2026-08-31", "A1")
    assert soon.occurred_at == bench.local("2026-08-17 08:00")
    assert told(*bench.wait("2026-08-31 23:59")) == []
    (over,) = told(*bench.wait("2026-09-01 00:00"))
    assert (over.type, bench.only("authorizations").status) == (TOLD[1], "certified")
    assert timers(bench) == []


def test_new_end_moves_the_terms_and_the_same_end_again_leaves_them(bench) -> None:
    grant(bench, expires_on="2026-08-31")
    bench.wait("2026-08-18 08:00")
    assert timers(bench) == [("expired", "2026-08-31")]
    assert grant(bench, "2026-08-19 09:00", expires_on="2026-08-31") == []
    assert grant(bench, "2026-08-20 09:00", expires_on="2026-12-31") == []
    assert timers(bench) == [("expired", "2026-12-31"), ("expiring", "2026-12-31")]


def test_end_within_the_notice_is_told_at_once_but_not_of_a_short_period(bench) -> None:
    assert [event.type for event in grant(bench, "2026-08-20 09:00", expires_on="2026-08-31")] == [TOLD[0]]
    assert grant(bench, "2026-08-21 09:00", number="A2", effective_on="2026-08-21", expires_on="2026-08-31") == []


@pytest.mark.parametrize(
    ("status", "facts"),
    [("denied", {"expires_on": "2026-08-31"}), ("certified", {}), ("certified", {"expires_on": "2026-07-01"})],
)
def test_what_is_not_granted_has_no_end_or_is_over_has_no_term(bench, status: str, facts) -> None:
    assert grant(bench, status=status, **facts) == [] and timers(bench) == []


def test_term_goes_with_the_grant(bench) -> None:
    grant(bench, expires_on="2026-08-31")
    assert grant(bench, "2026-07-03 09:00", status="cancelled", expires_on="2026-08-31") == []
    assert timers(bench) == [] and told(*bench.wait("2026-09-02 00:00")) == []


def test_last_authorized_visit_exhausts(bench) -> None:
    grant(bench, expires_on="2026-12-31", quantity="2", unit="VS")
    found = []
    for number, day in enumerate(("13", "20", "27"), 1):
        bench.hear(bench.visit("S12", f"2026-07-03 09:0{number}", f"2026-07-{day} 10:00", f"F{number}", **MRI))
    for number, day in enumerate(("13", "20", "27"), 1):
        kept = bench.visit("S14", f"2026-07-{day} 10:05", f"2026-07-{day} 10:00", f"F{number}", status="arrived", **MRI)
        found.append(told(bench.hear(kept)))
    assert [[(event.type, event.data["remaining"]) for event in one] for one in found] == [[], [(TOLD[2], "0")], []]


def test_payer_that_says_nothing_is_left_exhausts(bench) -> None:
    (event,) = grant(bench, expires_on="2026-12-31", quantity="6", unit="VS", remaining="0")
    assert event.type == TOLD[2]
    assert grant(bench, "2026-07-03 09:00", expires_on="2026-12-31", quantity="6", unit="VS", remaining="0") == []


def test_historical_answer_sets_no_term(bench) -> None:
    answer = bench.decision("2026-07-02 09:00", "certified", effective_on="2026-07-01", expires_on="2026-08-31")
    bench.hear(msgspec.structs.replace(answer, historical=True))
    assert timers(bench) == []

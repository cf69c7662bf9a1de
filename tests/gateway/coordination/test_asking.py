"""Asking, decided: who is asked when, what is put off, what an answer and an acknowledgement do (4.4, 5.4, 5.5)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from gateway.coordination.asking.settings import AskingSettings
from gateway.coordination.changes import Ask, Cause, Changes, CoordinationSettings, TimerFired
from gateway.coordination.decide import decide
from gateway.coordination.scope import PatientScope
from mappings.events import AcknowledgementFacts, CanonicalEvent
from mappings.partners import Payer, Provider, TradingPartner
from mappings.payer_facts import OtherPayer, Rejection, RelatedEntity, RequestedDocument, RequestFacts
from mappings.x12_rejections import explained
from tests.gateway.coordination.transition_builders import ACME, ACME_MEMBER, Story, adt, after, answer, response, siu

PARTNER = TradingPartner(
    name="acme",
    channel="payers",
    id="PAYER5",
    own_id="CCGW",
    usage="P",
    payers=(Payer(id="PAYER5", name="ACME HEALTH", aliases=("P5",)),),
    providers=(Provider(facility="main", npi="1234567893"),),
)
ALWAYS = ("admission", "booking", "insurance-changed", "pended")
DOWN = (explained(Rejection(reason="42", loop="2100A", valid="Y", follow_up="R")),)


class Desk(Story):
    """A scope that decides in full, with a payer who can be asked."""

    def __init__(self, *automatic: str, partner: TradingPartner = PARTNER) -> None:
        super().__init__()
        asking = AskingSettings(partners=(partner,), automatic=automatic)
        zones = {"main": ("America/New_York", "us-federal")}
        self.settings = CoordinationSettings(facilities=zones, asking=asking)

    def decide(self, stimulus: CanonicalEvent | Ask | TimerFired, at: datetime) -> Changes:
        self.count += 1
        cause = Cause(message_id=f"m-{self.count}", channel="adt", received_at=at, lanes=(3,))
        return decide(self.scope, stimulus, cause, at, self.settings, b"salt")

    def told(self, event: CanonicalEvent) -> Changes:
        return self.decide(event, event.recorded_at)

    def ask(self, kind: str = "eligibility", hours: float = 1, **given: object) -> Changes:
        asked = Ask(kind=kind, patient_id=self.patient.patient_id, actor="jdoe", request_id="r", **given)  # type: ignore[arg-type]
        return self.decide(asked, after(hours))

    def fire(self) -> tuple[datetime, Changes]:
        """The earliest timer of a question."""
        timer = min((t for t in self.home.timers.values() if t.rule_id == "ask"), key=lambda t: t.fire_at)
        return timer.fire_at, self.decide(TimerFired(timer=timer), timer.fire_at)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.told(adt("A01", coverages=(ACME,)))
    return made


def only(home: PatientScope) -> tuple[str, int]:
    (inquiry,) = home.inquiries.values()
    return inquiry.status, inquiry.attempts


def echoed(desk: Desk) -> dict[str, object]:
    (inquiry,) = desk.home.inquiries.values()
    return {"traces": (inquiry.trace,), "reference": inquiry.reference}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"member_id": None}, "no member id"),
        ({"payer_id": "OTHER"}, "no partner with a channel"),
    ],
)
def test_what_cannot_be_asked_says_why_and_leaves_nothing(change: dict[str, object], why: str) -> None:
    desk = Desk()
    desk.told(adt("A01", coverages=(msgspec.structs.replace(ACME, **change),)))
    changes = desk.ask()
    assert changes.outcome == "filtered" and why in (changes.reason or "")
    assert (changes.documents, changes.upserts, changes.emitted) == ([], [], [])


def test_question_is_a_document_an_inquiry_and_a_clock(desk: Desk) -> None:
    changes = desk.ask()
    (document,) = changes.documents
    assert (document.channel, document.partner, document.kind) == ("payers", "PAYER5", "270")
    assert [event.type for event in changes.emitted] == ["eligibility.requested"]
    assert only(desk.home) == ("sent", 1) and desk.coverage.asked_at == after(1)
    (timer,) = [one for one in desk.home.timers.values() if one.rule_id == "ask"]
    assert timer.fire_at == after(2)


def test_ladder_is_climbed_step_by_step_and_then_a_person_is_told(desk: Desk) -> None:
    desk.ask()
    kinds, waits = [], []
    for turn in range(5):
        member = msgspec.structs.replace(ACME_MEMBER, **echoed(desk))
        at = max(after(1), *(one.asked_at for one in desk.home.inquiries.values())) + timedelta(days=turn * 2)
        hours = (at - after(0)).total_seconds() / 3600
        changes = desk.told(answer("rejected", hours, member=member, rejections=DOWN))
        kinds += [row.kind for row in changes.transitions]
        if only(desk.home)[0] == "waiting":
            due, again = desk.fire()
            waits.append(int((due - at).total_seconds() // 60))
            assert len(again.documents) == 1
    assert waits == [15, 60, 240, 1440]
    assert kinds == ["payer-down"] * 4 + ["eligibility-rejected"]
    assert only(desk.home) == ("given-up", 5)


def test_answer_is_taken_after_it_was_given_up(desk: Desk) -> None:
    desk.ask()
    desk.fire()
    desk.fire()
    assert only(desk.home) == ("overdue", 2)
    member = msgspec.structs.replace(ACME_MEMBER, **echoed(desk))
    desk.told(answer("active", 400, member=member, plan="GOLD"))
    assert only(desk.home) == ("answered", 2) and desk.coverage.eligibility == "active"


def test_accepted_question_waits_for_its_answer_and_is_not_sent_again(desk: Desk) -> None:
    desk.ask()
    (inquiry,) = desk.home.inquiries.values()
    facts = AcknowledgementFacts(
        partner="PAYER5", kind="999", control_number=1, verdict="accepted", inquiry_id=inquiry.inquiry_id
    )
    heard = CanonicalEvent(
        type="transmission.acknowledged", trigger="999", recorded_at=after(1.1), occurred_at=after(1.1),
        acknowledgement=facts,
    )  # fmt: skip
    desk.told(heard)
    assert only(desk.home) == ("accepted", 1)
    assert desk.fire()[1].documents == []
    due, changes = desk.fire()
    assert (due, changes.documents) == (after(25), [])
    assert only(desk.home) == ("overdue", 1)


@pytest.mark.parametrize(
    ("automatic", "event", "reasons"),
    [
        (ALWAYS, adt("A01", coverages=(ACME,)), ["admission"]),
        (("booking",), adt("A01", coverages=(ACME,)), []),
        ((), adt("A01", coverages=(ACME,)), []),
        (ALWAYS, adt("A28", coverages=(ACME,)), []),
    ],
)
def test_moment_that_the_settings_name_asks_by_itself(
    automatic: tuple[str, ...], event: CanonicalEvent, reasons: list[str]
) -> None:
    desk = Desk(*automatic)
    desk.told(event)
    assert [one.reason for one in desk.home.inquiries.values()] == reasons


def test_one_answer_serves_all_until_it_is_old_or_the_insurance_another() -> None:
    desk = Desk(*ALWAYS)
    desk.told(adt("A01", coverages=(ACME,)))
    member = msgspec.structs.replace(ACME_MEMBER, **echoed(desk))
    desk.told(answer("active", 1, member=member))
    desk.told(siu("S12", 2))
    assert len(desk.home.inquiries) == 1
    other = msgspec.structs.replace(ACME, plan_id="PLAN7")
    desk.told(adt("A08", 3, coverages=(other,)))
    assert [one.reason for one in desk.home.inquiries.values()] == ["admission", "insurance-changed"]


def test_partner_in_test_is_never_asked_by_itself() -> None:
    desk = Desk(*ALWAYS, partner=msgspec.structs.replace(PARTNER, usage="T"))
    desk.told(adt("A01", coverages=(ACME,)))
    assert desk.home.inquiries == {}


def test_decision_that_is_late_is_inquired_about_at_three_quarters_of_the_time() -> None:
    desk = Desk("pended")
    desk.told(adt("A01", coverages=(ACME,)))
    desk.told(
        response("pended", 1, urgent=True, request_category="HS", service_type="62", event_begins_on="2026-11-09")
    )
    due, changes = desk.fire()
    assert due == after(1 + 54)
    (document,) = changes.documents
    assert b"*005010X215~" in document.body and desk.authorization.inquired_at == due


def test_authorization_of_an_alias_is_asked_about_with_the_insurance_of_that_payer(desk: Desk) -> None:
    desk.told(response("pended", 1, request_category="HS", service_type="62", event_begins_on="2026-11-09"))
    id_ = desk.authorization.authorization_id
    desk.home.authorizations[id_] = msgspec.structs.replace(desk.authorization, payer_id="P5")
    (document,) = desk.ask("inquiry", 3, authorization_id=id_).documents
    assert b"*005010X215~" in document.body


@pytest.mark.parametrize(("payer_id", "missing"), [("P5", False), ("OTHER", True)])
def test_authorization_of_an_alias_covers_the_admission(desk: Desk, payer_id: str, missing: bool) -> None:
    member = msgspec.structs.replace(ACME_MEMBER, payer_id=payer_id, traces=("T77",))
    certified = response(
        "certified", 1, number="A1", request_category="AR", event_begins_on=after(0).date().isoformat()
    )
    desk.told(msgspec.structs.replace(certified, member=member))
    due = [t for t in desk.home.timers.values() if t.rule_id == "inpatient-admit-no-auth"]
    for timer in due:
        desk.decide(TimerFired(timer=timer), timer.fire_at)
    opened = [t for t in desk.home.tasks.values() if t.rule_id == "inpatient-admit-no-auth" and t.status == "requested"]
    assert bool(opened) is missing


def test_decision_that_came_clears_the_clock() -> None:
    desk = Desk("pended")
    desk.told(adt("A01", coverages=(ACME,)))
    desk.told(response("pended", 1, urgent=True))
    desk.told(response("certified", 2, number="A1"))
    assert [one for one in desk.home.timers.values() if one.rule_id == "ask"] == []


# -- requests that pass through, and what answers do -------------------------------------------------------------------


def passing(kind: str, hours: float, trace: str, **facts: object) -> CanonicalEvent:
    word = "eligibility" if kind == "eligibility" else "authorization"
    return CanonicalEvent(
        type=f"{word}.requested", trigger="278", recorded_at=after(hours), occurred_at=after(hours),
        member=msgspec.structs.replace(ACME_MEMBER, traces=(trace,)), request=RequestFacts(kind=kind, **facts),
    )  # fmt: skip


def test_passing_request_is_known_once_and_its_answer_finds_it(desk: Desk) -> None:
    request = passing("authorization", 1, "R1", service_type="62", urgent=True)
    first, again = desk.told(request), desk.told(request)
    assert [event.type for event in first.emitted] == ["authorization.requested"] and again.emitted == []
    assert (desk.authorization.status, desk.authorization.requested_at) == ("requested", after(1))
    desk.told(response("pended", 2, traces=("R1",)))
    assert (desk.authorization.status, desk.authorization.clock_assumed) == ("pended", False)
    assert only(desk.home) == ("answered", 1)


def test_appeal_of_a_denial_ends_as_overturned_or_upheld(desk: Desk) -> None:
    desk.told(response("denied", 1, tracking_number="D1"))
    desk.told(passing("authorization", 2, "R2", appeal=True, previous_number="D1"))
    assert (desk.authorization.status, desk.authorization.appealed_at) == ("appealed", after(2))
    upheld = desk.told(response("denied", 3, traces=("R2",), tracking_number="D1"))
    assert upheld.emitted[0].data["upheld"] is True
    granted = desk.told(response("certified", 4, traces=("R2",), tracking_number="D1", number="A1"))
    assert granted.emitted[0].data["overturned"] is True and desk.authorization.overturned


def test_documents_asked_for_are_known_and_given_back_when_decided(desk: Desk) -> None:
    desk.told(response("info-requested", 1, documents=(RequestedDocument(kind="PWK", code="M1"),)))
    assert desk.authorization.status == "info-requested" and "M1" in desk.authorization.documents_json
    desk.told(response("certified", 2, number="A1", quantity="6", unit="VS", remaining="4"))
    held = desk.authorization
    assert (held.documents_json, held.quantity, held.remaining) == ("[]", "6", "4")


def test_answer_tells_other_payers_primary_care_and_corrections_once(desk: Desk) -> None:
    other = (OtherPayer(payer_id="P8", payer_name="OTHER MUTUAL", order="secondary"),)
    old, new = (RelatedEntity(kind="P3", name=name, id=number) for name, number in (("DOC, A", "1"), ("DOC, B", "2")))
    member = msgspec.structs.replace(ACME_MEMBER, family="Tester", given="Annabel")
    first = answer("active", 1, member=member, other_payers=other, pcp=old, corrected=True, deceased_on="2026-11-01")
    told = [event.type for event in desk.told(first).emitted if not event.type.startswith("task.")]
    assert told == [
        "coverage.active", "coverage.other-payer-found", "coverage.member-data-corrected", "patient.deceased-reported",
    ]  # fmt: skip
    again = answer("active", 2, member=member, other_payers=other, pcp=new, corrected=True, deceased_on="2026-11-01")
    emitted = [event for event in desk.told(again).emitted if not event.type.startswith("task.")]
    assert [event.type for event in emitted] == ["coverage.active", "pcp.changed"]
    assert emitted[1].changes[0] == {"path": "pcp_id", "old": "1", "new": "2"}
    assert (desk.coverage.pcp_id, desk.patient.pcp_id, desk.patient.given) == ("2", None, "ANNA")

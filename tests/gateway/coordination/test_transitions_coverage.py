"""Insurance: IN1 snapshots and 271 answers (domain reference 2.4, 4.3)."""

from __future__ import annotations

import msgspec
import pytest

from mappings.events import CoverageFacts, MemberFacts, Rejection
from tests.gateway.coordination.transition_builders import (
    ACME,
    ACME_MEMBER,
    Story,
    adt,
    after,
    answer,
    kinds,
    moves,
    types,
)

OTHER = CoverageFacts(payer_id="PAYER8", payer_name="OTHER MUTUAL", plan_id="B", member_id="OM7")


def covered(*sent: CoverageFacts) -> Story:
    story = Story()
    story.hear(adt("A01", coverages=sent))
    return story


def change(**facts: object) -> CoverageFacts:
    return msgspec.structs.replace(ACME, **facts)


def test_first_set_is_stored_without_a_change() -> None:
    story = Story()
    draft = story.hear(adt("A01", coverages=(ACME, OTHER)))
    assert [(one.payer_id, one.priority, one.active) for one in story.home.coverages.values()] == [
        ("PAYER5", 1, True),
        ("PAYER8", 2, True),
    ]
    assert "coverage-changed" not in kinds(draft)


@pytest.mark.parametrize("sent", [None, (ACME,)])
def test_same_set_or_no_segment_changes_nothing(sent: tuple[CoverageFacts, ...] | None) -> None:
    story = covered(ACME)
    assert story.hear(adt("A08", 1, coverages=sent)).emitted == []
    assert story.coverage.active


@pytest.mark.parametrize("field", ["group_number", "relationship", "plan_type", "effective_on", "expires_on"])
def test_listed_difference_is_a_change_of_insurance(field: str) -> None:
    story = covered(ACME)
    draft = story.hear(adt("A08", 1, coverages=(change(**{field: "X"}),)))
    assert types(draft) == ["coverage.changed"]
    assert draft.emitted[0].changes == [
        {"path": field, "old": None, "new": "X", "coverage_id": story.coverage.coverage_id}
    ]


def test_name_of_the_payer_alone_is_no_change_of_insurance() -> None:
    story = covered(ACME)
    assert story.hear(adt("A08", 1, coverages=(change(payer_name="ACME HEALTH INC"),))).emitted == []


def test_swapped_payer_is_a_change_of_the_set() -> None:  # scenario 12
    story = covered(ACME)
    draft = story.hear(adt("A08", 1, coverages=(OTHER,)))
    old, new = story.home.coverages.values()
    assert (old.active, new.active) == (False, True)
    assert moves(draft, "coverage-changed") == [(old.coverage_id, new.coverage_id)]
    story.hear(adt("A08", 2, coverages=(ACME,)))
    assert [one.active for one in story.home.coverages.values()] == [True, False]


def test_set_withdrawn_ends_the_coverage() -> None:
    story = covered(ACME)
    draft = story.hear(adt("A08", 1, coverages=()))
    assert (story.coverage.active, kinds(draft)) == (False, ["coverage-changed"])


def test_partial_set_adds_and_ends_nothing() -> None:
    story = covered(ACME)
    partial = msgspec.structs.replace(adt("A08", 1, coverages=(OTHER,)), partial_coverages=True)
    draft = story.hear(partial)
    assert [(one.payer_id, one.active) for one in story.home.coverages.values()] == [("PAYER5", True), ("PAYER8", True)]
    assert moves(draft, "coverage-changed") != []
    assert story.hear(msgspec.structs.replace(adt("A08", 2, coverages=(OTHER,)), partial_coverages=True)).emitted == []


def test_picked_values_go_along_with_every_event_of_the_message() -> None:
    story = Story()
    draft = story.hear(msgspec.structs.replace(adt("A01", coverages=(ACME,)), site={"case-manager": "RUIZ"}))
    assert draft.emitted and all(event.site == {"case-manager": "RUIZ"} for event in draft.emitted)


def test_member_id_that_comes_later_belongs_to_the_same_coverage() -> None:
    story = covered(change(member_id=None))
    story.hear(adt("A08", 1, coverages=(ACME,)))
    assert story.coverage.member_id == "MBR900123"


def test_new_verification_is_told() -> None:
    story = covered(ACME)
    draft = story.hear(adt("A08", 1, coverages=(change(verified_at=after(1)),)))
    assert (types(draft), story.coverage.verified_at) == (["coverage.verified-by-registration"], after(1))


def test_older_set_is_ignored() -> None:
    story = covered(ACME)
    story.tell(adt("A08", 5, coverages=(OTHER,)), adt("A08", 4, coverages=(ACME,)))
    assert [one.active for one in story.home.coverages.values()] == [False, True]


# -- 271 --------------------------------------------------------------------------------------------------------------


def test_answer_finds_the_coverage_of_registration() -> None:
    story = covered(ACME)
    draft = story.hear(answer("active", 1, authorization_required="Y"))
    assert types(draft) == ["coverage.active"]
    assert draft.emitted[0].flags == ["initial"]
    known = story.coverage
    assert (known.eligibility, known.eligibility_as_of, known.authorization_required) == ("active", after(1), "Y")
    assert moves(draft, "coverage-status") == [(None, "active")]


def test_answer_told_twice_is_one() -> None:
    story = covered(ACME)
    again = story.tell(answer("active", 1), answer("active", 1)).changes()
    assert (again.upserts, again.emitted, again.transitions) == ([], [], [])


def test_answer_older_than_the_newest_is_ignored() -> None:
    story = covered(ACME)
    draft = story.tell(answer("active", 2), answer("inactive", 1))
    assert (story.coverage.eligibility, draft.late) == ("active", True)


def test_inactive_answers_in_a_row_keep_their_first_moment() -> None:
    story = covered(ACME)
    steps = ["inactive", "not-covered", "unknown", "inactive", "active", "inactive"]
    seen = []
    for hour, status in enumerate(steps, 1):
        story.hear(answer(status, hour))
        seen.append(story.coverage.inactive_since)
    assert seen == [after(1), after(1), after(1), after(1), None, after(6)]


@pytest.mark.parametrize("known", [None, "active"])
def test_rejection_is_recorded_and_never_hides_an_earlier_answer(known: str | None) -> None:
    story = covered(ACME)
    if known:
        story.hear(answer(known, 1))
    rejected = answer("rejected", 2, rejections=(Rejection(reason="75", loop="2100C"),))
    draft = story.hear(rejected)
    assert (types(draft), moves(draft, "eligibility-rejected")) == (["eligibility.rejected"], [(None, "75")])
    assert story.coverage.eligibility == (known or "rejected")
    assert story.hear(rejected).emitted == []


def test_answer_about_an_unregistered_cover_makes_it_and_registration_takes_it_over() -> None:
    story = Story()
    story.hear(adt("A28"))
    story.hear(answer("active", 1))
    assert (story.coverage.priority, story.coverage.eligibility) == (None, "active")
    draft = story.hear(adt("A01", 2, coverages=(ACME,)))
    assert (story.coverage.priority, story.coverage.plan_id, story.coverage.eligibility) == (1, "PLAN9", "active")
    assert "coverage-changed" not in kinds(draft)


def test_rejection_that_names_no_member_is_told_about_the_patient() -> None:
    story = Story()
    story.hear(adt("A28"))
    member = MemberFacts(payer_id="PAYER5", traces=("T1",))
    draft = story.hear(answer("rejected", 1, member=member, rejections=(Rejection(reason="42", loop="2000A"),)))
    assert (draft.emitted[0].aggregate, story.home.coverages) == ("patient", {})


def test_answer_with_the_payer_named_otherwise_matches_by_name() -> None:
    story = covered(change(payer_id="LOCAL5"))
    story.hear(answer("active", 1))
    assert story.coverage.eligibility == "active"


def test_answer_of_another_payer_with_the_same_member_id_is_another_coverage() -> None:
    story = covered(ACME)
    story.hear(
        answer("active", 1, member=MemberFacts(payer_id="PAYER8", payer_name="OTHER", member_id=ACME_MEMBER.member_id))
    )
    assert len(story.home.coverages) == 2


def test_other_plan_in_the_next_answer_is_a_change() -> None:
    story = covered(ACME)
    draft = story.tell(answer("active", 1, plan="GOLD"), answer("active", 2, plan="SILVER"))
    assert types(draft) == ["coverage.active", "coverage.changed"]
    assert draft.emitted[1].changes == [{"path": "plan", "old": "GOLD", "new": "SILVER"}]

"""The simulated payer reads what anybody sends: it answers or it does not, and never fails."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.payer.scenario import Scenario
from gateway.payer.simulator import SimulatedPayer
from parsers.x12.interchange import read_interchanges
from tests.gateway.payer.test_simulator import AT, question

QUESTIONS = [question("eligibility"), question("authorization", dependent=True, separators="|>!'")]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(QUESTIONS),
    st.integers(0, 900),
    st.binary(max_size=12),
    st.integers(0, 12),
    st.sampled_from(["active", "rejected:15", "down", "denied", "refused"]),
)
def test_damaged_question_is_answered_soundly_or_not_at_all(
    body: bytes, at: int, put: bytes, cut: int, outcome: str
) -> None:
    kind = "eligibility" if outcome in ("active",) else "authorization"
    scenario = Scenario.model_validate({"default": {kind: [outcome]}})
    damaged = body[:at] + put + body[at + cut :]
    for answer in SimulatedPayer(scenario).answer(damaged, AT):
        (back,) = read_interchanges(answer.body)
        assert back.error is None

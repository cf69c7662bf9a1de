"""What a message's end is answered in enhanced mode, and that it is answered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.compute.answering import AnswerRule, ApplicationAnswers, Outcome, judge
from gateway.store.ports import WorkItem
from parsers.hl7v2.message import Message
from tests.support.local_pipeline import NOW, LocalPipeline

RULE = AnswerRule()


def message(control_id: str = "M1", *, event: str = "ADT^A04", version: str = "2.5.1", patient: str = "77") -> bytes:
    lines = (
        f"MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20261109100000||{event}|{control_id}|P|{version}|||AL|AL",
        "EVN||20261109100000",
        f"PID|1||{patient}^^^GENHOSP^MR||SAMPLE^PAT||19500101|F" if patient else "PID|1||||SAMPLE^PAT",
        "PV1|1|O|CLINIC^1^1^GENHOSP||||||||||||||||V1",
    )
    return "".join(f"{line}\r" for line in lines).encode()


def work(body: bytes, **changed: object) -> WorkItem:
    given: dict[str, object] = {
        "work_id": 7, "journal_id": 7, "item": 0, "kind": "read", "lanes": (1,), "channel": "adt",
        "source_kind": "hl7v2", "received_at": NOW, "attempts": 0, "config_version": 1, "control_id": "M1", "body": body,
    }  # fmt: skip
    return WorkItem(**{**given, **changed})  # type: ignore[arg-type]


def answered(body: bytes, outcome: Outcome, rule: AnswerRule = RULE, item: int = 0) -> list[str]:
    """MSA-1, MSA-2, condition, place of the answer; [] when there is none."""
    reply = ApplicationAnswers({"adt": rule}, NOW).reply(work(body), item, outcome, "main")
    if reply is None:
        return []
    read = Message(reply.body)
    msa, err = read.first("MSA"), read.first("ERR")
    assert msa is not None
    return [msa.text(1), msa.text(2), *((err.text(3), err.raw(2).decode()) if err else ())]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome("processed", ""), ["AA", "M1"]),
        (Outcome("duplicate", "m-3"), ["AA", "M1"]),
        (Outcome("filtered", "blocked-slot"), ["AA", "M1"]),
        (Outcome("filtered", "feed:ADT^A08"), ["AA", "M1"]),
        (Outcome("filtered", "test-message"), ["AR", "M1", "202", "MSH^1^11"]),
        (Outcome("filtered", "no-mapping:ADT^Z99"), ["AR", "M1", "201", "MSH^1^9^1^2"]),
        (Outcome("filtered", "no-mapping:ORU"), ["AR", "M1", "200", "MSH^1^9^1^1"]),
        (Outcome("rejected", "no-message-type"), ["AR", "M1", "101", "MSH^1^9"]),
        (Outcome("parked", "no-patient-id", "map", "PID^1^3"), ["AE", "M1", "101", "PID^1^3"]),
        (Outcome("parked", "no-prior-id", "map", "MRG^1^3"), ["AE", "M1", "101", "MRG^1^3"]),
        (Outcome("parked", "102", "parse", "PID^1^7"), ["AE", "M1", "102", "PID^1^7"]),
        (Outcome("parked", "structure", "map"), ["AE", "M1", "100", ""]),
        (Outcome("parked", "merge-cycle", "decide"), ["AE", "M1", "204", "MRG^1^1"]),
        (Outcome("parked", "mapping-failed", "map"), ["AE", "M1", "207", ""]),
        (Outcome("parked", "worker-killed", "compute"), ["AE", "M1", "207", ""]),
        (Outcome("parked", "behind:m-4", "order"), []),  # its end is still to come
    ],
)
def test_answer_says_what_became_of_the_message(outcome: Outcome, expected: list[str]) -> None:
    assert answered(message(), outcome) == expected


def test_answer_before_2_5_stands_in_msa_3_and_err_1() -> None:
    outcome = Outcome("parked", "no-patient-id", "map")
    reply = ApplicationAnswers({"adt": RULE}, NOW).reply(work(message(version="2.3")), 0, outcome, "main")
    assert reply is not None
    assert reply.body.split(b"\r")[1:3] == [
        b"MSA|AE|M1|Required field missing",
        b"ERR|PID^1^3^101&Required field missing&HL70357",
    ]


def test_answer_is_due_only_where_the_rule_and_the_message_ask_for_it() -> None:
    done = Outcome("processed", "")
    assert answered(message(), done, AnswerRule(ack_mode="original")) == []
    assert answered(message(), done, AnswerRule(application_ack="never")) == []
    assert answered(message().replace(b"|AL|AL", b"|AL|NE"), done) == []
    assert answered(message().replace(b"|AL|AL", b"|AL|"), done, AnswerRule(application_ack="always")) == ["AA", "M1"]
    answers = ApplicationAnswers({"adt": RULE}, NOW)
    for other in ({"channel": "siu"}, {"kind": "event"}, {"source_kind": "x12"}):
        assert answers.reply(work(message(), **other), 0, done, "main") is None


def test_answer_to_each_message_of_a_batch_names_its_own() -> None:
    body = b"FHS|^~\\&|A\r" + message("M1") + message("M2") + b"FTS|1\r"
    assert [answered(body, Outcome("processed", ""), item=item) for item in (0, 1, 2)] == [
        ["AA", "M1"],
        ["AA", "M2"],
        [],
    ]


def test_judge_never_repeats_a_reason_that_is_no_code() -> None:
    verdict, error = judge(Outcome("parked", "ZZNAME", "parse", ""))
    assert (verdict, error.code if error else "") == ("error", "100")


async def test_pipeline_writes_one_answer_for_each_end_and_none_again_for_a_retry(tmp_path: Path) -> None:
    local = LocalPipeline(tmp_path, answering=RULE)
    await local.store.open()
    try:
        ids = await local.send(message("M1"), message("M2", patient=""), message("M3", event="ADT^Z99"))
        replies = await local.rows("replies", "journal_id", "kind", "control_number")
        assert [tuple(row) for row in replies] == [(number, "ACK", 0) for number in ids]
        pending = await local.store.outbox_claim("adt", 10)
        assert [Message(item.body).first("MSA").text(1) for item in pending] == ["AA", "AE", "AR"]  # type: ignore[union-attr]
        assert {(item.peer, item.sender, item.type) for item in pending} == {("test", "ADT1|GENHOSP", "ACK")}

        [(parked_id,)] = await local.rows("parked", "parked_id")
        assert await local.store.retry_parked(parked_id, "jdoe")
        await local.settle()
        assert len(await local.rows("replies", "journal_id")) == 3
    finally:
        await local.store.close()

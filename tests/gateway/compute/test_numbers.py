"""Control numbers of the interchanges behind the first of a file, across files (decision 5)."""

from __future__ import annotations

from pathlib import Path

from tests.parsers.x12.guide_samples import ANSWER_271, INQUIRY_270
from tests.parsers.x12.interchanges import group, interchange, transaction_set
from tests.support.local_pipeline import LocalPipeline

ANSWER = interchange(group(transaction_set(ANSWER_271)))
INQUIRY = interchange(group(transaction_set(INQUIRY_270), functional="HS"))


def numbered(body: bytes, number: int) -> bytes:
    return body.replace(b"000000101", b"%09d" % number)


async def test_number_used_behind_the_first_interchange_of_another_file_is_refused(tmp_path: Path) -> None:
    local = LocalPipeline(tmp_path)
    await local.store.open()
    try:
        await local.send(numbered(ANSWER, 201) + numbered(INQUIRY, 202), kind="x12")
        again = numbered(INQUIRY, 202).replace(b"TESTER*ANNA", b"TESTER*BETTY")
        (second,) = await local.send(numbered(INQUIRY, 301) + again + numbered(INQUIRY, 201), kind="x12")
        ends = await local.rows("item_end", "journal_id", "item", "word", "reason")
        assert [tuple(row) for row in ends if row[0] == second and row[2] == "rejected"] == [
            (second, 2, "rejected", "envelope:025"),
            (second, 3, "rejected", "envelope:025"),
        ]
        replies = [(row[1], bytes(row[2])) for row in await local.rows("replies", "reply_id", "kind", "body")]
        assert [kind for kind, _ in replies] == ["999", "999", "999", "TA1", "TA1"]
        assert b"TA1*000000202*" in replies[3][1] and b"*R*025~" in replies[3][1]
    finally:
        await local.store.close()


async def test_copies_sent_together_are_one_and_the_next_number_is_new(tmp_path: Path) -> None:
    local = LocalPipeline(tmp_path)
    await local.store.open()
    try:
        file = numbered(INQUIRY, 201) + numbered(INQUIRY, 202)
        await local.send(file, file, numbered(INQUIRY, 203) + numbered(INQUIRY, 204), kind="x12")
        assert [row[1] for row in await local.rows("item_end", "journal_id", "word")].count("duplicate") == 1
        assert "envelope:025" not in [row[1] for row in await local.rows("item_end", "journal_id", "reason")]
    finally:
        await local.store.close()

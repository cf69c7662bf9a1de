"""A parked message and those behind it (decision 16)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.compute.answering import AnswerRule
from mappings import registry
from mappings.reading import Reading
from parsers.hl7v2.message import Message
from tests.support.local_pipeline import LocalPipeline

ADMIT = (
    "MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|20261109100000-0500||ADT^A01^ADT_A01|A1|P|2.5.1\r"
    "EVN||20261109100000-0500\rPID|1||77^^^GENHOSP^MR||TESTER^ANNA||19480217|F\r"
    "PV1|1|I|4W^1^1^GENHOSP||||||||||||||||V77^^^GENHOSP^VN|||||||||||||||||||||||||20261109100000-0500\r"
)


def message(control_id: str, event: str = "A08", phone: str = "") -> bytes:
    text = ADMIT.replace("|A1|P", f"|{control_id}|P").replace("A01^ADT_A01", f"{event}^ADT_A01")
    return text.replace("|19480217|F", f"|19480217|F|||||{phone}").encode()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Control ids whose mapping raises while they are in the set."""
    ids: set[bytes] = set()
    real = registry.read

    def read(kind: str, body: bytes, *rest: object) -> Reading:
        if any(b"|" + one + b"|P" in body for one in ids):
            raise RuntimeError("a defect of the mapping")
        return real(kind, body, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "read", read)
    return ids


@pytest.fixture
async def blocking(tmp_path: Path) -> AsyncIterator[LocalPipeline]:
    local = LocalPipeline(tmp_path, gap_policy="block")
    await local.store.open()
    yield local
    await local.store.close()


@pytest.fixture
async def passing(tmp_path: Path) -> AsyncIterator[LocalPipeline]:
    local = LocalPipeline(tmp_path)
    await local.store.open()
    yield local
    await local.store.close()


async def test_gap_policy_gap_lets_followers_pass_and_marks_the_patient(
    passing: LocalPipeline, broken: set[bytes]
) -> None:
    await passing.send(message("A1", "A01"))
    broken.add(b"B2")
    (parked,) = await passing.send(message("B2", phone="5550000"))
    await passing.send(message("C3", phone="5550001"))
    assert await passing.rows("patients", "gap_since", "phone") == [(f"m-{parked}", "5550001")]
    broken.clear()
    ((parked_id,),) = await passing.rows("parked", "parked_id")
    assert await passing.store.retry_parked(parked_id, "ana")
    await passing.settle()
    assert await passing.rows("patients", "gap_since") == [(None,)]
    assert (await passing.store.ledger()).balanced


async def test_gap_policy_block_parks_followers_and_releases_them_in_order(
    blocking: LocalPipeline, broken: set[bytes]
) -> None:
    await blocking.send(message("A1", "A01"))
    broken.add(b"B2")
    (parked,) = await blocking.send(message("B2", phone="5550000"))
    followers = await blocking.send(message("C3", phone="5550001"), message("D4", phone="5550002"))
    assert [row[1] for row in await blocking.rows("parked", "parked_id", "reason")] == [
        "mapping-failed",
        f"behind:m-{parked}",
        f"behind:m-{parked}",
    ]
    broken.clear()
    parked_id = (await blocking.rows("parked", "parked_id"))[0][0]
    assert await blocking.store.retry_parked(parked_id, "ana")
    await blocking.settle()
    assert await blocking.rows("parked", "reason") == []
    assert await blocking.rows("patients", "phone", "gap_since") == [("5550002", None)]
    ends = dict(await blocking.rows("item_end", "journal_id", "word"))
    assert {ends[one] for one in (parked, *followers)} == {"processed"}
    assert (await blocking.store.ledger()).balanced


async def test_gap_discarded_message_releases_its_followers(blocking: LocalPipeline, broken: set[bytes]) -> None:
    await blocking.send(message("A1", "A01"))
    broken.add(b"B2")
    await blocking.send(message("B2", phone="5550000"))
    await blocking.send(message("C3", phone="5550001"))
    parked_id = (await blocking.rows("parked", "parked_id"))[0][0]
    assert await blocking.store.discard_parked(parked_id, "ana", "sent in error")
    await blocking.settle()
    assert await blocking.rows("parked", "reason") == []
    assert await blocking.rows("patients", "phone", "gap_since") == [("5550001", None)]
    assert (await blocking.store.ledger()).balanced


async def test_gap_follower_is_answered_when_it_is_folded_in_and_not_before(tmp_path: Path, broken: set[bytes]) -> None:
    local = LocalPipeline(tmp_path, gap_policy="block", answering=AnswerRule())
    await local.store.open()

    def asking(control_id: str, event: str = "A08", phone: str = "") -> bytes:
        return message(control_id, event, phone).replace(b"|2.5.1\r", b"|2.5.1|||AL|AL\r", 1)

    async def answered() -> list[str]:
        codes = [Message(item.body).first("MSA") for item in await local.store.outbox_claim("adt", 9)]
        return [f"{code.text(1)} {code.text(2)}" for code in codes if code is not None]

    await local.send(asking("A1", "A01"))
    broken.add(b"B2")
    await local.send(asking("B2", phone="5550000"), asking("C3", phone="5550001"))
    assert await answered() == ["AA A1", "AE B2"]
    broken.clear()
    assert await local.store.retry_parked((await local.rows("parked", "parked_id"))[0][0], "ana")
    await local.settle()
    assert await answered() == ["AA A1", "AE B2", "AA C3"]
    await local.store.close()

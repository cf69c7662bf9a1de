"""Batches: a submission, its acknowledgement, its results and theirs, over endpoint and client."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import pytest

from parsers.core.payloads import BY_USE
from tests.gateway.core.conftest import Ground, Grounds
from tests.gateway.core.test_real_time import ask_by_requests, ask_by_zeep
from tests.parsers.core.core_messages import ANSWER, BATCH, REQUEST

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYER_999 = (
    b"ISA*00*          *00*          *ZZ*PAYER          *ZZ*BATON          *260302*0931*^*00501*000000901*0*P*:~"
    b"GS*FA*PAYER*BATON*20260302*0931*901*X*005010X231A1~ST*999*0001*005010X231A1~AK1*HS*101*005010X279A1~"
    b"AK9*A*1*1*1~SE*4*0001~GE*1*901~IEA*1*000000901~"
)


def of(use: str, payload_id: str, **changes: str) -> dict[str, str]:
    fields = {**BATCH, "PayloadType": BY_USE[use], "PayloadID": payload_id, **changes}
    if use not in ("270", "ack:999"):
        del fields["PayloadLength"], fields["CheckSum"]
    return fields


async def call(ground: Ground, operation: str, fields: dict[str, str], payload: Any = None) -> Any:
    return await asyncio.to_thread(ask_by_zeep, ground.url, operation, fields, payload)


async def retrieved(ground: Ground, operation: str, fields: dict[str, str]) -> Any:
    """What is fetched as soon as it is there: a partner asks again too."""
    async with asyncio.timeout(20):
        while True:
            answer = await call(ground, operation, fields)
            if answer.Payload:
                return answer
            assert answer.ErrorCode == "Success" and "NoBatch" in answer.PayloadType
            await asyncio.sleep(0.05)


async def test_batch_is_passed_on_and_each_side_gets_what_is_his(ground: Ground) -> None:
    """zeep submits to our endpoint; our client submits to the payer, fetches his 999 and results, acknowledges them."""

    def payer(fields: dict[str, str]) -> bytes | None:
        if fields["PayloadType"] == BY_USE["retrieval:999"]:
            return PAYER_999
        return ANSWER if fields["PayloadType"] == BY_USE["results:271"] else None

    ground.payer.answer = payer
    mine = str(uuid4())
    receipt = await call(ground, "BatchSubmitTransaction", of("270", mine), REQUEST)
    assert (receipt.ErrorCode, receipt.PayloadType) == ("Success", "X12_BatchReceiptConfirmation")
    assert receipt.Payload is None  # the 999 does not ride in the answer to the submission
    again = await call(ground, "BatchSubmitTransaction", of("270", mine), REQUEST)
    assert again.ErrorCode == "Success"
    ack = await retrieved(ground, "BatchSubmitAckRetrievalTransaction", of("retrieval:999", mine))
    assert b"ST*999" in ack.Payload and b"AK1*HS*101" in ack.Payload
    assert ack.PayloadType == "X12_999_Response_005010X231A1"
    results = await retrieved(ground, "BatchResultsRetrievalTransaction", of("results:271", mine))
    assert results.Payload == ANSWER
    waiting = [row for row in await ground.rows("hospital") if row["kind"] == "document"]
    assert [row["confirmed_at"] for row in waiting] == [None] and waiting[0]["fetched_at"] is not None
    confirmed = await call(
        ground, "BatchResultsAckSubmitTransaction", of("ack:999", mine, **sums(PAYER_999)), PAYER_999
    )
    assert confirmed.ErrorCode == "Success"
    nothing = await call(ground, "BatchResultsRetrievalTransaction", of("results:271", mine))
    assert nothing.PayloadType == BY_USE["none:results"]
    await until_payer_has(ground, BY_USE["ack:999"])
    asked = [each["PayloadType"] for each in ground.payer.asked]
    assert asked.count(BY_USE["270"]) == asked.count(BY_USE["ack:999"]) == 1
    submitted = ground.payer.asked[0]
    assert submitted["Payload"].encode() == REQUEST and submitted["PayloadLength"] == str(len(REQUEST))
    assert "AK1*HB*101" in next(e["Payload"] for e in ground.payer.asked if e["PayloadType"] == BY_USE["ack:999"])


async def test_batch_by_mime_and_a_wrong_check_sum(ground: Ground) -> None:
    mine = str(uuid4())
    wrong = of("270", mine, CheckSum="0" * 40, ReceiverID="BATON")
    answer = await asyncio.to_thread(ask_by_requests, ground.url, wrong, REQUEST)
    assert b"ChecksumMismatched" in answer.content
    right = of("270", mine, ReceiverID="BATON")
    answer = await asyncio.to_thread(ask_by_requests, ground.url, right, REQUEST)
    assert b"X12_BatchReceiptConfirmation" in answer.content
    async with asyncio.timeout(20):
        while True:  # by a PayloadID of no submission: the oldest that was not picked up
            fields = of("retrieval:999", str(uuid4()))
            answer = await asyncio.to_thread(ask_by_requests, ground.url, fields, b"")
            if b"ST*999" in answer.content:
                break
            assert b"NoBatchAckFile" in answer.content
            await asyncio.sleep(0.05)
    assert not ground.payer.asked
    kinds = [(row["kind"], row["outcome"]) for row in await ground.rows("hospital")]
    assert kinds == [("submit", "ChecksumMismatched"), ("submit", "Success")]


async def test_batch_payer_that_refuses_parks_the_document_and_one_who_is_away_gets_it_later(grounds: Grounds) -> None:
    ground = await grounds.open(client="tries = 2")
    relay = ground.gateway.relays["bigpayer"]
    ground.payer.error = "PayloadTypeIllegal"
    await call(ground, "BatchSubmitTransaction", of("270", str(uuid4())), REQUEST)
    async with asyncio.timeout(20):
        while not relay.settled["parked"]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
    ground.payer.error, ground.payer.status = "Success", 503
    await call(ground, "BatchSubmitTransaction", of("270", str(uuid4()), **sums(OTHER)), OTHER)
    async with asyncio.timeout(20):
        while len(ground.payer.asked) < 2:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
    ground.payer.status = 200
    async with asyncio.timeout(20):
        while not relay.settled["confirmed"]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)


OTHER = REQUEST.replace(b"TR101", b"TR102")


def sums(document: bytes) -> dict[str, str]:
    return {"PayloadLength": str(len(document)), "CheckSum": hashlib.sha1(document).hexdigest()}


async def until_payer_has(ground: Ground, payload_type: str) -> None:
    async with asyncio.timeout(20):
        while not any(each["PayloadType"] == payload_type for each in ground.payer.asked):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

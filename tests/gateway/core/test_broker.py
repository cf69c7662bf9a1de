"""Between a hospital and a payer under our own address, over real sockets, with the simulated payer behind us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from channels.core_answers import Outgoing
from channels.core_endpoint import CoreEndpoint, CoreEndpointSettings
from channels.core_partners import CorePartner
from gateway.payer.endpoint import AnyCaller, PayerDesk
from gateway.payer.scenario import Member, Scenario
from parsers.core.envelope import Envelope
from parsers.core.payloads import BY_USE
from parsers.x12.header import find_headers
from parsers.x12.interchange import Interchange, read_interchanges
from tests.gateway.core.conftest import Ground, Grounds
from tests.gateway.core.test_real_time import ask_by_requests, fresh, x12_of
from tests.parsers.core.core_messages import BATCH
from tests.support.core_load import inquiry

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTNER = """
relay_as = "gateway"
[[partner]]
name = "acme"
channel = "bigpayer"
qualifier = "30"
id = "PAYER5"
application = "ACMEAPP"
own_id = "CCGW"
"""


class ListeningPayer(PayerDesk):
    """The simulated payer, who keeps what came to him."""

    def __init__(self) -> None:
        refused, late = Member(id="REFUSED", eligibility=("refused",)), Member(id="LATE", eligibility=("slow:1",))
        super().__init__(Scenario(member=(refused, late)), datetime.now)
        self.came: list[bytes] = []

    async def handle(self, partner: CorePartner, envelope: Envelope, peer: str) -> Outgoing:
        if envelope.payload and b"ST*270" in envelope.payload:
            self.came.append(envelope.payload)
        return await super().handle(partner, envelope, peer)


@pytest.fixture
def listening() -> ListeningPayer:
    return ListeningPayer()


@pytest_asyncio.fixture(loop_scope="module")
async def ground(tmp_path: Path, listening: ListeningPayer) -> AsyncIterator[Ground]:
    payer = CoreEndpoint(CoreEndpointSettings(name="payer"), listening, AnyCaller())
    grounds = Grounds(tmp_path)
    yield await grounds.open(partner=PARTNER, payer_port=str(await payer.start()), answer_seconds="0.5")
    await grounds.close()
    await payer.drain(2)


def one(content: bytes) -> Interchange:
    found = next(read_interchanges(content))
    assert found.error is None
    return found


async def test_broker_asks_under_its_own_address_and_answers_under_the_payers(
    ground: Ground, listening: ListeningPayer
) -> None:
    fields = fresh()
    answers = [await asyncio.to_thread(ask_by_requests, ground.url, fields, inquiry(101)) for _ in range(2)]
    second = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), inquiry(102))
    asked = [one(body) for body in listening.came]
    assert [each.header.elements[5:9] for each in asked] == [("ZZ", "CCGW", "30", "PAYER5")] * 2
    numbers = [int(each.header.control_number) for each in asked]
    assert 0 < numbers[0] < numbers[1] < 100  # one sequence with the acknowledgements of that partner
    groups = [each.groups[0] for each in asked]
    assert [[group.header.text(at) for at in (2, 3, 6)] for group in groups] == [
        ["CCGW", "ACMEAPP", str(number)] for number in numbers
    ]
    assert x12_of(answers[0].content) == x12_of(answers[1].content)  # the same request again
    answer = one(x12_of(answers[0].content))
    assert answer.header.elements[5:9] == ("ZZ", "PAYER", "ZZ", "HOSPITAL")
    assert [answer.groups[0].header.text(at) for at in (2, 3)] == ["PAYER", "HOSPITAL"]
    assert answer.groups[0].sets[0].id == "271" and b"TRN*2*T101*" in answers[0].content
    assert b"TRN*2*T102*" in second.content
    bodies = dict(await ground.bodies())
    assert bodies["core"] == inquiry(102) and b"*ZZ*CCGW " in bodies["bigpayer"]  # both halves as they came


async def test_broker_acknowledgement_of_the_payer_speaks_of_the_askers_numbers(ground: Ground) -> None:
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), inquiry(555, "REFUSED"))
    assert one(x12_of(answer.content)).header.receiver == "HOSPITAL"
    assert b"~AK1*HS*555*" in answer.content and b"X12_999_Response" in answer.content


async def test_broker_late_answer_is_restored_when_the_same_is_asked_again(
    ground: Ground, listening: ListeningPayer
) -> None:
    fields = fresh()
    first = await asyncio.to_thread(ask_by_requests, ground.url, fields, inquiry(777, "LATE"))
    assert b"~AAA*Y**80*P~" in first.content
    async with asyncio.timeout(20):
        while ("real-time", "Success") not in await ground.exchanges("bigpayer"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)
    again = await asyncio.to_thread(ask_by_requests, ground.url, fields, inquiry(777, "LATE"))
    header = one(x12_of(again.content)).header
    assert (header.sender, header.receiver) == ("PAYER", "HOSPITAL") and b"TRN*2*T777*" in again.content
    assert len(listening.came) == 1


async def test_broker_batch_goes_out_under_its_own_address_and_its_results_come_back_as_the_payers(
    ground: Ground, listening: ListeningPayer
) -> None:
    batch = {**BATCH, "PayloadLength": "", "CheckSum": "", "PayloadID": str(uuid4())}
    document = inquiry(201) + inquiry(202)
    receipt = await asyncio.to_thread(ask_by_requests, ground.url, batch, document)
    assert b"X12_BatchReceiptConfirmation" in receipt.content
    wanted = batch | {"PayloadType": BY_USE["results:271"]}
    async with asyncio.timeout(20):
        while True:
            results = await asyncio.to_thread(ask_by_requests, ground.url, wanted, b"")
            if b"ST*271" in results.content:
                break
            await asyncio.sleep(0.05)
    headers = list(find_headers(x12_of(results.content)))
    assert {(each.sender, each.receiver) for each in headers} == {("PAYER", "HOSPITAL")}
    assert b"TRN*2*T201*" in results.content and b"TRN*2*T202*" in results.content
    (came,) = listening.came
    assert [each.header.control_number for each in read_interchanges(came)] == ["000000001", "000000002"]


async def test_broker_separator_in_our_address_is_an_error_and_nobody_is_asked(
    ground: Ground, listening: ListeningPayer
) -> None:
    odd = inquiry(303).replace(b"~", b"C")  # as CCGW has it
    answer = await asyncio.to_thread(ask_by_requests, ground.url, fresh(), odd)
    assert answer.status_code == 200 and listening.came == []

"""The book of CORE exchanges, on both stores."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from channels.core_ports import DOCUMENT, Exchange, Passage
from gateway.openings.core_book import CoreBook
from gateway.store import exchanges
from gateway.store.postgres import PostgresStore
from gateway.store.pruning import Pruned, Retention
from gateway.store.sqlite import SqliteStore
from parsers.core.refusal import UNABLE, unable_to_answer
from tests.gateway.store.conftest import NOON, Clock
from tests.parsers.core.core_messages import REQUEST

Store = SqliteStore | PostgresStore


def made(kind: str, **given: Any) -> Exchange:
    usual = {
        "channel": "core",
        "partner": "hospital",
        "direction": "in",
        "form": "soap",
        "payload_type": "X12_270_Request_005010X279A1",
        "payload_id": "a",
        "started_at": NOON,
        "outcome": "Success",
    }
    return Exchange(kind=kind, **(usual | given))


async def test_exchange_of_the_same_key_is_replaced_and_found_again(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")
    first = await book.note(made("real-time", dedup_key="in|core|hospital|a", outcome="TimedOut", digest=b"1"))
    again = await book.note(made("real-time", dedup_key="in|core|hospital|a", digest=b"1", answer_journal_id=9))
    assert first == again
    found = await book.find("in|core|hospital|a")
    assert found is not None and (found.outcome, found.digest, found.answer_journal_id) == ("Success", b"1", 9)
    assert await book.find("in|core|hospital|b") is None and await book.find("") is None
    await book.note(made("real-time", outcome="SenderIDIllegal"))
    rows = await exchanges.between(store, "hospital", NOON, NOON + timedelta(seconds=1))
    assert [row["outcome"] for row in rows] == ["Success", "SenderIDIllegal"]


async def test_submission_is_passed_on_once_and_its_outcomes_are_joined_to_it(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")
    await book.note(made("submit", dedup_key="in|core|hospital|a", request_journal_id=7))
    for _ in range(2):
        given = Passage(channel="bigpayer", partner="hospital", journal_id=7, kind="batch", make=lambda first: REQUEST)
        assert await book.relay(given) == REQUEST
    assert await book.relayed_as(7) is None and await book.replies_to(7) == []
    (item,) = await store.outbox_claim("bigpayer", 10)
    assert (item.body, item.key, item.type) == (REQUEST, "hospital", "batch")
    reply = await book.reply(int(item.event_id.removeprefix("r-")))
    assert reply == (REQUEST, 7)
    assert await book.unfetched_submission("core", "hospital") is None  # no acknowledgement was made yet
    sent = made("submit", channel="bigpayer", partner="bigpayer", direction="out", request_journal_id=7)
    await book.note(sent)
    assert [each.exchange_id for each in await book.open_submissions("bigpayer")] == [sent.exchange_id]
    await book.mark([sent], fetched=True)
    assert (await book.open_submissions("bigpayer"))[0].fetched_at == NOON
    await book.mark([sent], confirmed=True)
    assert await book.open_submissions("bigpayer") == []
    origin = await book.submission_of(7)
    assert origin is not None and (origin.channel, origin.direction) == ("core", "in")
    await store.outbox_settle("bigpayer", [(item.sequence, "confirmed")])
    balance = (await store.ledger()).sinks["bigpayer"]
    assert (balance.words["confirmed"], balance.open) == (1, 0)


async def test_document_is_passed_on_under_numbers_of_its_own_and_the_same_again(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")

    def passage(journal_id: int, numbers: int, kind: str = "relayed") -> Passage:
        return Passage(
            channel="bigpayer",
            partner="hospital",
            journal_id=journal_id,
            kind=kind,
            make=lambda first: b"%d" % first,
            address="BIGPAYER",
            numbers=numbers,
        )

    assert [await book.relay(passage(journal_id, 2)) for journal_id in (7, 8, 7)] == [b"1", b"3", b"1"]
    assert await book.relay(passage(9, 1, "batch")) == b"5"
    assert [await book.relayed_as(journal_id) for journal_id in (7, 8, 9, 10)] == [1, 3, 5, None]
    assert [item.body for item in await store.outbox_claim("bigpayer", 10)] == [
        b"5"
    ]  # what is sent at once is not queued


async def test_document_waits_until_it_is_acknowledged_and_unfetched_ones_come_first(
    store: Store, clock: Clock
) -> None:
    book = CoreBook(store, clock, "main")
    one, two = (made(DOCUMENT, request_journal_id=number, answer_journal_id=number + 10) for number in (1, 2))
    for each in (one, two):
        await book.note(each)
    assert [each.request_journal_id for each in await book.documents("core", "hospital", None)] == [1, 2]
    await book.mark([one], fetched=True)
    assert [each.request_journal_id for each in await book.documents("core", "hospital", None)] == [2, 1]
    assert [each.request_journal_id for each in await book.documents("core", "hospital", 1)] == [1]
    assert await book.documents("core", "clinic", None) == []
    await book.mark([one], confirmed=True)
    assert [each.request_journal_id for each in await book.documents("core", "hospital", None)] == [2]


async def test_answer_of_ours_takes_the_partners_next_control_number(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")
    body = unable_to_answer(REQUEST.replace(b"~SE*3", b"~NM1*PR*2*P*****PI*1~SE*4"), UNABLE, NOON)
    assert body is not None
    numbers = [await book.keep_answer("core", "HOSPITAL", 5, "271", body) for _ in range(2)]
    assert [text.count(b"*%09d*" % number) for number, text in enumerate(numbers, 1)] == [1, 1]
    assert [(each.kind, each.body) for each in await book.replies_to(5)] == [("271", text) for text in numbers]
    assert b"{" not in numbers[0] and await store.outbox_claim("core", 10) == []


async def test_times_down_are_kept_and_read_for_a_span(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")
    assert await book.last_open("core") is None
    await book.set_open("core", NOON)
    assert await book.last_open("core") == NOON
    await book.note(made("down", partner="", answered_at=NOON + timedelta(hours=1), outcome="down"))
    span = (NOON + timedelta(minutes=30), NOON + timedelta(hours=9))
    assert len(await exchanges.downs(store, ["core"], *span)) == 1
    assert await exchanges.downs(store, ["other"], *span) == []
    assert await exchanges.downs(store, ["core"], NOON + timedelta(hours=2), span[1]) == []


async def test_exchanges_past_the_retention_of_events_are_pruned(store: Store, clock: Clock) -> None:
    book = CoreBook(store, clock, "main")
    await book.note(made("real-time", started_at=NOON - timedelta(days=401)))
    await book.note(made("real-time"))
    assert await store.prune(NOON, Retention()) == Pruned(exchanges=1)
    rows = await exchanges.between(store, "hospital", NOON - timedelta(days=500), NOON + timedelta(days=1))
    assert [row["started_at"] for row in rows] == [NOON]

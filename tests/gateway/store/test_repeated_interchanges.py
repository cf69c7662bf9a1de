"""Which interchanges come under a control number that their sender has used: the claim says so, on both stores."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.ports import ItemEnd, JournalEntry, WriteSet
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from tests.gateway.store.samples import NOON

Store = SqliteStore | PostgresStore


def interchange(body: bytes, **changes: object) -> JournalEntry:
    given = {
        "channel": "payers",
        "kind": "x12",
        "facility_id": "GH",
        "peer": "in",
        "received_at": NOON,
        "body": body,
        "sender": "PAYER5",
        "control_id": "000000101",
        "dedup_key": body.ljust(16, b"."),
        "lanes": (1,),
    }
    return JournalEntry(**given | changes)  # type: ignore[arg-type]


async def repeated(store: Store, *entries: JournalEntry) -> list[bool]:
    """What a claim says of each entry that became work; the work is ended."""
    await store.ingest(list(entries))
    session = await store.claim(50)
    assert session is not None
    async with session:
        found = [item.repeated for item in session.items]
        await session.commit(WriteSet(done=[item.work_id for item in session.items]))
    return found


async def test_number_again_with_other_content_is_repeated(store: Store) -> None:
    assert await repeated(store, interchange(b"one"), interchange(b"two")) == [False, True]
    assert await repeated(store, interchange(b"three")) == [True]


async def test_number_of_another_sender_channel_or_time_is_not_repeated(store: Store) -> None:
    assert await repeated(store, interchange(b"one")) == [False]
    later = NOON + timedelta(days=15)
    others = [
        interchange(b"two", sender="PAYER6"),
        interchange(b"three", channel="others"),
        interchange(b"four", control_id="000000102"),
        interchange(b"five", control_id=""),
        interchange(b"six", control_id=""),
        interchange(b"seven", received_at=later),
    ]
    assert await repeated(store, *others) == [False] * 6


async def test_number_is_remembered_as_long_as_the_setting_says(store: Store) -> None:
    store.seen_for = timedelta(days=30)
    later = [interchange(b"two", received_at=NOON + timedelta(days=29)), interchange(b"six", control_id="000000102")]
    assert await repeated(store, interchange(b"one")) == [False]
    assert await repeated(store, *later) == [True, False]
    store.seen_for = timedelta(days=7)
    assert await repeated(store, interchange(b"three", received_at=NOON + timedelta(days=37))) == [False]


async def test_copy_and_hl7_are_not_repeated(store: Store) -> None:
    assert await repeated(store, interchange(b"one"), interchange(b"one")) == [False]
    messages = [interchange(b"hl7 one", kind="hl7v2"), interchange(b"hl7 two", kind="hl7v2")]
    assert await repeated(store, *messages) == [False, False]


async def test_number_of_a_refused_envelope_may_come_again(store: Store) -> None:
    await store.ingest([interchange(b"broken")])
    session = await store.claim(50)
    assert session is not None
    async with session:
        (item,) = session.items
        end = ItemEnd(journal_id=item.journal_id, item=1, end="rejected", reason="envelope:001", channel="payers")
        await session.commit(WriteSet(done=[item.work_id], ends=[end]))
    assert await repeated(store, interchange(b"mended")) == [False]

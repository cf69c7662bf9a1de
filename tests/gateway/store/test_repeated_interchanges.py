"""Which interchanges come under a control number that their sender has used: the claim says so, on both stores."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.limits import number_key
from gateway.store.ports import ItemEnd, JournalEntry, LoadRequest, UsedNumber, WriteSet
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


def key_of(number: str, sender: str = "PAYER5") -> bytes:
    return number_key("payers", sender, number)


def further(body: bytes, *numbers: str, **changes: object) -> JournalEntry:
    """A body of several interchanges: under 000000101, and behind it these."""
    content = body.ljust(16, b".")
    first = key_of(str(changes.get("control_id", "000000101"))) + content
    return interchange(body, dedup_key=first, further=tuple(key_of(one) + content for one in numbers), **changes)


async def used(store: Store, *asked: str, end: str = "") -> list[str]:
    """Which of these numbers the newest row's interchanges have from earlier rows; its work is ended."""
    session = await store.claim(50)
    assert session is not None
    async with session:
        item = session.items[-1]
        numbers = [
            UsedNumber(journal_id=item.journal_id, place=place, key=key_of(number))
            for place, number in enumerate(asked)
        ]
        loaded = await session.load(LoadRequest(numbers=numbers))
        ends = (
            [ItemEnd(journal_id=item.journal_id, item=2, end="rejected", reason=end, channel="payers")] if end else []
        )
        await session.commit(WriteSet(done=[one.work_id for one in session.items], ends=ends))
    return [asked[place] for journal_id, place in loaded.rows["used"] if journal_id == item.journal_id]


async def test_numbers_behind_the_first_interchange_are_known_again(store: Store) -> None:
    numbers = ("000000102", "000000103")
    await store.ingest([further(b"one", *numbers)])
    assert await used(store, *numbers) == []
    await store.ingest([further(b"two", "000000103", "000000104", control_id="000000200")])
    assert await used(store, "000000103", "000000104") == ["000000103"]
    await store.ingest([further(b"three", "000000200", control_id="000000300")])
    assert await used(store, "000000200", "000000104", "000000101", "00000010") == [
        "000000200",
        "000000104",
        "000000101",
    ]


async def test_numbers_behind_the_first_are_told_in_one_batch_and_forgotten_in_time(store: Store) -> None:
    await store.ingest([further(b"one", "000000102"), further(b"two", "000000102", control_id="000000200")])
    assert await used(store, "000000102") == ["000000102"]
    store.seen_for = timedelta(seconds=-1)
    await store.ingest([further(b"three", "000000102", control_id="000000300")])
    assert await used(store, "000000102") == []


async def test_number_behind_the_first_of_a_refused_envelope_may_come_again(store: Store) -> None:
    await store.ingest([further(b"broken", "000000102")])
    assert await used(store, "000000102", end="envelope:001") == []
    await store.ingest([further(b"mended", "000000102", control_id="000000200")])
    assert await used(store, "000000102") == []


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

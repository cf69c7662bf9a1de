"""The table of requests over CAQH CORE."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

from gateway.store.columns import BIGINT, UtcDateTime, words


def exchange_table(metadata: MetaData) -> Table:
    """One row per request, ours or a partner's, with its answer; or per document that waits for a partner."""
    exchange = Table(
        "exchange",
        metadata,
        Column("exchange_id", BIGINT, primary_key=True),
        *words("channel", "partner", "direction", "kind", "form"),  # in | out; real-time | submit | ... | down
        *words("payload_type", "payload_id", "outcome"),  # outcome: Success, an error code, or "" while open
        Column("started_at", UtcDateTime, nullable=False),
        Column("answered_at", UtcDateTime),
        Column("dedup_key", Text),  # channel, partner and PayloadID of what brought a document
        Column("digest", LargeBinary),  # SHA-256 of the document
        Column("control_number", Text, nullable=False),  # ISA13 of the document
        Column("request_journal_id", BigInteger, index=True),
        Column("answer_journal_id", BigInteger),
        Column("reply_id", BigInteger),  # of a document of ours that waits for a partner
        Column("fetched_at", UtcDateTime),  # of a document that waits for a partner: picked up
        Column("confirmed_at", UtcDateTime),  # ... and acknowledged
        sqlite_autoincrement=True,
    )
    Index("uq_exchange_key", exchange.c.dedup_key, unique=True)
    Index("ix_exchange_answer", exchange.c.answer_journal_id)
    Index("ix_exchange_partner", exchange.c.partner, exchange.c.started_at)
    return exchange

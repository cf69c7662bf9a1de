"""One payer's feed for the X12 tests."""

from __future__ import annotations

from datetime import UTC, datetime

from mappings.profile import FeedProfile

PROFILE = FeedProfile(channel="payer", default_facility="genhosp")
RECEIVED = datetime(2026, 11, 10, 15, 0, tzinfo=UTC)
AS_OF = datetime(2026, 11, 10, 14, 15, tzinfo=UTC)  # BHT of the tests' interchanges: 09:15 in New York

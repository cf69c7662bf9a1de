"""A chosen hundred of the corpus: what each message is read as, answered, and would change, without a value of it.

The golden file holds words and codes of ours only, so that it can be read and reviewed: triggers, outcomes, event types,
states, rules, problem codes.  `python -m tests.gateway.test_corpus_golden` writes it again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.records import Appointment, Encounter, Task
from gateway.explain import Followed, explain
from mappings.profile import FeedProfile
from parsers.hl7v2.acknowledgement import answer_code
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import scan_header

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hl7"
GOLDEN = Path(__file__).with_name("corpus_golden.json")
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
FEED = FeedProfile(channel="adt", default_authority="HOSP", processing_ids=("P", "T", "D"))
CHOSEN = 100


def chosen() -> list[tuple[str, bytes]]:
    """(file, message): of each ADT and SIU event and each oddity of reading turn by turn, by name, until a hundred."""
    kinds: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for path in sorted(CORPUS.rglob("*")):
        if path.is_file():
            raw = next(iter(split_batch(path.read_bytes()).messages), b"")
            header = scan_header(raw)
            code = header.message_code.upper()
            if code in (b"ADT", b"SIU"):
                kinds[f"{code.decode()}^{header.trigger_event.decode('latin-1')[:3]}"].append(
                    (path.relative_to(CORPUS).as_posix(), raw)
                )
    found: list[tuple[str, bytes]] = []
    row = 0
    while len(found) < CHOSEN:
        for kind in sorted(kinds):
            if row < len(kinds[kind]) and len(found) < CHOSEN:
                found.append(kinds[kind][row])
        row += 1
    return sorted(found)


def summary(raw: bytes) -> dict[str, Any]:
    found = explain(raw, FEED, CoordinationSettings(), NOW)
    reading = found.reading
    verdict = "reject" if reading.outcome == "rejected" else "accept"
    said: dict[str, Any] = {
        "answer": answer_code(scan_header(raw), "auto", verdict),
        "outcome": reading.outcome if reading.outcome != "events" else "processed",
        "reason": reading.reason,
        "problems": sorted({f"{one.severity} {one.code} {one.location.partition('^')[0]}" for one in reading.problems}),
        "events": [_followed(one) for one in found.followed],
    }
    return {name: value for name, value in said.items() if value}


def _followed(followed: Followed) -> dict[str, Any]:
    records = followed.changes.upserts
    said: dict[str, Any] = {
        "type": followed.type,
        "published": [one.type for one in followed.changes.emitted],
        "encounters": [f"{one.class_} {one.status}" for one in records if isinstance(one, Encounter)],
        "appointments": [one.status for one in records if isinstance(one, Appointment)],
        "tasks": sorted(one.rule_id for one in records if isinstance(one, Task)),
        "ended": followed.changes.reason,
        "failed": [one.rule_id for one in followed.changes.failures],
    }
    return {name: value for name, value in said.items() if value}


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
def test_corpus_hundred_is_read_answered_and_decided_as_reviewed() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    found = {name: summary(raw) for name, raw in chosen()}
    assert found.keys() == golden.keys()
    for name, said in found.items():
        assert said == golden[name], name
    assert not [name for name, said in found.items() if any("failed" in one for one in said.get("events", ()))]


if __name__ == "__main__":
    lines = (f" {json.dumps(name)}: {json.dumps(summary(raw))}" for name, raw in chosen())
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")

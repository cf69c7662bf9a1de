"""The reconciler sees each kind of damage, planted by hand into the store of a run in which nothing went wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.configuration import Ground
from tests.support.evidence import Evidence
from tests.support.kill_rig import KillRig
from tests.support.reconcile import reconcile

pytestmark = pytest.mark.journey

SECOND = "(SELECT journal_id FROM journal WHERE duplicate_of IS NULL ORDER BY journal_id LIMIT 1 OFFSET 1)"
DAMAGES = {
    "a message is gone": (f"DELETE FROM journal WHERE journal_id = {SECOND}", {"lost"}),
    "a body is another": (f"UPDATE journal SET digest = x'00' WHERE journal_id = {SECOND}", {"lost", "unknown"}),
    "a message has no end": (f"DELETE FROM item_end WHERE journal_id = {SECOND}", {"unended"}),
    "a message was filtered": (f"UPDATE item_end SET word = 'filtered' WHERE journal_id = {SECOND}", {"unended"}),
    "a copy counts as new": (
        f"INSERT INTO journal SELECT journal_id + 100000, {{rest}} FROM journal WHERE journal_id = {SECOND}",
        {"effects"},
    ),
    "an encounter is missing": ("DELETE FROM encounters WHERE rowid = 1", {"effects"}),
    "an encounter is there twice": (
        "UPDATE encounters SET visit_number = (SELECT visit_number FROM encounters WHERE rowid = 2) WHERE rowid = 1",
        {"effects"},
    ),
    "an event is missing": ("DELETE FROM events WHERE type = 'encounter.admitted' AND seq < 20", {"effects"}),
    "a task was made twice": (
        "UPDATE events SET aggregate_id = 'tsk_x' WHERE seq = (SELECT min(seq) FROM events WHERE type = 'task.created')",
        {"effects"},
    ),
    "events changed places": ("UPDATE events SET seq = -seq", {"inversions"}),
    "a counter is off": ("UPDATE ledger SET count = count + 1 WHERE word = 'processed'", {"ledger"}),
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[KillRig, Path]:
    ground = Ground(tmp_path_factory.mktemp("clean"))
    rig = KillRig(ground)
    outcome = asyncio.run(
        rig.run(4)
    )  # one kill may come before any patient has a second message to be put out of order
    assert outcome.findings.broken == {}, outcome.report()
    assert max(message.sequence for message in rig.outcome.ledger.sent.values()) > 2
    return rig, ground.folder / "var" / "baton.db"


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_found(clean: tuple[KillRig, Path], tmp_path: Path, damage: str) -> None:
    rig, original = clean
    statement, kinds = DAMAGES[damage]
    copy = tmp_path / "copy.db"
    with sqlite3.connect(original) as source, sqlite3.connect(copy) as target:
        source.backup(target)
        columns = [row[1] for row in target.execute("PRAGMA table_info(journal)")]
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute(statement.format(rest=", ".join(columns[1:])))
    source.close()
    target.close()

    findings = await reconcile(rig.outcome.ledger, Evidence(f"sqlite:///{copy}"), None)

    assert kinds <= findings.broken.keys()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda seen: seen[1:], "unpublished"),
        (lambda seen: ["evt_x", *seen], "unpublished"),
        (lambda seen: seen[::-1], "inversions"),
    ],
    ids=["one is missing", "one too many", "backwards"],
)
async def test_a_bus_that_tells_another_story_is_found(clean: tuple[KillRig, Path], change: object, kind: str) -> None:
    rig, store = clean
    evidence = Evidence(f"sqlite:///{store}")
    told: Sequence[str] = [event_id for (event_id,) in await evidence.rows("SELECT event_id FROM events ORDER BY seq")]
    assert callable(change)

    assert (await reconcile(rig.outcome.ledger, evidence, told)).broken == {}
    assert (await reconcile(rig.outcome.ledger, evidence, change(told))).broken.keys() == {kind}

"""The proof is proved: a gateway with a planted fault must be found out (tests.support.mutants).

The faults of syncing are met in test_sync_order: no kill of a process can show them, for the page cache outlives it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.configuration import Ground
from tests.support.kill_rig import KillRig

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]


async def test_answers_before_the_commit_are_found_as_lost_messages(tmp_path: Path) -> None:
    outcome = await KillRig(Ground(tmp_path), mutant="ack-before-commit").run(15, until_broken=True)

    print(outcome.report())
    assert outcome.findings.lost


@pytest.fixture
def with_bus(tmp_path: Path, rabbitmq_url: str, bus_name: str) -> Ground:
    """SQLite, publishing to RabbitMQ."""
    return Ground(tmp_path, bus_url=rabbitmq_url, exchange=bus_name, queue=f"{bus_name}.witness")


@pytest.mark.parametrize("mutant", ["outbox-in-memory", "sent-before-confirm"])
async def test_events_that_were_not_kept_until_confirmed_are_found_missing(with_bus: Ground, mutant: str) -> None:
    for number in range(4):  # a kill must fall between two steps: chance decides in which run the first one does
        folder = with_bus.folder / f"run{number}"
        folder.mkdir()
        ground = replace(with_bus, folder=folder, queue=f"{with_bus.queue}.{number}")
        outcome = await KillRig(ground, mutant=mutant).run(5)
        print(outcome.report())
        assert not outcome.findings.lost
        if outcome.findings.unpublished:
            return
    raise AssertionError("the planted fault was not found out")

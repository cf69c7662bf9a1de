"""The two ways to run, as a test asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.configuration import Ground

EMBEDDED, PRODUCTION = "sqlite", "postgres-rabbitmq"


def make_ground(request: pytest.FixtureRequest, kind: str, folder: Path) -> Ground:
    """SQLite and the embedded event log, or a fresh database and a queue of its own on the shared servers."""
    if kind == EMBEDDED:
        return Ground(folder)
    name = request.getfixturevalue("bus_name")
    return Ground(
        folder,
        store_url=request.getfixturevalue("postgres_database"),
        bus_url=request.getfixturevalue("rabbitmq_url"),
        exchange=name,
        queue=f"{name}.witness",
    )

"""One played day for all tests here that look at what the gateway leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.played_day import PlayedDay, play


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> PlayedDay:
    return play(Path(tmp_path_factory.mktemp("day")))

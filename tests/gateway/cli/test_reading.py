"""explain, diff and profile learn, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.gateway.cli.conftest import ADMIT


def file_of(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, newline="")
    return str(path)


def test_explain_says_fields_events_and_what_follows(baton: Any, tmp_path: Path) -> None:
    result = baton("explain", file_of(tmp_path, "a.hl7", ADMIT.format(id="M1")))
    assert result.code == 0
    for words in (
        "Patient identification",
        "PID-3",
        "Patient identifier list",
        "Read as encounter.admitted",
        "check of",
    ):
        assert words in result.out


def test_explain_in_json_is_one_object_a_message(baton: Any, tmp_path: Path) -> None:
    result = baton("explain", "--json", file_of(tmp_path, "a.hl7", ADMIT.format(id="M1") + ADMIT.format(id="M2")))
    found = [json.loads(line) for line in result.out.splitlines()]
    assert len(found) == 2
    assert found[0]["reading"]["outcome"] == "events"


def test_explain_of_a_channel_that_is_not_there_ends_with_2(baton: Any, tmp_path: Path) -> None:
    assert baton("explain", "--channel", "nope", file_of(tmp_path, "a.hl7", "MSH")).code == 2


def test_explain_of_nothing_readable_ends_with_1(baton: Any, tmp_path: Path) -> None:
    assert baton("explain", file_of(tmp_path, "empty", "")).code == 1
    assert baton("explain", file_of(tmp_path, "noise", "hello")).code == 1


def test_profile_learn_of_nothing_readable_ends_with_1(baton: Any, tmp_path: Path) -> None:
    assert baton("profile", "learn", file_of(tmp_path, "noise", "hello")).code == 1


def test_diff_shows_each_difference_with_its_name_and_ends_with_1(baton: Any, tmp_path: Path) -> None:
    before = file_of(tmp_path, "a.hl7", ADMIT.format(id="M1"))
    after = file_of(tmp_path, "b.hl7", ADMIT.format(id="M2"))
    result = baton("diff", "--json", before, after)
    assert result.code == 1
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"place": "MSH^1^10", "name": "Message control ID", "before": "M1", "after": "M2"}
    ]
    assert baton("diff", before, before).code == 0


def test_diff_of_what_is_no_message_ends_with_2(baton: Any, tmp_path: Path) -> None:
    assert baton("diff", file_of(tmp_path, "a", "x"), file_of(tmp_path, "b", "y")).code == 2
    assert baton("diff", str(tmp_path / "none"), str(tmp_path / "none")).code == 2


def test_profile_learn_prints_a_channel(baton: Any, tmp_path: Path) -> None:
    result = baton("profile", "learn", "--name", "north", file_of(tmp_path, "a.hl7", ADMIT.format(id="M1")))
    assert result.code == 0
    assert 'name = "north"' in result.out
    assert baton("profile", "learn", file_of(tmp_path, "b", "")).code == 1

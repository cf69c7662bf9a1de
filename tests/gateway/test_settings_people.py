"""Teams, coordinators and panels in baton.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.settings.check import check

TEAM = '[[team]]\nid = "t"\nmembers = ["ann"]\nqueues = ["um"]\n'


@pytest.mark.parametrize(
    ("text", "severity", "key"),
    [
        (TEAM, "error", "people.fallback"),
        ('[people]\nfallback = "x"\n' + TEAM, "error", "people.fallback"),
        ('[people]\nfallback = "t"\n' + TEAM + TEAM, "error", "team.1.id"),
        (
            '[people]\nfallback = "t"\n' + TEAM + '[[coordinator]]\nid = "ann"\nactive = false\n',
            "warning",
            "team.0.members",
        ),
        ('[[panel]]\nid = "p"\ncoordinator = "ann"\n', "warning", "panel.0.id"),
        (
            '[[panel]]\nid = "p"\ncoordinator = "ann"\npcps = ["D1"]\n[[coordinator]]\nid = "ann"\nactive = false\n',
            "warning",
            "panel.0.coordinator",
        ),
    ],
)
def test_staff_that_cannot_work_is_found(tmp_path: Path, text: str, severity: str, key: str) -> None:
    path = tmp_path / "baton.toml"
    path.write_text(text)
    found = [finding for finding in check(path) if finding.key == key]
    assert [finding.severity for finding in found] == [severity]
    assert found[0].line > 0 or key == "people.fallback"


def test_panel_names_groups_of_the_site_or_prefixes() -> None:
    settings = Settings(
        coordination={"condition_groups": {"heart": ["I50", "I11.0"]}},  # type: ignore[arg-type]
        panel=[{"id": "p", "coordinator": "ann", "diagnosis_groups": ["heart", "E11.9"]}],  # type: ignore[arg-type]
    )
    assert settings.staff.panels[0].diagnoses == ("I50", "I110", "E119")


def test_without_a_team_there_is_nothing_to_say() -> None:
    assert Settings().staff.teams == ()

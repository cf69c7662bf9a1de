"""A site's own rules: loaded or left out with their fault named, listed, run and tested by scenario files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import site_rules
from gateway.cli.commands import app
from gateway.compute.protocol import Configure, Configured
from gateway.compute.steps import Steps
from gateway.compute.worker import answer_to
from gateway.coordination.rules.registry import CATALOGUE, RULES
from gateway.scenario import play, read_scenario
from gateway.settings import Settings
from gateway.site_rules import load_site_rules

SAMPLES = Path(__file__).parents[2] / "samples" / "rules"
WEEKEND = (SAMPLES / "weekend_discharge.py").read_text()
ID = "site-weekend-discharge"


@pytest.fixture(autouse=True)
def our_rules_alone() -> Iterator[None]:
    yield
    CATALOGUE.install([])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weekend.py").write_text(WEEKEND)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def broken(:\n", "odd.py: SyntaxError at line 1"),
        ("\nraise ValueError('MRN 900123')\n", "odd.py: ValueError at line 2"),
        ("raise SystemExit(3)\n", "odd.py: SystemExit at line 1"),
        ("while True:\n    pass\n", "odd.py: TimeoutError at line"),
        (WEEKEND.replace('"urgent"', '"soon"').replace(ID, "other"), "priority must be one of"),
        (WEEKEND.replace("watches=(Encounter,)", "watches=()").replace(ID, "other"), "never looks"),
        (WEEKEND.replace(ID, "discharge-contact-2bd"), "its id is taken"),
    ],
)
def test_a_module_that_cannot_run_is_left_out_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.setattr(site_rules, "SECONDS", 0.3)
    (folder / "odd.py").write_text(text)
    found = load_site_rules(str(folder))
    assert [rule.id for rule in found.rules] == [ID]
    assert len(found.faults) == 1 and fault in found.faults[0] and "900123" not in found.faults[0]


def test_nothing_named_and_nothing_there(tmp_path: Path) -> None:
    assert load_site_rules("") == site_rules.SiteRules()
    assert load_site_rules(str(tmp_path / "absent")).faults == ["absent: there is no such file or folder"]


def test_compute_process_takes_the_rules_and_a_reload_takes_them_away(folder: Path) -> None:
    (folder / "odd.py").write_text("import nowhere_at_all\n")
    given = {"profiles": {}, "coordination": {}, "gap_policy": {}, "salt": bytes(32)}
    answer = answer_to(Steps(), Configure(**given, version=1, site_rules=str(folder)))
    assert isinstance(answer, Configured) and answer.faults == ["odd.py: ModuleNotFoundError at line 1"]
    assert CATALOGUE.by_id[ID].task.startswith("Call tonight")
    answer_to(Steps(), Configure(**given, version=2))
    assert CATALOGUE.rules == RULES


def test_the_sample_scenario_passes_and_says_what_a_changed_rule_does(folder: Path) -> None:
    scenario = read_scenario(SAMPLES / "weekend_discharge.toml")
    CATALOGUE.install(load_site_rules(str(folder)).rules)
    assert play(scenario, Settings(), SAMPLES) == []
    (folder / "weekend.py").write_text(WEEKEND.replace("hours(6)", "hours(8)"))
    CATALOGUE.install(load_site_rules(str(folder)).rules)
    assert play(scenario, Settings(), SAMPLES) == [f"{ID}: due is 2026-07-12 19:00, expected 2026-07-12 17:00"]
    CATALOGUE.install([])
    assert play(scenario, Settings(), SAMPLES)[0].startswith(f"{ID}: expected 1 open, found 0")


def test_a_rule_that_raises_fails_its_scenario_by_name(folder: Path) -> None:
    (folder / "weekend.py").write_text(WEEKEND.replace("left = stay.discharged_at\n", "left = stay.nothing\n"))
    CATALOGUE.install(load_site_rules(str(folder)).rules)
    with pytest.raises(ValueError, match=f"step 2 .* rule {ID} failed: AttributeError"):
        play(read_scenario(SAMPLES / "weekend_discharge.toml"), Settings(), SAMPLES)


def test_commands_list_and_test_rules(folder: Path) -> None:
    run = CliRunner()
    listed = run.invoke(app, ["rules", "list", "--json", "--site-rules", str(folder)])
    rows = {row["id"]: row for row in map(json.loads, listed.stdout.splitlines())}
    assert (rows[ID]["from"], rows[ID]["on"], rows["pcp-changed"]["on"]) == ("site", "yes", "no")
    scenario = str(SAMPLES / "weekend_discharge.toml")
    passed = run.invoke(app, ["rules", "test", scenario, "--site-rules", str(folder)])
    failed = run.invoke(app, ["rules", "test", scenario, "--site-rules", str(folder / "absent")])
    assert (passed.exit_code, failed.exit_code) == (0, 1) and passed.stdout.startswith("passed")
    odd = folder / "odd.toml"
    odd.write_text("titel = 'x'\n")
    assert run.invoke(app, ["rules", "test", str(odd)]).exit_code == 2


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("at = 'tomorrow'", "is no time"),
        ("at = '2026-07-01 09:00'\nmessage = 'nothing that can be read'", "ends rejected"),
        ("at = '2026-07-01 09:00'\nmessage = 'x'\nchannel = 'nowhere'", "no channel nowhere"),
    ],
)
def test_a_scenario_that_cannot_be_played_says_at_which_step(tmp_path: Path, step: str, reason: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(f"title = 'odd'\n[[step]]\n{step}\n")
    with pytest.raises(ValueError, match=reason):
        play(read_scenario(file), Settings(), tmp_path)

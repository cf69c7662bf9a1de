"""Settings: defaults, file, environment, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings, is_loopback
from gateway.settings.channels import FileDrop, MllpListener
from gateway.settings.check import Finding, SettingsError, check, load, render_finding
from gateway.settings.lines import index_lines


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("BATON_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / "baton.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[Finding]:
    return [finding for finding in check(write(folder, text)) if finding.severity == "error"]


def test_settings_without_file_give_one_listener_and_one_file_drop() -> None:
    settings = load()
    adt, payers = settings.channel
    assert isinstance(adt, MllpListener) and (adt.name, adt.host, adt.port) == ("adt", "127.0.0.1", 2575)
    assert isinstance(payers, FileDrop) and payers.folder == "var/payers/in" and payers.out == "var/payers/out"
    assert [facility.id for facility in settings.facilities] == ["main"]
    assert settings.store.url == "sqlite:///var/baton.db"
    assert settings.api.host == "127.0.0.1"


def test_settings_data_dir_moves_everything_that_has_no_place_of_its_own(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[gateway]\ndata_dir = "/srv/baton"\n'))
    assert settings.store.url == "sqlite:////srv/baton/baton.db"
    assert settings.find_channel("payers").folder == "/srv/baton/payers/in"  # type: ignore[union-attr]


def test_settings_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_API__PORT", "9000")
    monkeypatch.setenv("BATON_FACILITY", '[{"id": "north"}]')
    monkeypatch.setenv("BATON_CHANNEL", "[]")
    settings = load(write(tmp_path, "[api]\nport = 8081\nmax_body = 2048\n"))
    assert (settings.api.port, settings.api.max_body) == (9000, 2048)
    assert settings.facility[0].id == "north"


def test_settings_wrong_environment_names_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_API__PORT", "many")
    with pytest.raises(SettingsError) as refused:
        load(write(tmp_path, "[store]\nseen_days = 3\n"))
    assert str(refused.value).startswith("environment: error: api.port:")


def test_settings_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_APY__PORT", "1")
    assert [finding.key for finding in check()] == ["BATON_APY__PORT"]


def test_settings_profile_takes_the_channel_and_the_facilities(tmp_path: Path) -> None:
    settings = load(
        write(
            tmp_path,
            """
[[facility]]
id = "north"
aliases = ["NGH"]
zone = "America/Chicago"

[[channel]]
name = "siu"
kind = "mllp-listener"
stage = "load"
zone = "America/Denver"
default_facility = "north"
patient_id = [{ authority = "NGH", type = "MR" }]
observation_when = [["PV1-18", "OBS"]]
""",
        )
    )
    profile = settings.profile("siu")
    assert (profile.channel, profile.zone, profile.default_facility) == ("siu", "America/Denver", "north")
    assert profile.patient_id[0].authority == "NGH"
    assert profile.observation_when == (("PV1-18", "OBS"),)
    assert profile.facility_of("NGH") == ("north", True)
    coordination = settings.coordination_settings("siu")
    assert (coordination.stage, coordination.facilities) == ("load", {"north": ("America/Chicago", "us-federal")})
    assert settings.coordination_settings().stage == "live"
    with pytest.raises(KeyError):
        settings.profile("other")


def test_settings_version_follows_the_content(tmp_path: Path) -> None:
    one = load(write(tmp_path, "[coordination]\ncontact_bd = 3\n"))
    assert one.version == load(write(tmp_path, "[coordination]\n\ncontact_bd = 3\n")).version != Settings().version


@pytest.mark.parametrize(
    ("text", "line", "key", "cure"),
    [
        ('[gateway]\nlog_levl = "INFO"\n', 2, "gateway.log_levl", "`log_level`"),
        ('[gateway]\nlog_level = "LOUD"\n', 2, "gateway.log_level", "'DEBUG'"),
        ("[api]\n\nport = 70000\n", 3, "api.port", "docs/settings.md"),
        ('[api]\nport = 1\nhost = "0.0.0.0"\n', 3, "api.host", "allow_remote"),
        ('[store]\nurl = "mysql://x"\n', 1, "store", "docs/settings.md"),
        ('[[facility]]\nid = "a"\n[[facility]]\nzone = "UTC"\n', 3, "facility.1.id", "Add `id"),
        ('[[facility]]\nid = "main"\nzone = "Mars/Olympus"\n', 3, "facility.0.zone", "docs/settings.md"),
        ('[[facility]]\nid = "main"\n\n[[facility]]\nid = "main"\n', 5, "facility.1.id", "Rename"),
        ('[[channel]]\nname = "a"\nkind = "smtp"\n', 1, "channel.0", "file-drop, mllp-listener"),
        ('[[channel]]\nname = "a"\nkind = "file-drop"\nport = 1\n', 4, "channel.0.port", "Remove it"),
        (
            '[[channel]]\nname = "a"\nkind = "file-drop"\n[[channel]]\nname = "a"\nkind = "mllp-listener"\n',
            5,
            "channel.1.name",
            "its own",
        ),
        (
            '[[channel]]\nname="a"\nkind="mllp-listener"\nport=1\n[[channel]]\nname="b"\nkind="mllp-listener"\nport=1\n',
            8,
            "channel.1.port",
            "its own",
        ),
        (
            '[[channel]]\nname = "a"\nkind = "mllp-listener"\nhost = "10.0.0.1"\n',
            4,
            "channel.0.host",
            "allow_plaintext",
        ),
        (
            '[[channel]]\nname = "a"\nkind = "mllp-listener"\ndefault_facility = "x"\n',
            4,
            "channel.0.default_facility",
            "main",
        ),
        (
            '[[channel]]\nname="a"\nkind="mllp-listener"\npatient_id = [\n  {type="MR"},\n  {typ="PI"},\n]\n',
            6,
            "channel.0.patient_id.1.typ",
            "`type`",
        ),
        (
            '[[channel]]\nname = "a"\nkind = "mllp-listener"\n[[channel.peer]]\ncertificate = ["x"]\n',
            4,
            "channel.0.peer.0.certificate",
            "client_ca",
        ),
        (
            '[[channel]]\nname = "a"\nkind = "mllp-listener"\n[[channel.peer]]\naddress = ["10.0.0.1/8"]\n',
            5,
            "channel.0.peer.0.address.0",
            "docs/settings.md",
        ),
        (
            '[[channel]]\nname = "a"\nkind = "mllp-listener"\n[[channel.peer]]\nsenders = ["A|B"]\n',
            4,
            "channel.0.peer.0",
            "docs/settings.md",
        ),
        ("[api]\nport = \n", 2, "", "quotes"),
        ("nonsense = 1\n", 1, "nonsense", "docs/settings.md"),
        ('data_dir = "var"\n', 1, "data_dir", "[gateway]"),
        ('[store]\ndata_dir = "var"\n', 2, "store.data_dir", "[gateway]"),
    ],
)
def test_settings_wrong_value_names_line_and_cure(tmp_path: Path, text: str, line: int, key: str, cure: str) -> None:
    found = problems(tmp_path, text)
    assert [(finding.line, finding.key) for finding in found] == [(line, key)]
    assert cure in found[0].cure
    with pytest.raises(SettingsError, match=f"baton.toml:{line}: error"):
        load(tmp_path / "baton.toml")


def test_settings_wrong_value_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    text = '[store]\nurl = "mysql://root:secret@db/x"\n[bus]\nurl = "http://user:secret@b"\n'
    with pytest.raises(SettingsError) as refused:
        load(write(tmp_path, text))
    assert "secret" not in str(refused.value) and len(refused.value.findings) == 2


def test_settings_missing_file_is_one_finding(tmp_path: Path) -> None:
    (found,) = check(tmp_path / "none.toml")
    assert found.severity == "error" and "cannot be read" in found.text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[bus]\nurl = "amqp://127.0.0.1"\n[[bus.queue]]\nname = "q"\nmax_length = 5\n', "bus.queue.0.bindings"),
        ('[bus]\nurl = "amqp://127.0.0.1"\n[[bus.queue]]\nname = "q"\nbindings = ["#"]\n', "bus.queue.0.max_length"),
        ('[[bus.queue]]\nname = "q"\nbindings = ["#"]\nmax_length = 5\n', "bus.queue"),
        ('[bus]\nurl = "amqp://rabbit"\npayload = "full"\n', "bus.payload"),
    ],
)
def test_settings_doubtful_value_is_a_warning_and_loads(tmp_path: Path, text: str, key: str) -> None:
    path = write(tmp_path, text)
    load(path)
    assert [(finding.severity, finding.key) for finding in check(path)] == [("warning", key)]


def test_settings_folder_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    text = f'[gateway]\ndata_dir = "{tmp_path}/taken"\n[[channel]]\nname = "a"\nkind = "mllp-listener"\n'
    assert [finding.key for finding in problems(tmp_path, text)] == ["gateway.data_dir"]


@pytest.mark.parametrize(
    ("url", "payload", "sent"),
    [
        ("", "", "full"),
        ("amqp://localhost:5672", "", "full"),
        ("amqps://rabbit.example", "", "full"),
        ("amqp://rabbit.example", "", "reference"),
        ("amqp://rabbit.example", "full", "full"),
        ("", "reference", "reference"),
    ],
)
def test_settings_payload_default_keeps_patient_data_off_open_networks(url: str, payload: str, sent: str) -> None:
    assert Settings(bus={"url": url, "payload": payload}).bus_payload == sent  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("db", False)],
)
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_lines_index_covers_tables_arrays_and_inline_tables() -> None:
    text = '# c\n[a]\nb.c = """\n[x]\nk = 1\n"""\n"d e" = [ # [\n  1, "]",\n  { f = 1 },\n]\n[[g]]\n[[g.h]]\ni = 1.5\n[g.j]\nk = 2020-01-01T00:00:00Z\n'
    lines = index_lines(text)
    assert lines[("a", "b", "c")] == 3 and ("x",) not in lines
    assert lines[("a", "d e", 2, "f")] == 9
    assert lines[("g", 0, "h", 0, "i")] == 13 and lines[("g", 0, "j", "k")] == 15


def test_settings_codes_of_a_feed_are_in_the_case_in_which_they_are_compared(tmp_path: Path) -> None:
    path = write(tmp_path, FEED + 'processing_ids = ["p"]\nself_pay_classes = ["Self "]\n')
    (channel,) = load(path).channel
    profile = load(path).profile(channel.name)
    assert (profile.processing_ids, profile.self_pay_classes) == (("P",), ("SELF",))


def test_finding_is_rendered_in_one_line() -> None:
    finding = Finding(3, "error", "What.", "How.", "api.port")
    assert render_finding("baton.toml", finding) == "baton.toml:3: error: api.port: What. Cure: How."


FEED = '[[channel]]\nname = "adt"\nkind = "mllp-listener"\n'


def test_settings_feed_profile_is_what_the_mapping_reads(tmp_path: Path) -> None:
    text = FEED + (
        'translate = [{ field = "PV1-2", values = { INPT = "I" } }]\n'
        'relocate = [["ZPV-3", "PV1-36"]]\npick = [["case-manager", "ZPV-4.2"]]\n'
        'filter_events = ["ADT^A31", "SIU^*"]\nstructure = "warn"\ninsurance = "partial"\n'
        'character_set = "8859/1"\ncharacter_set_from = "channel"\n'
    )
    profile = load(write(tmp_path, text)).profile("adt")
    assert profile.translate[0].values == {"INPT": "I"}
    assert (profile.relocate, profile.pick) == ((("ZPV-3", "PV1-36"),), (("case-manager", "ZPV-4.2"),))
    assert (profile.filter_events, profile.structure, profile.insurance) == (("ADT^A31", "SIU^*"), "warn", "partial")
    assert (profile.character_set, profile.character_set_from, profile.adjusts) == ("8859/1", "channel", True)


@pytest.mark.parametrize(
    "line",
    [
        'relocate = [["ZPV-3", "PID-3.1"]]',
        'relocate = [["ZPV-3", "MSH-9"]]',
        'relocate = [["ZPV", "PV1-36"]]',
        'translate = [{ field = "PV1-2", values = { INPT = "I^x" } }]',
        'filter_events = ["everything"]',
        'structure = "strict"',
        'character_set = "KLINGON"',
        "processing_ids = []",
    ],
)
def test_settings_feed_profile_that_cannot_work_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (finding,) = problems(tmp_path, FEED + line + "\n")
    assert finding.line == 4

"""Commands that need no running gateway."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.console import text_of
from gateway.demo.run import empty
from tests.gateway.cli.conftest import ADMIT

ANSWER = b"\x0bMSH|^~\\&|C|D|A|B|1||ACK|X|P|2.5\rMSA|%s|%s\r\x1c\r"


@pytest.fixture
def peer() -> Iterator[int]:
    """An MLLP peer that answers AA, AE to ids with `refuse`, and for another id to those with `other`."""
    loop = asyncio.new_event_loop()
    ports: list[int] = []
    started = threading.Event()
    stop = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                control_id = (await reader.readuntil(b"\x1c\r")).split(b"|")[9]
                code = b"AE" if b"refuse" in control_id else b"AA"
                writer.write(ANSWER % (code, b"zz" if b"other" in control_id else control_id))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        async with server:
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    started.wait()
    yield ports[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def messages(folder: Path, *ids: str) -> Path:
    file = folder / "feed.hl7"
    file.write_text("".join(ADMIT.format(id=each) for each in ids), newline="")
    return file


def test_help_of_every_page_is_shown(baton: Any) -> None:
    assert "demo" in baton("--help").out
    assert "baton send" in baton("send", "--help").out


def test_send_counts_the_answers_and_keeps_a_ledger(baton: Any, peer: int, tmp_path: Path) -> None:
    kept = tmp_path / "acks.jsonl"
    ran = baton("send", messages(tmp_path, "1", "2", "3"), "--port", peer, "--ledger", kept, "--repeat", "2", "--json")
    assert ran.code == 0
    assert [(row["control_id"], row["code"]) for row in ran.rows] == [(str(n % 3 + 1), "AA") for n in range(6)]
    assert [json.loads(line)["index"] for line in kept.read_text().splitlines()] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("odd", ["refuse", "other"])
def test_send_that_is_not_accepted_ends_with_1(baton: Any, peer: int, tmp_path: Path, odd: str) -> None:
    ran = baton("send", messages(tmp_path, "1", odd), "--port", peer, "--connections", "2", "--rate", "100")
    assert ran.code == 1 and ("AE" if odd == "refuse" else "AA for another message") in ran.out


def test_send_without_a_peer_ends_with_1(baton: Any, tmp_path: Path) -> None:
    ran = baton("send", messages(tmp_path, "1"), "--port", "1", "--timeout", "2")
    assert ran.code == 1 and "no answer" in ran.out


def test_send_of_nothing_ends_with_2(baton: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert baton("send", tmp_path / "empty").code == 2
    assert baton("send", tmp_path / "absent").code == 2


def test_send_with_a_ledger_that_cannot_be_written_ends_with_2(baton: Any, tmp_path: Path) -> None:
    ran = baton("send", messages(tmp_path, "1"), "--ledger", tmp_path / "absent" / "answers.jsonl")
    assert ran.code == 2 and "no such file or directory" in ran.err


def test_store_in_an_absent_folder_is_told(baton: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_STORE__URL", f"sqlite:///{tmp_path}/absent/baton.db")
    ran = baton("ledger")
    assert ran.code == 3 and "cannot be opened" in ran.err


def test_demo_empties_no_folder_but_its_own(baton: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    ran = baton("demo", "--folder", tmp_path)
    assert ran.code == 2 and kept.read_text() == "mine"
    empty(tmp_path / "demo")
    (tmp_path / "demo" / "baton.db").touch()
    empty(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [".baton-demo"]


def test_inspect_prints_one_object_per_message(baton: Any, tmp_path: Path) -> None:
    ran = baton("inspect", messages(tmp_path, "1", "2"), "--tree")
    assert ran.code == 0
    assert [row["message"]["message_control_id"] for row in ran.rows] == ["1", "2"]
    assert all(row["tree"] for row in ran.rows)


def test_inspect_of_unreadable_files_goes_on_and_ends_with_1(baton: Any, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\x00\xff not a message")
    ran = baton("inspect", tmp_path / "noise", tmp_path / "absent", messages(tmp_path, "1"))
    assert ran.code == 1
    assert [row["standard"] for row in ran.rows] == ["unknown", "unknown", "hl7v2"]
    assert ran.rows[1]["problems"][0]["text"] == "no such file or directory"


def test_inspect_of_a_file_without_end_reads_no_more_than_the_limit(
    baton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.files.LARGEST", 1 << 20)
    ran = baton("inspect", "/dev/zero", ".")
    assert ran.code == 1
    assert [row["problems"][0]["text"] for row in ran.rows] == ["larger than 1 MiB", "is a directory"]


def test_check_names_line_and_cure(baton: Any, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    config.write_text("[api]\n\nprot = 1\n")
    ran = baton("check", "--config", config)
    assert ran.code == 1 and f"{config}:3: error: api.prot" in ran.out.replace("\n", "") and "`port`" in ran.out
    (row,) = baton("check", "--config", config, "--json").rows
    assert (row["line"], row["severity"], row["key"]) == (3, "error", "api.prot")
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n')
    assert baton("check", "--config", config).code == 0


def test_wrong_configuration_stops_every_command(baton: Any, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    config.write_text("[api]\nport = 'x'\n")
    ran = baton("tasks", "--config", config)
    assert ran.code == 2 and "baton.toml:2: error: api.port" in ran.err


def test_store_that_is_not_migrated_is_told(baton: Any, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n')
    ran = baton("tasks", "--config", config)
    assert ran.code == 3 and "baton migrate" in ran.err
    assert baton("migrate", "--config", config).code == 0
    assert baton("tasks", "--config", config).out == "No tasks.\n"


def test_change_without_a_running_gateway_is_told(baton: Any, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}"\n[api]\nport = 1\n')
    for words in (("channels",), ("parked", "retry", "1", "--reason", "x"), ("tasks", "claim", "t")):
        ran = baton(*words, "--config", config)
        assert ran.code == 3 and "baton serve" in ran.err


def test_cell_shows_control_characters_and_no_markup() -> None:
    assert text_of("a\x1b[31mb\n[red]") == "a\\x1b\\[31mb\\x0a\\[red]"


def test_simulate_shows_the_tasks_of_files_and_what_other_settings_change(baton: Any, tmp_path: Path) -> None:
    file = messages(tmp_path, "1")
    ran = baton("simulate", file, "--json")
    assert ran.code == 0
    figures, *tasks = ran.rows
    assert figures["figures"]["messages"] == 1 and {task["what"] for task in tasks} == {"new"}
    other = tmp_path / "other.toml"
    other.write_text('[coordination]\ndisabled_rules = ["no-pcp-on-file"]\n')
    compared = baton("simulate", file, "--with", other, "--json").rows
    assert [(row["what"], row["rule"]) for row in compared[1:]] == [("gone", "no-pcp-on-file")]
    assert "no-pcp-on-file" in baton("simulate", file, "--with", other).out


def test_simulate_of_nothing_ends_with_2_or_1(baton: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert baton("simulate", tmp_path / "empty").code == 1
    assert baton("simulate", tmp_path / "absent").code == 2
    assert baton("simulate", messages(tmp_path, "1"), "--channel", "nowhere").code == 2


@pytest.mark.parametrize(
    "options",
    [("--until", "2026-01-01 00:00:00"), ("--with", "x.toml"), ("--channel", "nowhere")],
)
def test_replay_that_makes_no_sense_ends_with_2(baton: Any, options: tuple[str, str]) -> None:
    assert baton("replay", "--since", "2026-01-02 00:00:00", *options).code == 2

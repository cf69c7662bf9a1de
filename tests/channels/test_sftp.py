"""SFTP against OpenSSH's own server and client."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from channels.ports import Answer, Delivery, DeliveryError, Outcome
from channels.sftp import Sftp, SftpSettings
from channels.sftp_account import SftpAccount
from tests.channels.fakes.file_intake import FileIntake
from tests.channels.sftp_server import SshServer, make_key, start_server
from tests.support.waiting import until

BODY = b"ISA*00*from the payer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    started = start_server(tmp_path_factory.mktemp("sshd"))
    yield started
    started.stop()


@pytest.fixture
def settings(server: SshServer, tmp_path: Path) -> SftpSettings:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    account = SftpAccount(
        host="127.0.0.1", port=server.port, user=server.user, host_key=(server.host_key,), key=server.key
    )
    return SftpSettings(
        name="payers",
        account=account,
        folder=str(tmp_path / "in"),
        out=str(tmp_path / "out"),
        poll_seconds=0.02,
        stable_seconds=0.03,
        max_file=100_000,
    )


class Opened:
    def __init__(self, settings: SftpSettings) -> None:
        self.settings = settings
        self.intake = FileIntake()
        self.sftp = Sftp(settings, self.intake)
        self.folder = Path(settings.folder)

    def names(self, folder: str = "") -> list[str]:
        """Partners' names: ours put a time before them."""
        path = self.folder / folder
        found = (entry.name for entry in path.iterdir() if entry.is_file()) if path.is_dir() else iter(())
        return sorted(name.partition("-")[2] if folder else name for name in found)


@pytest.fixture
async def opened(settings: SftpSettings) -> AsyncIterator[Opened]:
    made = Opened(settings)
    yield made
    await made.sftp.drain(2)
    await made.sftp.close()


@pytest.fixture
async def roomy(settings: SftpSettings) -> AsyncIterator[Opened]:
    made = Opened(replace(settings, max_file=16 << 20))
    yield made
    await made.sftp.drain(2)
    await made.sftp.close()


async def test_sftp_file_is_taken_whole_stored_and_moved(opened: Opened) -> None:
    await opened.sftp.start()
    (opened.folder / "a.x12").write_bytes(BODY)
    await until(lambda: opened.names("done") == ["a.x12"])
    assert [(unit.body, unit.kind, unit.peer) for unit in opened.intake.units] == [(BODY, "x12", "a.x12")]
    assert opened.names() == [] and (opened.sftp.stored, opened.sftp.trouble) == (1, None)


async def test_sftp_file_put_by_opensshs_client_is_taken_once_it_is_whole(opened: Opened, server: SshServer) -> None:
    await opened.sftp.start()
    big = opened.folder.parent / "big.x12"
    big.write_bytes(BODY * 4000)
    options = ["-oStrictHostKeyChecking=no", f"-oUserKnownHostsFile={server.folder}/known", "-i", server.key]
    command = ["sftp", "-q", "-b", "-", "-P", str(server.port), *options, f"{server.user}@127.0.0.1"]
    script = f"put {big} {opened.folder}/big.x12\n".encode()
    put = await asyncio.to_thread(subprocess.run, command, input=script, capture_output=True, timeout=60)
    assert put.returncode == 0, put.stderr
    await until(lambda: opened.names("done") == ["big.x12"])
    assert [unit.body for unit in opened.intake.units] == [BODY * 4000]


async def test_sftp_large_file_is_handed_over_block_by_block(roomy: Opened) -> None:
    await roomy.sftp.start()
    large = b"ISA*00*" + bytes(range(256)) * (9 << 12)
    (roomy.folder / "a.x12").write_bytes(large)
    await until(lambda: roomy.names("done") == ["a.x12"])
    assert [unit.body for unit in roomy.intake.units] == [large]
    assert roomy.intake.largest_block <= 1 << 20


async def test_sftp_large_file_that_changes_while_it_is_taken_in_is_read_again(
    roomy: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks, large = Sftp._blocks, b"ISA*" + b"x" * (3 << 20)

    async def growing(sftp: Sftp, client: Any, found: Any, limit: int) -> AsyncIterator[bytes]:
        async for block in blocks(sftp, client, found, limit):
            yield block
            if limit == len(large) and (roomy.folder / "a.x12").stat().st_size == limit:
                with (roomy.folder / "a.x12").open("ab") as writer:
                    writer.write(b"and more")

    monkeypatch.setattr(Sftp, "_blocks", growing)
    await roomy.sftp.start()
    (roomy.folder / "a.x12").write_bytes(large)
    await until(lambda: roomy.names("done") == ["a.x12"])
    assert [unit.body for unit in roomy.intake.units] == [large + b"and more"] and roomy.intake.changed == 1


async def test_sftp_file_that_still_grows_is_not_half_read(settings: SftpSettings) -> None:
    opened = Opened(replace(settings, stable_seconds=0.2))
    await opened.sftp.start()
    growing = opened.folder / "a.x12"
    for part in range(20):
        with growing.open("ab") as file:
            file.write(b"ISA%03d" % part)
        await asyncio.sleep(0.02)
    await until(lambda: opened.names("done") == ["a.x12"])
    assert [unit.body for unit in opened.intake.units] == [b"".join(b"ISA%03d" % part for part in range(20))]
    await opened.sftp.drain(2)
    await opened.sftp.close()


async def test_sftp_links_pipes_folders_and_unfinished_names_are_left(opened: Opened, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"ISA*secret")
    (opened.folder / "link.x12").symlink_to(secret)
    os.mkfifo(opened.folder / "pipe.x12")
    (opened.folder / "sub").mkdir()
    for name in (".hidden", "a.tmp", "b.part", "empty.x12"):
        (opened.folder / name).write_bytes(BODY if name != "empty.x12" else b"")
    await opened.sftp.start()
    (opened.folder / "z.x12").write_bytes(BODY)
    await until(lambda: opened.names("done") == ["z.x12"])
    assert [unit.body for unit in opened.intake.units] == [BODY]


async def test_sftp_odd_names_are_taken_like_others(opened: Opened) -> None:
    names = [b"a\nb.x12", b"-rf", "é.x12".encode(), b"\xff\xfe.x12", b"n" * 250, b"..x"]
    for number, name in enumerate(names):
        if not name.startswith(b"."):
            (opened.folder / os.fsdecode(name)).write_bytes(b"ISA%d" % number)
    await opened.sftp.start()
    await until(lambda: len(opened.intake.units) == 5 and len(opened.names("done")) == 5)
    assert sorted(unit.body for unit in opened.intake.units) == [b"ISA%d" % n for n in range(5)]


async def test_sftp_too_large_or_refused_file_goes_to_error_and_an_outage_leaves_it(opened: Opened) -> None:
    opened.intake.answers = {b"nonsense": Answer(accepted=False), BODY: Answer(accepted=False, close=True)}
    (opened.folder / "huge.x12").write_bytes(b"x" * 100_001)
    (opened.folder / "bad.x12").write_bytes(b"nonsense")
    (opened.folder / "later.x12").write_bytes(BODY)
    await opened.sftp.start()
    await until(lambda: opened.names("error") == ["bad.x12", "huge.x12"] and len(opened.intake.units) >= 3)
    assert opened.names() == ["later.x12"] and b"x" * 100_001 not in [u.body for u in opened.intake.units]
    opened.intake.answers = {}
    await until(lambda: opened.names("done") == ["later.x12"])


async def test_sftp_unmovable_file_is_processed_once_and_said(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    (opened.folder / "done").write_bytes(b"")  # a file where the folder should be
    (opened.folder / "a.x12").write_bytes(BODY)
    await opened.sftp.start()
    await until(lambda: opened.sftp.stored == 1)
    (opened.folder / "b.x12").write_bytes(BODY + b"2")

    def said() -> list[int]:
        return [r.levelno for r in caplog.records if "stays where it is" in r.getMessage()]

    await until(lambda: said() == [logging.ERROR] * 2)
    assert (len(opened.intake.units), opened.sftp.stored) == (2, 2)


async def test_sftp_after_delete_removes_what_was_stored(settings: SftpSettings) -> None:
    opened = Opened(replace(settings, after="delete"))
    (opened.folder / "a.x12").write_bytes(BODY)
    await opened.sftp.start()
    await until(lambda: opened.sftp.stored == 1 and opened.names() == [])
    assert opened.names("done") == []
    await opened.sftp.drain(2)
    await opened.sftp.close()


async def test_sftp_delivery_appears_under_its_name_only_when_it_is_whole(opened: Opened, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch = [delivery("999-1.x12", b"one" * 50_000), delivery("../up.x12"), delivery("999-2.x12", b"two")]
    assert await opened.sftp.deliver(batch) == [Outcome.CONFIRMED, Outcome.REFUSED, Outcome.CONFIRMED]
    assert {each.name: each.read_bytes() for each in out.iterdir()} == {
        "999-1.x12": b"one" * 50_000,
        "999-2.x12": b"two",
    }
    assert await opened.sftp.deliver([delivery("999-2.x12", b"two")]) == [Outcome.CONFIRMED]  # sent twice: once there


async def test_sftp_server_away_is_said_once_and_everything_goes_on_when_it_is_back(
    settings: SftpSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = start_server(folder)
    account = replace(settings.account, port=server.port, host_key=(server.host_key,), key=server.key)
    opened = Opened(replace(settings, account=account))
    await opened.sftp.start()
    (opened.folder / "a.x12").write_bytes(BODY)
    await until(lambda: opened.sftp.stored == 1)
    server.stop()
    await opened.sftp.drain(0.1)
    await opened.sftp.close()  # the connection outlives its listener: ended here as a network does
    opened = Opened(replace(settings, account=account))
    await opened.sftp.start()
    with pytest.raises(DeliveryError):
        await opened.sftp.deliver([delivery("999-3.x12")])
    await until(lambda: opened.sftp.trouble is not None)
    (opened.folder / "b.x12").write_bytes(BODY + b"2")
    back = start_server(folder, server.port)
    await until(lambda: opened.sftp.stored == 1 and opened.sftp.trouble is None)
    assert await opened.sftp.deliver([delivery("999-3.x12")]) == [Outcome.CONFIRMED]
    said = [r.getMessage() for r in caplog.records if r.name == "channels.polling"]
    assert len([text for text in said if "will try again" in text]) == 1 and "can be used again" in said[-1]
    await opened.sftp.drain(2)
    await opened.sftp.close()
    back.stop()


@pytest.mark.parametrize("wrong", ["host", "key"])
async def test_sftp_another_host_key_or_ours_not_accepted_is_no_connection(
    settings: SftpSettings, tmp_path: Path, wrong: str
) -> None:
    other = make_key(tmp_path / "other")
    changes: dict[str, Any] = {"host_key": (other,)} if wrong == "host" else {"key": str(tmp_path / "other")}
    opened = Opened(replace(settings, account=replace(settings.account, **changes)))
    with pytest.raises(DeliveryError, match="another host key" if wrong == "host" else "does not accept"):
        await opened.sftp.deliver([delivery("999-4.x12")])
    await opened.sftp.close()


def test_sftp_account_never_shows_its_password(settings: SftpSettings) -> None:
    assert "geheim" not in repr(replace(settings.account, password="geheim"))
    with pytest.raises(OSError, match="no public key"):
        Sftp(replace(settings, account=replace(settings.account, host_key=("nonsense",))), FileIntake())


def delivery(name: str, body: bytes = BODY) -> Delivery:
    return Delivery(name, "payer", "", body, {}, "application/edi-x12")

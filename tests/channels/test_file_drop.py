from __future__ import annotations

import asyncio
import logging
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.drop_folder import Claimed, DropFolder
from channels.file_drop import FileDestination, FileDrop, FileDropSettings
from channels.folder_notice import FolderNotice
from channels.ports import Answer, Delivery, DeliveryError, Outcome
from tests.channels.fakes.file_intake import FileIntake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REJECTED = Answer(accepted=False)
OUTAGE = Answer(close=True, accepted=False)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


class Drop:
    """A file drop in a temporary folder, with a fake intake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.intake = FileIntake()
        self.drop: FileDrop

    async def start(
        self, *, stable: float = 0.0, max_file: int = 1 << 20, poll: float = 0.01, notify: bool = True
    ) -> None:
        settings = FileDropSettings(
            "payers", self.folder, poll_seconds=poll, stable_seconds=stable, max_file=max_file, notify=notify
        )
        self.drop = FileDrop(settings, self.intake, clock=lambda: NOW)
        await self.drop.start()

    def put(self, name: str, body: bytes = b"ISA*00*1") -> Path:
        path = self.folder / name
        path.write_bytes(body)
        return path

    def names(self, inner: str) -> list[str]:
        return sorted(each.name.partition("-")[2] for each in (self.folder / inner).iterdir())

    @property
    def bodies(self) -> list[bytes]:
        return [unit.body for unit in self.intake.units]


@pytest.fixture
async def drop(tmp_path: Path) -> AsyncIterator[Drop]:
    made = Drop(tmp_path / "in")
    made.folder.mkdir()
    yield made
    await made.drop.close()


async def test_drop_file_is_submitted_once_and_moved_to_done(drop: Drop) -> None:
    await drop.start()
    drop.put("a.x12")
    await until(lambda: drop.names("done") == ["a.x12"])
    await asyncio.sleep(0.05)
    (unit,) = drop.intake.units
    assert (unit.channel, unit.kind, unit.body, unit.peer, unit.received_at) == (
        "payers",
        "x12",
        b"ISA*00*1",
        "a.x12",
        NOW,
    )
    assert not drop.names(".working") and not drop.names("error")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\r\n ISA*00", "x12"),
        (b"\xef\xbb\xbfISA*00", "x12"),
        (b"isa*00", "x12"),
        (b"Content-Type: text/plain\r\n\r\nISA*00", "x12"),
        (b"MSH|^~\\&|", "hl7v2"),
        (b"FHS|", "hl7v2"),
        (b"neither", "hl7v2"),
    ],
)
async def test_drop_kind_is_read_from_the_content(drop: Drop, body: bytes, kind: str) -> None:
    await drop.start()
    drop.put("a", body)
    await until(lambda: len(drop.intake.units) == 1)
    assert drop.intake.units[0].kind == kind


async def test_drop_file_still_written_is_left_until_it_is_whole(drop: Drop) -> None:
    await drop.start(stable=0.15)
    path = drop.put("a.x12", b"ISA")
    for _ in range(5):
        await asyncio.sleep(0.05)
        with path.open("ab") as file:
            file.write(b"*")
    assert not drop.intake.units
    await until(lambda: drop.bodies == [b"ISA*****"])


@pytest.mark.parametrize("name", ["a.x12", "\udcff.x12"])
async def test_drop_file_is_taken_when_the_system_tells_of_it_and_not_only_at_the_next_look(
    drop: Drop, name: str
) -> None:
    await drop.start(poll=3600, stable=0.05)
    await until(lambda: drop.names("done") == [])
    drop.put(".unfinished", b"ISA*1").rename(drop.folder / name)
    await until(lambda: drop.bodies == [b"ISA*1"])
    drop.put("in-place.x12", b"ISA*2")
    await until(lambda: drop.bodies == [b"ISA*1", b"ISA*2"])


async def test_drop_folder_that_came_anew_is_listened_to(drop: Drop) -> None:
    await drop.start(poll=0.2)
    away = drop.folder.with_name("away")
    drop.folder.rename(away)
    await until(lambda: drop.drop.trouble is not None)
    away.rename(drop.folder)
    await until(lambda: drop.drop.trouble is None)
    heard: list[bool] = []
    listener = FolderNotice("payers", drop.folder, lambda: heard.append(True))
    listener.listen()
    drop.put("a.x12")
    await until(lambda: bool(heard) and drop.names("done") == ["a.x12"])
    away.mkdir()
    (drop.folder).rename(away / "in")
    await until(lambda: not listener.listening)
    listener.listen()  # nothing there: the looks say so
    assert not listener.listening
    drop.folder.mkdir()
    listener.listen()
    heard.clear()
    drop.put("b.x12")
    await until(lambda: bool(heard))
    await listener.close()


async def test_drop_is_looked_at_where_the_system_tells_nothing(drop: Drop) -> None:
    await drop.start(notify=False, poll=0.05)
    drop.put("a.x12")
    await until(lambda: drop.names("done") == ["a.x12"])


async def test_drop_folder_is_watched_where_no_watch_can_be_had(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "in").write_text("no folder")
    notice = FolderNotice("payers", tmp_path / "in", lambda: None)
    notice.listen()
    notice.listen()
    assert not notice.listening
    assert [each.getMessage() for each in caplog.records] == [
        "channel payers: the folder is only looked at now and then: NotADirectoryError"
    ]
    await notice.close()


async def test_drop_large_file_is_handed_over_block_by_block(drop: Drop) -> None:
    await drop.start(max_file=16 << 20)
    large = b"ISA*00*" + bytes(range(256)) * (9 << 12)
    drop.put("a.x12", large)
    drop.put("b.x12", b"ISA*small")
    await until(lambda: drop.names("done") == ["a.x12", "b.x12"])
    assert sorted(drop.bodies, key=len) == [b"ISA*small", large]
    assert drop.intake.largest_block <= 1 << 20 and drop.drop.stored == 2


async def test_drop_large_file_that_changes_while_it_is_taken_in_is_read_again(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks, grown = DropFolder.blocks, b"ISA*" + b"x" * (3 << 20)

    def growing(folder: DropFolder, claimed: Claimed) -> Generator[bytes, None, None]:
        found = blocks(folder, claimed)
        yield next(found)
        if not drop.intake.changed:
            with (drop.folder / ".working" / claimed.name).open("ab") as writer:
                writer.write(b"and more")
        yield from found

    monkeypatch.setattr(DropFolder, "blocks", growing)
    await drop.start(max_file=16 << 20)
    drop.put("a.x12", grown)
    await until(lambda: drop.names("done") == ["a.x12"])
    assert drop.bodies == [grown + b"and more"] and drop.intake.changed == 1


async def test_drop_unfinished_names_and_empty_files_are_left(drop: Drop) -> None:
    await drop.start()
    for name in (".hidden", "a.tmp", "b.PART", "c.filepart"):
        drop.put(name)
    drop.put("empty", b"")
    drop.put("z.x12")
    await until(lambda: drop.names("done") == ["z.x12"])
    assert len(drop.intake.units) == 1


async def test_drop_links_and_pipes_are_never_read(
    drop: Drop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"ISA*secret")
    (drop.folder / "link").symlink_to(secret)
    os.link(secret, drop.folder / "hard")
    os.mkfifo(drop.folder / "pipe")
    (drop.folder / "sub").mkdir()
    await drop.start()
    drop.put("z.x12")
    await until(lambda: drop.names("done") == ["z.x12"])
    assert drop.bodies == [b"ISA*00*1"]
    assert secret.read_bytes() == b"ISA*secret"
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1


async def test_drop_inner_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / ".working").symlink_to(outside)
    with pytest.raises(OSError):
        DropFolder(folder, stable_seconds=0, max_file=10).leftovers()


@pytest.mark.parametrize("name", ["a\nb.x12", "-rf", "..x", "é.x12", "\udcff.x12", "n" * 250])
async def test_drop_odd_names_are_taken_like_others(drop: Drop, name: str) -> None:
    await drop.start()
    body = secrets.token_bytes(8)
    if name.startswith("."):
        drop.put(name, body)
        drop.put("z", b"z")
        await until(lambda: drop.bodies == [b"z"])
        return
    drop.put(name, body)
    await until(lambda: drop.bodies == [body])
    await until(lambda: not drop.names(".working"))
    drop.intake.units[0].peer.encode()
    assert len(list((drop.folder / "done").iterdir())) == 1


async def test_drop_rejected_file_goes_to_error_with_a_reason(drop: Drop) -> None:
    drop.intake.answers[b"junk of DOE"] = REJECTED
    await drop.start()
    drop.put("a.x12", b"junk of DOE")
    await until(lambda: drop.names("error") == ["a.x12", "a.x12.reason.txt"])
    (reason,) = (drop.folder / "error").glob("*.reason.txt")
    assert "DOE" not in reason.read_text() and "journal" in reason.read_text()


async def test_drop_file_over_the_limit_goes_to_error_unread(drop: Drop) -> None:
    await drop.start(max_file=10)
    drop.put("a.x12", b"x" * 11)
    drop.put("b.x12", b"x" * 10)
    await until(lambda: drop.names("done") == ["b.x12"] and len(drop.names("error")) == 2)
    assert drop.bodies == [b"x" * 10]


async def test_drop_file_is_submitted_again_after_our_own_outage(drop: Drop) -> None:
    drop.intake.answers[b"ISA*1"] = OUTAGE
    await drop.start()
    drop.put("a.x12", b"ISA*1")
    await until(lambda: len(drop.intake.units) > 2)
    assert not drop.names("done") and not drop.names("error")
    drop.intake.answers.clear()
    await until(lambda: drop.names("done") == ["a.x12"])


async def test_drop_nothing_is_taken_while_the_intake_does_not_accept_or_the_channel_is_paused(drop: Drop) -> None:
    drop.intake.accepting = False
    await drop.start()
    drop.put("a.x12")
    await asyncio.sleep(0.1)
    assert (drop.folder / "a.x12").exists()
    drop.drop.pause()
    drop.intake.accepting = True
    await asyncio.sleep(0.1)
    assert (drop.folder / "a.x12").exists()
    drop.drop.resume()
    await until(lambda: drop.names("done") == ["a.x12"])


async def test_drop_file_taken_before_a_crash_is_submitted_again_at_start(drop: Drop) -> None:
    drop.intake.silent = True
    await drop.start()
    drop.put("a.x12")
    await until(lambda: len(drop.intake.units) == 1)
    await drop.drop.close()
    assert drop.names(".working") == ["a.x12"]
    drop.intake.silent = False
    await drop.start()
    await until(lambda: drop.names("done") == ["a.x12"])
    assert drop.bodies == [b"ISA*00*1"] * 2


async def test_drop_drain_finishes_the_files_in_hand(drop: Drop) -> None:
    drop.intake.silent = True
    await drop.start()
    drop.put("a.x12")
    await until(lambda: len(drop.intake.units) == 1)
    draining = asyncio.ensure_future(drop.drop.drain(5))
    await asyncio.sleep(0.02)
    drop.intake.units[0].answered(Answer())
    await draining
    assert drop.names("done") == ["a.x12"]


async def test_drop_file_that_grows_after_it_was_read_is_read_again_as_a_whole(drop: Drop) -> None:
    drop.intake.silent = True
    await drop.start()
    with drop.put("a.x12", b"ISA*1").open("ab") as writer:
        await until(lambda: len(drop.intake.units) == 1)
        writer.write(b"*and the rest")
        writer.flush()
        drop.intake.silent = False
        drop.intake.units[0].answered(Answer())
        await until(lambda: drop.names("done") == ["a.x12"])
    assert drop.bodies == [b"ISA*1", b"ISA*1*and the rest"]
    assert (drop.folder / "done").is_dir() and not drop.names(".working")


async def test_drop_same_name_again_keeps_both(drop: Drop) -> None:
    await drop.start()
    for n in (b"1", b"2"):
        drop.put("a.x12", n)
        await until(lambda n=n: n in drop.bodies)  # type: ignore[misc]
    await until(lambda: drop.names("done") == ["a.x12", "a.x12"])


async def test_drop_many_files_are_taken_oldest_first(drop: Drop) -> None:
    for n in range(200):
        os.utime(drop.put(f"{n * 7 % 200:03d}.x12", str(n).encode()), (n, n))
    await drop.start()
    await until(lambda: len(drop.names("done")) == 200)
    assert drop.bodies == [str(n).encode() for n in range(200)]


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that every account can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="baton-drop-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@contextmanager
def unprivileged() -> Iterator[None]:
    """Not as root: permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_drop_file_that_cannot_be_moved_is_read_once_and_named_once(
    drop: Drop, readable_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drop.folder = readable_folder
    for name in (".working", "done", "error"):
        (drop.folder / name).mkdir()
        (drop.folder / name).chmod(0o777)
    drop.put("patient-doe.x12").chmod(0o644)
    drop.folder.chmod(0o555)
    with unprivileged():
        await drop.start()
        await until(lambda: len(drop.intake.units) == 1)
        await asyncio.sleep(0.1)
        await drop.drop.close()
    drop.folder.chmod(0o755)
    assert len(drop.intake.units) == 1
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1
    assert "doe" not in caplog.text


async def test_drop_folder_that_goes_away_is_said_once_and_watched_again(
    drop: Drop, caplog: pytest.LogCaptureFixture
) -> None:
    await drop.start()
    away = drop.folder.with_name("away")
    drop.folder.rename(away)
    await until(lambda: drop.drop.trouble is not None)
    await asyncio.sleep(0.05)
    away.rename(drop.folder)
    drop.put("a.x12")
    await until(lambda: drop.names("done") == ["a.x12"])
    assert [each.levelname for each in caplog.records if each.name == "channels.polling"] == ["ERROR", "WARNING"]


async def test_destination_writes_whole_files_under_their_ids(tmp_path: Path) -> None:
    destination = FileDestination(tmp_path / "out")
    batch = [Delivery(name, "k", "", b"TA1*", {}) for name in ("a.x12", "../b", ".c", "d.x12")]
    expected = [Outcome.CONFIRMED, Outcome.REFUSED, Outcome.REFUSED, Outcome.CONFIRMED]
    assert await destination.deliver(batch) == expected
    assert await destination.deliver(batch[:1]) == expected[:1]
    assert sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")) == ["out", "out/a.x12", "out/d.x12"]  # noqa: ASYNC240
    await destination.close()


async def test_destination_names_files_by_control_number(tmp_path: Path) -> None:
    body = b"ISA*00*          *00*          *ZZ*BATON          *ZZ*PAYER          *260302*0930*^*00501*000000123*0*P*:~"
    batch = [Delivery("999-r-45.x12", "k", "", body, {}), Delivery("ta1-r-46.x12", "k", "", b"nothing", {})]
    assert await FileDestination(tmp_path).deliver([*batch, batch[0]]) == [Outcome.CONFIRMED] * 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["999-000000123-r-45.x12", "ta1-r-46.x12"]  # noqa: ASYNC240


async def test_destination_folder_that_cannot_be_written_is_a_delivery_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DeliveryError):
        await FileDestination(tmp_path / "out").deliver([Delivery("a", "k", "", b"x", {})])

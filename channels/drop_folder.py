"""The folder of a file drop, with the few moves that it needs.

in/            what partners drop; a file is taken when it has not changed for a while
in/.working/   what was taken and is not answered yet: submitted again after a crash
in/done/       stored
in/error/      refused for good, each with a `.reason.txt`

Folders are opened afresh for each pass and everything is named relative to them, without following links, so that no
name and no swapped file leads outside.  Blocking calls: run in a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from channels.file_source import BLOCK, LARGE, Settling, unfinished
from channels.ports import HEAD, BodyChanged

WORKING, DONE, ERROR = ".working", "done", "error"
_NAME_KEPT = 180  # bytes of a partner's file name that ours ends with
_READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Mark = tuple[int, int, int, int]  # device, inode, size, time of change: this content of this file


class NotReadable(Exception):
    """The file cannot be taken as it is.  `later`: it may be another time (it is still being written)."""

    def __init__(self, reason: str, *, later: bool = False) -> None:
        super().__init__(reason)
        self.later = later


@dataclass(slots=True, frozen=True)
class Claimed:
    """A file that is ours: its folder (`.working`, or empty when it could not be moved), its name there, the partner's
    name."""

    folder: str
    name: str
    original: str
    mark: Mark | None = None


class DropFolder:
    """One drop folder.  Every method may raise OSError when the folder itself is away."""

    def __init__(self, path: Path, *, stable_seconds: float, max_file: int) -> None:
        self.path = path
        self.odd = 0  # links, pipes and the like in the folder at the last pass: never followed, never read
        self._max_file = max_file
        self._settling: Settling[Mark] = Settling(stable_seconds)
        self._read: dict[str, Mark] = {}  # of what was taken: what it was when it was read
        self._held: set[Mark] = set()  # taken where they lie, because they cannot be moved

    def make(self) -> None:
        """Make the folder and its inner ones."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (WORKING, DONE, ERROR):
            (self.path / name).mkdir(exist_ok=True)

    @property
    def settles_in(self) -> float:
        """Seconds after the last claim in which a file that was still changing may be whole."""
        return self._settling.settles_in

    def leftovers(self) -> list[Claimed]:
        """Files taken before and not answered, oldest first."""
        with self._open(WORKING) as (_, working):
            names = sorted(entry.name for entry in os.scandir(working) if entry.is_file(follow_symlinks=False))
        return [Claimed(WORKING, name, name.partition("-")[2]) for name in names]

    def claim(self, limit: int) -> list[Claimed]:
        """Take up to `limit` files that are whole, oldest first."""
        with self._open(WORKING) as (folder, working):
            whole, self.odd = _candidates(folder)
            self._held &= {mark for _, mark in whole}
            settled = self._settling.settled(whole)
            ready = [(mark[3], name, mark) for name, mark in settled if mark not in self._held]
            taken = [self._take(folder, working, name, mark) for _, name, mark in sorted(ready)[:limit]]
            return [claimed for claimed in taken if claimed is not None]

    def read(self, claimed: Claimed) -> tuple[bytes, int]:
        """The whole file, of a large one the head; and its size.  Raises NotReadable."""
        try:
            with self._reading(claimed) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise NotReadable("not a regular file")
                if before.st_size > self._max_file:
                    raise NotReadable("the file is larger than this channel accepts")
                large = before.st_size > LARGE
                body = file.read(HEAD if large else before.st_size + 1)
                if len(body) != (HEAD if large else before.st_size) or _mark(os.fstat(file.fileno())) != _mark(before):
                    raise NotReadable("the file changed while it was read", later=True)
                self._read[claimed.name] = _mark(before)
                return body, before.st_size
        except OSError as problem:
            later = problem.errno not in (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO)
            raise NotReadable(f"the file cannot be read: {problem.strerror}", later=later) from None

    def blocks(self, claimed: Claimed) -> Generator[bytes, None, None]:
        """All of a file whose head was read.  Raises BodyChanged when it is another by now, or at the end; OSError."""
        read = self._read.get(claimed.name)
        with self._reading(claimed) as file:
            while block := file.read(BLOCK):
                yield block
            if _mark(os.fstat(file.fileno())) != read:
                raise BodyChanged

    @contextmanager
    def _reading(self, claimed: Claimed) -> Iterator[BinaryIO]:
        with self._open(claimed.folder or ".") as (_, folder):
            descriptor = os.open(claimed.name, _READ_ONLY, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def finish(self, claimed: Claimed, folder: str, reason: str = "") -> bool:
        """Move an answered file to done/ or error/; False when it cannot be moved."""
        self._read.pop(claimed.name, None)
        if not claimed.folder:
            return False
        try:
            with self._open(claimed.folder, folder) as (_, working, goal):
                if reason:
                    _write(goal, f"{claimed.name}.reason.txt", reason.encode())
                os.rename(claimed.name, claimed.name, src_dir_fd=working, dst_dir_fd=goal)
        except OSError:
            return False
        return True

    def changed(self, claimed: Claimed) -> bool:
        """Whether a file is another than when it was read: its writer still had it open."""
        read = self._read.pop(claimed.name, None)
        if read is None or not claimed.folder:
            return False
        try:
            with self._open(claimed.folder) as (_, folder):
                return _mark(os.stat(claimed.name, dir_fd=folder, follow_symlinks=False)) != read
        except OSError:
            return False

    def give_back(self, claimed: Claimed) -> bool:
        """Back into the drop folder under the partner's name, to be taken once it rests; False when that is taken."""
        try:
            with self._open(claimed.folder) as (folder, working):
                os.link(claimed.name, claimed.original, src_dir_fd=working, dst_dir_fd=folder, follow_symlinks=False)
                os.unlink(claimed.name, dir_fd=working)
        except OSError:
            return False
        return True

    def let_go(self, claimed: Claimed) -> None:
        """Offer a file that could not be moved again at the next pass."""
        if claimed.mark is not None:
            self._held.discard(claimed.mark)

    def _take(self, folder: int, working: int, name: str, mark: Mark) -> Claimed | None:
        kept = os.fsdecode(os.fsencode(name)[-_NAME_KEPT:])
        ours = f"{time.time_ns():016x}{secrets.token_hex(3)}-{kept}"
        try:
            os.rename(name, ours, src_dir_fd=folder, dst_dir_fd=working)
        except FileNotFoundError:
            return None
        except OSError:
            self._held.add(mark)
            return Claimed("", name, name, mark)
        self._settling.forget(name)
        return Claimed(WORKING, ours, name)

    @contextmanager
    def _open(self, *names: str) -> Iterator[tuple[int, ...]]:
        """Descriptors of the drop folder and of folders inside it."""
        with ExitStack() as stack:
            folder = os.open(self.path, _FOLDER)
            stack.callback(os.close, folder)
            opened = [folder]
            for name in names:
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                stack.callback(os.close, inner)
                opened.append(inner)
            yield tuple(opened)


def write_whole(path: Path, name: str, body: bytes) -> None:
    """Write a file that appears under its name only when it is whole and synced.  Raises OSError."""
    folder = os.open(path, _FOLDER)
    try:
        _write(folder, f".{name}.tmp", body)
        os.rename(f".{name}.tmp", name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(folder: int, name: str, body: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o640, dir_fd=folder), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _candidates(folder: int) -> tuple[list[tuple[str, Mark]], int]:
    """(regular, single-named, non-empty files that are not temporary by their name; how many entries are no files)."""
    whole: list[tuple[str, Mark]] = []
    odd = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if unfinished(entry.name):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(found.st_mode):
                continue
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                odd += 1
            elif found.st_size:
                whole.append((entry.name, _mark(found)))
    return whole, odd


def _mark(found: os.stat_result) -> Mark:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

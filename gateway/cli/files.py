"""Files that commands are given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, TextIO

from gateway.cli.console import fail
from parsers.content import WINDOW, Content, PartedContent

LARGEST = 256 << 20
"""Bytes read of one file at most, as much as a file channel takes by default."""


class UnreadableFile(Exception):
    """Its text says why, in a few words."""


def file_bytes(file: Path) -> bytes:
    """All of a file, a pipe or a device.  Raises UnreadableFile."""
    try:
        with file.open("rb") as opened:
            return _whole(opened)
    except OSError as error:
        raise UnreadableFile(words_of(error)) from None


@contextmanager
def file_content(file: Path) -> Iterator[Content]:
    """As `file_bytes`; a larger file that is one on a disk is read as it is asked for."""
    try:
        opened = file.open("rb")
    except OSError as error:
        raise UnreadableFile(words_of(error)) from None
    with opened:
        status = os.fstat(opened.fileno())
        if not S_ISREG(status.st_mode) or status.st_size <= WINDOW:
            try:
                body = _whole(opened)
            except OSError as error:
                raise UnreadableFile(words_of(error)) from None
            yield body
        elif status.st_size > LARGEST:
            raise UnreadableFile(f"larger than {LARGEST >> 20} MiB")
        else:
            yield PartedContent(status.st_size, WINDOW, lambda part: os.pread(opened.fileno(), WINDOW, part * WINDOW))


def _whole(opened: BinaryIO) -> bytes:
    body = opened.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise UnreadableFile(f"larger than {LARGEST >> 20} MiB")
    return body


def read_file(file: Path) -> bytes:
    """As `file_bytes`; the command ends with 2 and a sentence when that cannot be."""
    try:
        return file_bytes(file)
    except UnreadableFile as reason:
        fail(f"{file}: {reason}.", code=2)


def append_to(file: Path) -> TextIO:
    """The file, open at its end; the command ends with 2 and a sentence when that cannot be."""
    try:
        return file.open("a", encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {words_of(error)}.", code=2)


def words_of(error: OSError) -> str:
    """What the system says of it, "no such file or directory"."""
    return (error.strerror or type(error).__name__).lower()

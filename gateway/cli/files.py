"""Files that commands are given."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.console import fail

LARGEST = 256 << 20
"""Bytes read of one file at most, as much as a file channel takes by default."""


class UnreadableFile(Exception):
    """Its text says why, in a few words."""


def file_bytes(file: Path) -> bytes:
    """All of a file, a pipe or a device.  Raises UnreadableFile."""
    try:
        with file.open("rb") as opened:
            body = opened.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableFile((error.strerror or type(error).__name__).lower()) from None
    if len(body) > LARGEST:
        raise UnreadableFile(f"larger than {LARGEST >> 20} MiB")
    return body


def read_file(file: Path) -> bytes:
    """As `file_bytes`; the command ends with 2 and a sentence when that cannot be."""
    try:
        return file_bytes(file)
    except UnreadableFile as reason:
        fail(f"{file}: {reason}.", code=2)

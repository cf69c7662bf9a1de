"""Secrets that settings name and never hold."""

from __future__ import annotations

import os
from pathlib import Path


def read_secret(owner: str, variable: str, file: str) -> str:
    """The value of an environment variable or of a file, without its last line end; empty when neither is named.

    OSError, with words for a person, when it cannot be had."""
    if variable:
        found = os.environ.get(variable)
        if not found:
            raise OSError(f"{owner}: the variable that its secret is in is not set")
        return found
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise OSError(f"{owner}: the file that its secret is in cannot be read") from None
    return ""

"""Secrets of webhooks: derived from one key of this installation, so that no table and no backup of it holds any."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

KEY_FILE = "webhook.key"


class KeyUnreadable(Exception):
    """The key file cannot be used.  The text says why."""


def ensure_key(path: Path) -> bytes:
    """The key in `path`, made there (mode 0600) when there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise KeyUnreadable(f"the webhook key cannot be written ({type(error).__name__})") from None
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise KeyUnreadable(f"the webhook key cannot be read ({type(error).__name__})") from None
    if len(key) < 32:
        raise KeyUnreadable("the webhook key is shorter than 32 bytes")
    return key


def new_secret_id() -> str:
    return secrets.token_hex(8)


def derive(key: bytes, name: str, secret_id: str) -> bytes:
    """The secret of webhook `name` that `secret_id` stands for: 32 bytes."""
    return hmac.digest(key, f"webhook|{name}|{secret_id}".encode(), "sha256")

"""Signatures of Standard Webhooks: what a receiver checks, with any of that scheme's libraries.

Signed is `id.timestamp.body` with HMAC-SHA256; the header carries one signature per live secret, so that a receiver
which holds the old or the new one accepts while secrets are rotated.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"


def show_secret(secret: bytes) -> str:
    """A secret as its holder is given it."""
    return PREFIX + base64.b64encode(secret).decode()


def signature_headers(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers.  `timestamp`: whole seconds of this attempt; `secrets`: the newest first, at least one."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    marks = [base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(f"v1,{mark}" for mark in marks)}

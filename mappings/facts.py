"""The base of everything that a mapping says."""

from __future__ import annotations

import msgspec


class Facts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Immutable, and absent facts are left out when written."""

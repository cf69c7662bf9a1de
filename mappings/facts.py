"""The base of everything that a mapping says."""

from __future__ import annotations

import msgspec


class Facts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Immutable, and absent facts are left out when written.  Made from the bottom up, they never form a cycle: the
    garbage collector need not look at them."""

"""The name under which something that we send appears in a folder."""

from __future__ import annotations

from channels.ports import Delivery
from parsers.x12.header import find_headers

_LOOKED_AT = 1024


def file_name(delivery: Delivery) -> str:
    """`999-000000123-r-45.x12`: what it is, ISA13, and our id, which makes the name the same when it is sent twice.

    What holds no ISA keeps the delivery's id."""
    header = next(find_headers(delivery.body[:_LOOKED_AT]), None)
    kind, dash, rest = delivery.id.partition("-")
    if header is None or not dash or not (header.control_number.isascii() and header.control_number.isdigit()):
        return delivery.id
    return f"{kind}-{header.control_number[-9:]}-{rest}"

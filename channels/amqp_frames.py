"""The frames of one AMQP 0-9-1 publish, as bytes.

Method, content header and body frames by AMQP 0-9-1, sections 4.2.3 (frames), 4.2.5 (fields), 1.8.3.7 (basic.publish).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from channels.ports import Delivery

_FRAME = struct.Struct(">BHI")  # type, channel, payload size
_METHOD = struct.Struct(">HHH")  # class, method, reserved
_CONTENT = struct.Struct(">HHQH")  # class, weight, body size, property flags
_LENGTH = struct.Struct(">I")
_END = b"\xce"
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_BASIC, _PUBLISH, _MANDATORY = 60, 40, b"\x01"
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 7
_FLAGS = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID
_PERSISTENT = b"\x02"


def short_string(text: str) -> bytes:
    """A string of at most 255 bytes.  Raises ValueError when it is longer."""
    data = text.encode()
    if len(data) > 255:
        raise ValueError("an AMQP short string holds at most 255 bytes")
    return bytes((len(data),)) + data


def long_string(text: str) -> bytes:
    data = text.encode()
    return _LENGTH.pack(len(data)) + data


def publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    """The method frame: mandatory, so that a message that no queue wants comes back."""
    payload = _METHOD.pack(_BASIC, _PUBLISH, 0) + short_string(exchange) + short_string(routing_key) + _MANDATORY
    return _FRAME.pack(_METHOD_FRAME, channel, len(payload)) + payload + _END


def content_header(channel: int, delivery: Delivery) -> bytes:
    """The header frame: persistent, with the delivery's id as message id and its headers as a table of strings."""
    table = b"".join([short_string(name) + b"S" + long_string(value) for name, value in delivery.headers.items()])
    payload = b"".join(
        (
            _CONTENT.pack(_BASIC, 0, len(delivery.body), _FLAGS),
            short_string(delivery.content_type),
            _LENGTH.pack(len(table)),
            table,
            _PERSISTENT,
            short_string(delivery.id),
        )
    )
    return _FRAME.pack(_HEADER_FRAME, channel, len(payload)) + payload + _END


def body_frames(channel: int, body: bytes, limit: int) -> Iterator[bytes]:
    """The body in frames of at most `limit` bytes of payload; none for an empty body."""
    for start in range(0, len(body), limit):
        part = body[start : start + limit]
        yield _FRAME.pack(_BODY_FRAME, channel, len(part))
        yield part
        yield _END

"""A message that goes on to somebody else: what of it belongs to the hop it came over."""

from __future__ import annotations

from parsers.hl7v2.encoding import find_start
from parsers.hl7v2.header import Header, scan_header

_ACCEPT, _APPLICATION = 14, 15  # places of MSH-15 and MSH-16 between the separators


def without_conditions(message: bytes) -> bytes:
    """The message in original mode: MSH-15 and MSH-16 emptied, all else byte for byte.

    They say which answers its sender wanted of us; whoever gets it next answers us."""
    header = scan_header(message)
    if not header.readable or header.batch or not (header.accept_ack or header.application_ack):
        return message
    start = find_start(message)
    mark = header.separators.field
    ends = [at for at in (message.find(b"\r", start), message.find(b"\n", start)) if at >= 0]
    end = min(ends, default=len(message))
    fields = message[start:end].split(mark, _APPLICATION + 1)
    for place in (_ACCEPT, _APPLICATION):
        if place < len(fields):
            fields[place] = b""
    return message[:start] + mark.join(fields) + message[end:]


def expects_accept(header: Header) -> bool:
    """False when the message asks for no immediate answer at all: MSH-16 or MSH-15 is valued and MSH-15 is not AL, ER
    or SU (table 0155)."""
    accept = header.accept_ack.strip().replace(b'""', b"").upper()
    application = header.application_ack.strip().replace(b'""', b"")
    return accept not in (b"", b"NE") or (not accept and not application)

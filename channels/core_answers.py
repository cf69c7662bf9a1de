"""What a CORE endpoint sends back: an error, a receipt or a document, and the fields around it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from channels.core_partners import CorePartner
from parsers.core.checking import NONE, SUCCESS, EnvelopeError
from parsers.core.envelope import RULE_VERSION, Envelope
from parsers.core.payloads import use_of_document, value_of


class Unavailable(Exception):
    """Our own outage: nothing was promised, the partner sends again."""


@dataclass(slots=True, frozen=True)
class Outgoing:
    """What goes back: an error, or a document (or none) under a payload type."""

    error: EnvelopeError | None = None
    payload_type: str = ""
    payload: bytes | None = None


def receipt(partner: CorePartner, use: str) -> Outgoing:
    """An answer without a document, such as `receipt` or `none:ack`."""
    return Outgoing(payload_type=value_of(use, partner.expectations.payload_types))


def answer_with(partner: CorePartner, document: bytes) -> Outgoing:
    """A document under the payload type that the partner knows it by."""
    use = use_of_document(document) or "999"
    try:
        payload_type = value_of(use, partner.expectations.payload_types)
    except KeyError:  # something else that a payer sent: named as the nearest that we know
        payload_type = value_of("271", partner.expectations.payload_types)
    return Outgoing(payload_type=payload_type, payload=document)


def response_fields(
    envelope: Envelope, outgoing: Outgoing, now: datetime, versions: Container[str] = ()
) -> dict[str, str]:
    """The fields of a response: addresses exchanged, PayloadID echoed, and the rule version if it is one of these."""
    error = outgoing.error
    version = envelope.get("CORERuleVersion").lower().removeprefix("v")
    return {
        "PayloadType": outgoing.payload_type if error is None else value_of("error"),
        "ProcessingMode": envelope.get("ProcessingMode"),
        "PayloadID": envelope.get("PayloadID")[:50],
        "TimeStamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "SenderID": envelope.get("ReceiverID")[:50],
        "ReceiverID": envelope.get("SenderID")[:50],
        "CORERuleVersion": version if version in versions else RULE_VERSION,
        "ErrorCode": error.code if error is not None else SUCCESS,
        "ErrorMessage": error.text if error is not None else NONE,
    }

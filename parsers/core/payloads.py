"""PayloadType values as data: what each one says, and where it was seen (docs/core.md lists the unconfirmed ones)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from parsers.core.envelope import (
    ACK_RETRIEVAL,
    REAL_TIME,
    RESULTS_ACK,
    RESULTS_RETRIEVAL,
    SUBMIT,
    Envelope,
    Kind,
)


class PayloadType(msgspec.Struct, frozen=True):
    """One value.  `use`: what it is for, such as `270`, `results:271`, `ack:999`.  status: seen | unconfirmed."""

    value: str
    use: str
    status: str


TABLE = (
    PayloadType("X12_270_Request_005010X279A1", "270", "seen"),
    PayloadType("X12_271_Response_005010X279A1", "271", "seen"),
    PayloadType("X12_276_Request_005010X212", "276", "seen"),
    PayloadType("X12_277_Response_005010X212", "277", "seen"),
    PayloadType("X12_278_Request_005010X217E1_2", "278", "seen"),
    PayloadType("X12_278_Response_005010X217E1_2", "278-response", "unconfirmed"),
    PayloadType("X12_999_Response_005010X231A1", "999", "seen"),
    PayloadType("X12_TA1_Response_00501X231A1", "TA1", "seen"),
    PayloadType("X12_005010_Request_Batch_270", "batch:270", "unconfirmed"),
    PayloadType("X12_005010_Request_Batch_Results_271", "results:271", "seen"),
    PayloadType("X12_005010_Request_Batch_Results_277", "results:277", "seen"),
    PayloadType("X12_999_RetrievalRequest_005010X231A1", "retrieval:999", "seen"),
    PayloadType("X12_TA1_RetrievalRequest_00501X231A1", "retrieval:TA1", "seen"),
    PayloadType("X12_999_SubmissionRequest_005010X231A1", "ack:999", "seen"),
    PayloadType("X12_TA1_SubmissionRequest_00501X231A1", "ack:TA1", "seen"),
    PayloadType("X12_BatchReceiptConfirmation", "receipt", "seen"),
    PayloadType("X12_Response_ConfirmReceiptReceived", "confirmed", "unconfirmed"),
    PayloadType("X12_005010_Response_NoBatchAckFile", "none:ack", "unconfirmed"),
    PayloadType("X12_005010_Response_NoBatchResultsFile", "none:results", "unconfirmed"),
    PayloadType("CoreEnvelopeError", "error", "seen"),
)

BY_USE: dict[str, str] = {row.use: row.value for row in TABLE}
_USE_OF: dict[str, str] = {row.value.lower(): row.use for row in TABLE}
_KIND_OF_PREFIX = {"results": RESULTS_RETRIEVAL, "retrieval": ACK_RETRIEVAL, "ack": RESULTS_ACK}


def use_of(value: str, partner: Mapping[str, str] | None = None) -> str | None:
    """What a PayloadType is for; the partner's own values (use -> value) come first.  None: unknown."""
    lowered = value.lower()
    for use, own in (partner or {}).items():
        if own.lower() == lowered:
            return use
    return _USE_OF.get(lowered)


def value_of(use: str, partner: Mapping[str, str] | None = None) -> str:
    """The PayloadType to send for a use; KeyError when neither the partner nor the table has one."""
    return (partner or {}).get(use) or BY_USE[use]


def kind_of(envelope: Envelope, partner: Mapping[str, str] | None = None) -> Kind | None:
    """The kind of a request: in SOAP by its element, in MIME by ProcessingMode and PayloadType."""
    if envelope.kind is not None:
        return envelope.kind
    mode = envelope.get("ProcessingMode").lower()
    if mode == "realtime":
        return REAL_TIME
    if mode != "batch":
        return None
    use = use_of(envelope.get("PayloadType"), partner) or ""
    return _KIND_OF_PREFIX.get(use.partition(":")[0], SUBMIT)


def use_of_document(document: bytes) -> str | None:
    """By the first set of an interchange: 270, 271, 278 (BHT02 13, or not said), 278-response (BHT02 11), 999, TA1."""
    start = document.find(b"ISA")
    if start < 0 or len(document) < start + 106:
        return None
    window = document[start : start + 4096]
    element = window[3:4]
    if b"TA1" + element in window and b"ST" + element not in window:
        return "TA1"
    _, found, rest = window.partition(b"ST" + element)
    number = rest[:3].decode("latin-1")
    if not found or not number.isdigit():
        return None
    if number == "278":
        _, _, after = rest.partition(b"BHT" + element)
        return "278-response" if after.split(element, 2)[1:2] == [b"11"] else "278"
    return number

"""An envelope field by field: the error code of the first thing that is wrong, in the order of the schema.

Error codes of the rule's table: `<Field>Required`, `<Field>Illegal`, VersionMismatch, UnAuthorized, ChecksumMismatched,
Sender, Receiver.  Which of them a server must use where is unconfirmed (docs/core.md).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from itertools import islice

import msgspec

from parsers.core.envelope import REAL_TIME, RULE_VERSION, Envelope, Kind, is_interchange
from parsers.core.payloads import kind_of, use_of, use_of_document
from parsers.x12.header import find_headers

SUCCESS, NONE = "Success", "None"
MAX_ID = 50  # characters of SenderID and ReceiverID
_UUID = re.compile(r"\{?[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\}?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_DIGESTS = {40: "sha1", 64: "sha256"}
_REQUESTS = frozenset({"270", "276", "278"})
_HELD = {"ack": _REQUESTS}
"""By use: transaction sets that a payload of it cannot hold; of a request the other requests."""
_REQUIRED = ("PayloadType", "ProcessingMode", "PayloadID", "TimeStamp", "SenderID", "ReceiverID", "CORERuleVersion")


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """What one partner may send.  Empty tuples: anything.  `payload_types`: the partner's own values by use."""

    versions: tuple[str, ...] = (RULE_VERSION,)
    sender_ids: tuple[str, ...] = ()
    receiver_ids: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    payload_types: dict[str, str] = {}


class EnvelopeError(msgspec.Struct, frozen=True):
    """What is wrong.  `text` is a sentence for the partner's analyst and holds no value of the message."""

    code: str
    text: str


def check_request(envelope: Envelope, wanted: Expectations) -> EnvelopeError | None:
    """The first error of a request; None when it may be taken."""
    for name in envelope.repeated:
        return EnvelopeError(f"{name}Illegal", f"{name} is given more than once.")
    for name in _REQUIRED:
        if not envelope.get(name):
            return EnvelopeError(f"{name}Required", f"{name} is missing or empty.")
    kind = kind_of(envelope, wanted.payload_types)
    if kind is None or envelope.get("ProcessingMode").lower() != kind.mode.lower():
        return EnvelopeError("ProcessingModeIllegal", "ProcessingMode does not fit this message: RealTime or Batch.")
    return _values(envelope, kind, wanted) or _payload(envelope, kind, wanted)


def _values(envelope: Envelope, kind: Kind, wanted: Expectations) -> EnvelopeError | None:
    use = use_of(envelope.get("PayloadType"), wanted.payload_types)
    if use is None or (wanted.uses and use not in wanted.uses):
        return EnvelopeError("PayloadTypeIllegal", "This PayloadType is not taken from this partner.")
    if kind.carries and not is_uuid(envelope.get("PayloadID")):
        return EnvelopeError("PayloadIDIllegal", "PayloadID is no UUID.")
    if len(envelope.get("PayloadID")) > MAX_ID:
        return EnvelopeError("PayloadIDIllegal", "PayloadID is too long.")
    if not _TIME.fullmatch(envelope.get("TimeStamp")[:64]):
        return EnvelopeError("TimeStampIllegal", "TimeStamp is not of the form YYYY-MM-DDThh:mm:ssZ.")
    if not _among(envelope.get("SenderID"), wanted.sender_ids):
        return EnvelopeError("SenderIDIllegal", "This SenderID does not belong to the user who signed in.")
    if not _among(envelope.get("ReceiverID"), wanted.receiver_ids):
        return EnvelopeError("ReceiverIDIllegal", "This ReceiverID is not served here.")
    if envelope.get("CORERuleVersion").lower().removeprefix("v") not in wanted.versions:
        return EnvelopeError("VersionMismatch", "CORERuleVersion must be one of: " + ", ".join(wanted.versions) + ".")
    return None


def _payload(envelope: Envelope, kind: Kind, wanted: Expectations) -> EnvelopeError | None:
    if not kind.carries:
        return None
    if not envelope.payload:
        return EnvelopeError("PayloadRequired", "Payload is missing or empty.")
    length = envelope.get("PayloadLength")
    if length and not (length.isascii() and length.isdigit() and len(length) <= 12):
        return EnvelopeError("PayloadLengthIllegal", "PayloadLength is no whole number.")
    if length and envelope.exact and int(length) != len(envelope.payload):
        return EnvelopeError("PayloadLengthIllegal", "PayloadLength is not the number of bytes of Payload.")
    if envelope.get("CheckSum") and envelope.exact and not sum_fits(envelope.payload, envelope.get("CheckSum")):
        return EnvelopeError("ChecksumMismatched", "CheckSum is not the SHA-1 of Payload in hexadecimal digits.")
    if not is_interchange(envelope.payload):
        return EnvelopeError("PayloadIllegal", "Payload does not begin with an ISA segment.")
    if kind is REAL_TIME and len([*islice(find_headers(envelope.payload), 2)]) > 1:
        return EnvelopeError("PayloadIllegal", "Payload holds more than the one interchange of a real-time request.")
    held = use_of_document(envelope.payload)
    meant = (use_of(envelope.get("PayloadType"), wanted.payload_types) or "").removeprefix("batch:")
    if held in _HELD.get(meant.partition(":")[0], _REQUESTS - {meant}):
        return EnvelopeError("PayloadTypeIllegal", "PayloadType does not fit the transaction set in Payload.")
    return None


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text[:64]) is not None


def sum_fits(payload: bytes, given: str) -> bool:
    """Whether `given` is the SHA-1 (or, by its length, the SHA-256) of a payload, in hexadecimal digits."""
    algorithm = _DIGESTS.get(len(given))
    if algorithm is None:
        return False
    return hmac.compare_digest(hashlib.new(algorithm, payload, usedforsecurity=False).hexdigest(), given.lower())


def check_sum(payload: bytes) -> str:
    """CheckSum of a batch payload: SHA-1, as live clients send it."""
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()


def error_of_response(envelope: Envelope, asked: Mapping[str, str]) -> EnvelopeError | None:
    """What keeps a response from being believed: its error code, another PayloadID, a payload that is no X12."""
    code = envelope.get("ErrorCode")
    answered = envelope.payload is not None and is_interchange(envelope.payload)
    if code.lower() != SUCCESS.lower() and (code or not answered):  # some servers leave it empty beside a TA1
        return EnvelopeError(code[:64] or "Receiver", "The other side answered with an error.")
    theirs = envelope.get("PayloadID")
    if theirs and theirs.lower() != asked.get("PayloadID", "").lower() and envelope.get("ProcessingMode") == "RealTime":
        return EnvelopeError("PayloadIDIllegal", "The answer is to another PayloadID.")
    if envelope.payload and not answered:
        return EnvelopeError("PayloadIllegal", "The answer says Success and its payload is no X12.")
    return None


def _among(value: str, allowed: tuple[str, ...]) -> bool:
    if len(value) > MAX_ID:
        return False
    return not allowed or value.lower() in {each.lower() for each in allowed}

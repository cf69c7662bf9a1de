"""An envelope: its fields under the rule's own names, whatever the sender's spelling, and its kind of message."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from parsers.errors import Oddity, ParseError

FIELDS = (
    "PayloadType",
    "ProcessingMode",
    "PayloadID",
    "PayloadLength",
    "TimeStamp",
    "SenderID",
    "ReceiverID",
    "CORERuleVersion",
    "CheckSum",
    "Payload",
    "ErrorCode",
    "ErrorMessage",
)
"""In the order of the schema."""

RULE_VERSION = "2.2.0"
"""The rule version that HIPAA mandates."""

NAMES = {name.lower(): name for name in FIELDS}
"""Rule's spelling by lower case: partners' guides drift (`PayloadId`, `Timestamp`, `CoreRuleVersion`)."""

MAX_VALUE = 4096  # bytes of one field that is not the payload
_BASE64_HEAD = re.compile(rb"[A-Za-z0-9+/=\s]{4,64}")
_BLANKS = b" \t\r\n\xef\xbb\xbf"


class Kind(msgspec.Struct, frozen=True):
    """One kind of message.  `operation`, `request` and `response` are the SOAP names; `mode` is ProcessingMode."""

    name: str
    mode: str
    operation: str
    request: str
    response: str

    @property
    def carries(self) -> bool:
        """Whether a request of this kind brings a document."""
        return self.name in ("real-time", "submit", "results-ack")


REAL_TIME = Kind(
    "real-time", "RealTime", "RealTimeTransaction", "COREEnvelopeRealTimeRequest", "COREEnvelopeRealTimeResponse"
)
SUBMIT = Kind(
    "submit",
    "Batch",
    "BatchSubmitTransaction",
    "COREEnvelopeBatchSubmission",
    "COREEnvelopeBatchSubmissionResponse",
)
ACK_RETRIEVAL = Kind(
    "ack-retrieval",
    "Batch",
    "BatchSubmitAckRetrievalTransaction",
    "COREEnvelopeBatchSubmissionAckRetrievalRequest",
    "COREEnvelopeBatchSubmissionAckRetrievalResponse",
)
RESULTS_RETRIEVAL = Kind(
    "results-retrieval",
    "Batch",
    "BatchResultsRetrievalTransaction",
    "COREEnvelopeBatchResultsRetrievalRequest",
    "COREEnvelopeBatchResultsRetrievalResponse",
)
RESULTS_ACK = Kind(
    "results-ack",
    "Batch",
    "BatchResultsAckSubmitTransaction",
    "COREEnvelopeBatchResultsAckSubmission",
    "COREEnvelopeBatchResultsAckSubmissionResponse",
)

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (REAL_TIME, SUBMIT, ACK_RETRIEVAL, RESULTS_RETRIEVAL, RESULTS_ACK)
}
KIND_OF_ROOT: dict[str, Kind] = {root: kind for kind in KINDS.values() for root in (kind.request, kind.response)}


class Envelope(msgspec.Struct, kw_only=True):
    """One message.  `fields` under the rule's names, without Payload; values are trimmed, never None.

    `payload` None: the element or part is absent.  `kind` None: MIME, where PayloadType decides (payloads.kind_of).
    `exact`: the payload came as bytes, so that its length and check sum can be held against it; XML text cannot (line
    ends are changed on the way).  `repeated`: fields that came more than once.
    """

    form: str  # soap | mime
    fields: dict[str, str]
    payload: bytes | None = None
    kind: Kind | None = None
    user: str = ""
    password: str = ""
    exact: bool = True
    repeated: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        return self.fields.get(name, "")


class CoreError(ParseError):
    """The bytes are no envelope.  `sender`: the peer's fault; the text names places, never values."""

    def __init__(self, text: str, location: str = "envelope", *, sender: bool = True) -> None:
        super().__init__(Oddity("error", "core-envelope", location, text))
        self.sender = sender


def unwrap(content: bytes) -> tuple[bytes, bool]:
    """(document, whether the bytes are the sender's own) of a payload that came as text: as it is, or in base64."""
    bare = content.strip(_BLANKS)
    if bare.startswith(b"ISA") or not _BASE64_HEAD.fullmatch(bare[:64]):
        return content, False
    try:
        return base64.b64decode(bare.translate(None, b" \t\r\n"), validate=True), True
    except (binascii.Error, ValueError):
        return content, False


def is_interchange(payload: bytes) -> bool:
    """Whether a payload is X12 at all: some servers answer `Success` with an error text in it."""
    return payload[:1024].lstrip(_BLANKS).startswith(b"ISA")

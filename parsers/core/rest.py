"""The REST form of rule version 4.0.0: where each kind of message is, JSON as its body, the HTTP status of an error.

Public facts (CAQH's answers to questions on vC4.0.0): GET and POST at least, an API version in the path that the
server chooses, X.509 and OAuth 2.0 together, metadata that may be extended and asks for no PayloadID and no time.
Paths, names in JSON and statuses are ours, as data (docs/core.md).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from parsers.core.envelope import (
    ACK_RETRIEVAL,
    FIELDS,
    MAX_VALUE,
    NAMES,
    REAL_TIME,
    RESULTS_ACK,
    RESULTS_RETRIEVAL,
    SUBMIT,
    CoreError,
    Envelope,
    Kind,
    unwrap,
)

REST_VERSION = "4.0.0"
JSON = "application/json"
_ID = "{id}"


class Place(msgspec.Struct, frozen=True):
    """Where one kind of message is, below the path of the endpoint; `{id}` is the PayloadID of the submission."""

    kind: Kind
    method: str
    path: str


PLACES = (
    Place(REAL_TIME, "POST", "/v1/real-time"),
    Place(SUBMIT, "POST", "/v1/batches"),
    Place(ACK_RETRIEVAL, "GET", "/v1/batches/{id}/acknowledgement"),
    Place(RESULTS_RETRIEVAL, "GET", "/v1/batches/{id}/results"),
    Place(RESULTS_ACK, "POST", "/v1/batches/{id}/results/acknowledgement"),
)
BY_KIND = {place.kind.name: place for place in PLACES}
USES = {ACK_RETRIEVAL.name: "retrieval:999", RESULTS_RETRIEVAL.name: "results:271"}
"""What a GET asks for; there it is the path that says so."""

_STATUS = {"UnAuthorized": 403, "Receiver": 503}


def status_of(code: str) -> int:
    """The HTTP status beside an envelope's error code."""
    return _STATUS.get(code, 400)


def places_at(path: str) -> list[tuple[Place, str]]:
    """(place, PayloadID in it) of every method that a path has; [] when nothing is there."""
    found = []
    for place in PLACES:
        before, has_id, after = place.path.partition(_ID)
        middle = path[len(before) : len(path) - len(after)] if has_id else ""
        fits = path.startswith(before) and path.endswith(after) and 0 < len(middle) <= 50 and "/" not in middle
        if fits if has_id else path == place.path:
            found.append((place, middle))
    return found


def read_json(body: bytes) -> Envelope:
    """One message: an object, names in any case, X12 as text or in base64.  Raises CoreError."""
    try:
        pairs = json.loads(body, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise CoreError("this is not JSON", "JSON") from None
    if not isinstance(pairs, list) or (pairs and not isinstance(pairs[0], tuple)):
        raise CoreError("a JSON object is wanted", "JSON")
    envelope = Envelope(form="json", fields={})
    repeated = []
    for key, value in pairs:
        name = NAMES.get(key.lower())
        if name is None or value is None:
            continue
        if name in envelope.fields or (name == "Payload" and envelope.payload is not None):
            repeated.append(name)
        elif name == "Payload":
            envelope.payload = unwrap(_text(name, value).encode("utf-8", "replace"))[0]
        else:
            envelope.fields[name] = _text(name, value).strip()[:MAX_VALUE]
    envelope.repeated = tuple(repeated)
    return envelope


def write_json(fields: dict[str, str], payload: bytes | None) -> bytes:
    """A message as one object, in the order of the schema; X12 as text, in base64 what is no UTF-8."""
    made: dict[str, Any] = {name: fields[name] for name in FIELDS if name in fields}
    if payload is not None:
        try:
            made["Payload"] = payload.decode()
        except UnicodeDecodeError:
            made["Payload"] = payload  # msgspec writes bytes as base64
    return msgspec.json.encode(made)


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise CoreError("a value that is neither text nor a whole number", name)

"""Under /fhir every problem document becomes an OperationOutcome, wherever it was made."""

from __future__ import annotations

import json

from starlette.types import Message, Send

from gateway.api.problems import MEDIA_TYPE
from mappings.fhir.bundle import operation_outcome

FHIR_JSON = "application/fhir+json"
ROOT = "/fhir"


def is_fhir(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def as_operation_outcomes(send: Send) -> Send:
    """`send` that holds a problem document back until it is whole, and sends what it says in FHIR."""
    start: Message | None = None
    body = b""

    async def translated(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start" and _is_problem(message):
            start = message
            return
        if start is None or message["type"] != "http.response.body":
            await send(message)
            return
        body += message.get("body", b"")
        if message.get("more_body"):
            return
        written = json.dumps(_outcome(body, start["status"])).encode()
        kept = [
            (name, value)
            for name, value in start["headers"]
            if name.lower() not in (b"content-type", b"content-length")
        ]
        own = [(b"content-type", FHIR_JSON.encode()), (b"content-length", b"%d" % len(written))]
        await send({**start, "headers": kept + own})
        await send({"type": "http.response.body", "body": written})

    return translated


def _is_problem(message: Message) -> bool:
    return any(n.lower() == b"content-type" and v.startswith(MEDIA_TYPE.encode()) for n, v in message["headers"])


def _outcome(body: bytes, status: int) -> object:
    problem = json.loads(body)
    places = [place["location"] for place in problem.get("errors") or ()]
    return operation_outcome(status, problem["detail"], places)

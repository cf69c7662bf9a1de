"""What FastAPI cannot know of our errors: their form, and those that every operation of a kind can give."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from gateway.api.fhir_errors import FHIR_JSON, is_fhir
from gateway.api.problems import MEDIA_TYPE

_PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
_OUTCOME = {
    "schema": {
        "type": "object",
        "required": ["resourceType", "issue"],
        "properties": {"resourceType": {"const": "OperationOutcome"}, "issue": {"type": "array"}},
    }
}
OPEN = frozenset({"/healthz", "/readyz"})


def describe_errors(document: dict[str, Any]) -> None:
    """Every error as application/problem+json, under /fhir as an OperationOutcome."""
    for path, operations in document["paths"].items():
        if path in OPEN:
            continue
        content = {FHIR_JSON: _OUTCOME} if is_fhir(path) else {MEDIA_TYPE: _PROBLEM}
        for operation in operations.values():
            responses = operation["responses"]
            for code in _always(operation):
                responses.setdefault(code, {"description": HTTPStatus(int(code)).phrase})
            for code, response in responses.items():
                if code >= "400":
                    response["content"] = content
            operation["responses"] = dict(sorted(responses.items()))


def describe_webhooks(document: dict[str, Any]) -> None:
    """What Baton posts to who subscribed."""
    text = {"type": "string"}
    headers = {
        "webhook-id": "The event id: the same at every attempt.",
        "webhook-timestamp": "Seconds of this attempt.",
        "webhook-signature": "`v1,` and the HMAC-SHA256 of `id.timestamp.body`; one for each live secret.",
    }
    parameters = [
        {"name": name, "in": "header", "required": True, "schema": text, "description": said}
        for name, said in headers.items()
    ]
    event = {"type": "object", "required": ["specversion", "id", "type", "data"], "description": "docs/events.md"}
    message = {"type": "object", "required": ["resourceType"], "description": "docs/fhir.md, Notifications"}
    content = {"application/cloudevents+json": {"schema": event}, FHIR_JSON: {"schema": message}}
    answers = {
        "2XX": {"description": "Taken"},
        "410": {"description": "Nobody wants it any more: the webhook is disabled"},
        "default": {"description": "Tried again"},
    }
    post = {"summary": "An event", "parameters": parameters, "requestBody": {"content": content}, "responses": answers}
    document["webhooks"] = {"event": {"post": post}}


def _always(operation: dict[str, Any]) -> list[str]:
    """What can be answered to any request of this shape."""
    codes = ["401", "403", "503"]
    if operation.get("parameters") or "requestBody" in operation:
        codes.append("422")
    if "requestBody" in operation:
        codes.append("413")
    return codes

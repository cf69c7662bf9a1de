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


def _always(operation: dict[str, Any]) -> list[str]:
    """What can be answered to any request of this shape."""
    codes = ["401", "403", "503"]
    if operation.get("parameters") or "requestBody" in operation:
        codes.append("422")
    if "requestBody" in operation:
        codes.append("413")
    return codes

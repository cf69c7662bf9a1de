"""What the catalogue of events is written in: schemas of fields, and one object per type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}


@dataclass(frozen=True)
class EventType:
    """`about`: kinds of the aggregate.  Fields by name: those always there in the full form, and those that may be."""

    type: str
    when: str
    about: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]


def items(required: tuple[str, ...], **fields: Schema) -> Schema:
    return {"type": "array", "items": {"type": "object", "required": list(required), "properties": fields}}


def optional_text(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def about(kind: str, name: str, when: str, required: tuple[str, ...], more: tuple[str, ...] = ()) -> EventType:
    record = "patient" if kind == "account" else kind  # an account has no record of its own
    return EventType(f"{kind}.{name}", when, (record,), required, more)

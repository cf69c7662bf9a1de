"""Writes docs/events.md, docs/asyncapi.yaml and docs/schemas from the catalogue of events."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml

from scripts.event_catalogue import EVENT_TYPES, FIELDS, field_schema
from scripts.event_parts import MOMENT, TEXT, EventType, Schema

VERSION = "1"
DRAFT = "http://json-schema.org/draft-07/schema#"
COMMON = "canonical-data"
RESTRICTED = "restricted-event"
FLAGS = {
    "late": "the message is older than what was already applied",
    "correction": "it corrects an earlier event",
    "implied": "another message than its own trigger said so",
    "historical": "MSH-11.2 says archive, restore or initial load: no tasks",
    "replayed": "a person retried or edited the message, or a copy of it did",
    "state-anomaly": "it does not fit the status known",
    "reinstated": "what was closed is open again",
    "initial": "the first answer about this coverage",
    "provisional": "BHT06 = 19: the payer will send more",
}

_EVENTS_TEXT = """\
# Events

Made from `scripts/event_catalogue.py` by `make docs`; tests compare it with what the gateway publishes.

Every event is a CloudEvents 1.0 JSON document with the canonical event as `data`. The bytes are the same wherever you
read them:

- RabbitMQ: topic exchange `bus.exchange` (default `baton.events`), routing key `<family>.<event>.<facility>`;
- the API: `GET /api/v1/events` page by page, or as server-sent events with `Accept: text/event-stream`;
- the command line: `baton tail`.

[asyncapi.yaml](asyncapi.yaml) describes the bus for tools. [schemas](schemas) holds one JSON Schema (draft 07) per
type and version; `dataschema` of an event names its file there. A released schema only ever gains optional fields; a
field that goes or changes its meaning makes version 2. `schemas/released.json` is the record that a test checks.

## What you may rely on

- **The id is stable.** It is derived from the message, its item and the event's place in it. When the gateway
  publishes an event again (after a crash, or after a confirm that never came), it has the same id: keep the ids you
  have seen, or compare `data.aggregate.revision`.
- **Order holds per patient** (`partitionkey`). A repeat can come late; the newest revision is never followed by an
  older one as the last word.
- **Nothing is skipped.** The API's cursor is in commit order: a reader that follows it misses no event.
- **Outside `data` there is no patient data**: our own ids and fixed words only. `subject` is our patient id.
- **`data.data` has what the type lists below.** A field that is not known is left out (tasks are shown whole, with
  null). Ignore fields that you do not know. `data.data`, `data.changes`, `data.flags` and `data.site` are left out
  when empty.
- **`data.site`** holds what the channel's `pick` took from places that the standard has no name for.
- **Reference form.** With `bus.payload = "reference"` (the default when RabbitMQ is off this machine and without TLS)
  `data.data`, `data.changes`, `data.site`, patient identifiers and the control id stay behind: read the rest from the
  API by id.

- **Minimal form.** A taker without the grant gets a restricted patient's or stay's event as its id and type, the id of
  what it is about, and `data.due_at` where that is due: [restricted-event](schemas/restricted-event/1.json), which
  `dataschema` names. The grant is `bus.restricted`, the webhook's `restricted`, or the scope `restricted:read`.

## Attributes

| attribute | meaning |
|---|---|
| `id` | event id |
| `type` | `<family>.<event>` of the table below |
| `source` | `/baton/gateway` |
| `subject`, `partitionkey` | our patient id; the id of the aggregate where there is none (bed, unmatched answer) |
| `time` | when it happened in the world (`data.occurred_at`) |
| `correlationid` | the message behind it (`m-1842`), also of a timer; of a person's act the task |
| `dataschema` | `/schemas/<type>/<version>.json` |
| `data.recorded_at` | when the sender recorded it (EVN-2, MSH-7, BHT) |
| `data.received_at`, `data.emitted_at` | when the message came, when the event was made |
| `data.aggregate` | kind, id and revision of what changed |
| `data.source` | channel, our message id, the sender's control id, trigger (`ADT^A03`, `271`, `timer`, `command`) |
| `data.facility` | our facility id |
| `data.privacy` | `restricted` for a protected patient or stay; left out otherwise |
| `data.changes` | `path`, `old`, `new` of each changed field |
| `data.idempotency_key` | type, aggregate and revision |

Flags in `data.flags`:

"""


def events_markdown() -> str:
    lines = [_EVENTS_TEXT + "\n".join(f"- `{name}`: {text}" for name, text in FLAGS.items()), "", "## Types", ""]
    lines += ["| type | published when | `data.data` always | may be |", "|---|---|---|---|"]
    for event in EVENT_TYPES:
        cells = (f"[`{event.type}`]({schema_path(event.type)})", event.when, _names(event.required), _more(event))
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Fields", "", "| field | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, (_, text) in FIELDS.items()]
    return "\n".join(lines) + "\n"


def schema_path(type_: str) -> str:
    return f"schemas/{type_}/{VERSION}.json"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _more(event: EventType) -> str:
    return _names(event.optional)


# -- JSON Schema -------------------------------------------------------------------------------------------------------


def common_schema() -> Schema:
    """`data` of every event, but for what its type adds."""
    texts = ("event_id", "type", "schema_version", "facility", "correlation_id", "causation_id", "idempotency_key")
    moments = ("occurred_at", "recorded_at", "received_at", "emitted_at")
    identifier = _object(("authority", "value"), authority=TEXT, value=TEXT)
    change = _object(("path",), path=TEXT, old={}, new={})
    return {
        "$schema": DRAFT,
        "$id": f"/{schema_path(COMMON)}",
        "title": "Canonical event",
        "description": "What `data` of every event holds.",
        **_object(
            (*texts, *moments, "source", "patient", "aggregate"),
            **dict.fromkeys(texts, TEXT),
            **dict.fromkeys(moments, MOMENT),
            source=_object(
                ("channel", "message_id", "control_id", "trigger"),
                **dict.fromkeys(("channel", "message_id", "control_id", "trigger"), TEXT),
            ),
            patient=_object(("id",), id=TEXT, identifiers={"type": "array", "items": identifier}),
            aggregate=_object(("kind", "id", "revision"), kind=TEXT, id=TEXT, revision={"type": "integer"}),
            privacy={"type": "string", "enum": ["normal", "restricted"]},
            flags={"type": "array", "items": {"type": "string", "enum": list(FLAGS)}},
            data={"type": "object"},
            changes={"type": "array", "items": change},
            site={"type": "object", "additionalProperties": TEXT},
        ),
    }


def restricted_schema() -> Schema:
    """`data` of the minimal form, and nothing else."""
    texts = ("event_id", "type", "schema_version", "facility")
    return {
        "$schema": DRAFT,
        "$id": f"/{schema_path(RESTRICTED)}",
        "title": "Restricted event",
        "description": "What is left of an event about a restricted patient for a taker without the grant.",
        **_object(
            (*texts, "emitted_at", "aggregate", "privacy"),
            **dict.fromkeys(texts, TEXT),
            emitted_at=MOMENT,
            aggregate=_object(("kind", "id", "revision"), kind=TEXT, id=TEXT, revision={"type": "integer"}),
            privacy={"const": "restricted"},
            due_at=MOMENT,
        ),
        "additionalProperties": False,
    }


def type_schema(event: EventType) -> Schema:
    """`data` of one event type.  `data.data` is absent in the reference form."""
    fields = {name: field_schema(event, name) for name in (*event.required, *event.optional)}
    kinds: Schema = {"properties": {"kind": {"enum": list(event.about)}}}
    return {
        "$schema": DRAFT,
        "$id": f"/{schema_path(event.type)}",
        "title": event.type,
        "description": event.when,
        "allOf": [{"$ref": f"../{COMMON}/{VERSION}.json"}],
        "properties": {
            "type": {"const": event.type},
            "schema_version": {"const": VERSION},
            "aggregate": kinds,
            "data": {"type": "object", "required": list(event.required), "properties": fields},
        },
    }


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


# -- AsyncAPI ----------------------------------------------------------------------------------------------------------


def asyncapi_document() -> dict[str, Any]:
    """AsyncAPI 3.0: one channel and one message per event type."""
    names = {event.type: event.type.replace(".", "-") for event in EVENT_TYPES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Baton events",
            "version": VERSION,
            "description": "What Baton publishes on its topic exchange; GET /api/v1/events gives the same.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"rabbitmq": {"host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0.9.1"}},
        "channels": {names[event.type]: _channel(event, names[event.type]) for event in EVENT_TYPES},
        "operations": {
            f"publish-{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}},
            }
            for name in names.values()
        },
        "components": {
            "messages": {names[event.type]: _message(event) for event in EVENT_TYPES},
            "schemas": {"cloud-event": _envelope(), "headers": _headers()},
            "parameters": {"facility": {"description": "Our facility id: a-z, 0-9 and hyphen."}},
        },
    }


def _channel(event: EventType, name: str) -> dict[str, Any]:
    return {
        "address": f"{event.type}.{{facility}}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {"facility": {"$ref": "#/components/parameters/facility"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": "baton.events", "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _message(event: EventType) -> dict[str, Any]:
    return {
        "name": event.type,
        "summary": event.when,
        "contentType": "application/cloudevents+json",
        "correlationId": {"location": "$message.payload#/correlationid"},
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {"anyOf": [_payload(event, event.type), _payload(event, RESTRICTED)]},
    }


def _payload(event: EventType, schema: str) -> Schema:
    """The event as a CloudEvent whose `data` is of this schema."""
    properties = {
        "type": {"const": event.type},
        "dataschema": {"const": f"/{schema_path(schema)}"},
        "data": {"$ref": f"./{schema_path(schema)}"},
    }
    return {"allOf": [{"$ref": "#/components/schemas/cloud-event"}, {"type": "object", "properties": properties}]}


def _envelope() -> Schema:
    texts = (
        "id", "source", "type", "subject", "datacontenttype", "dataschema", "partitionkey", "correlationid",
    )  # fmt: skip
    return _object(
        ("specversion", *texts, "time", "data"),
        specversion={"const": "1.0"},
        **dict.fromkeys(texts, TEXT),
        time=MOMENT,
        data={"type": "object"},
    )


def _headers() -> Schema:
    """AMQP headers; the event id is the AMQP message id."""
    return _object(("type", "facility", "partitionkey"), type=TEXT, facility=TEXT, partitionkey=TEXT)


class _Plain(yaml.SafeDumper):
    """Writes repeated parts out instead of pointing at them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def asyncapi_yaml() -> str:
    text: str = yaml.dump(asyncapi_document(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)
    return "# Made from scripts/event_catalogue.py by `make docs`.\n" + text


def pages() -> dict[str, Callable[[], str]]:
    """Path below docs -> what makes it."""
    made: dict[str, Callable[[], str]] = {
        "events.md": events_markdown,
        "asyncapi.yaml": asyncapi_yaml,
        schema_path(COMMON): lambda: _json(common_schema()),
        schema_path(RESTRICTED): lambda: _json(restricted_schema()),
    }
    return made | {schema_path(event.type): partial(_type_json, event) for event in EVENT_TYPES}


def _type_json(event: EventType) -> str:
    return _json(type_schema(event))


def _json(document: Schema) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

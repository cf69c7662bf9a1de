"""What is published is what docs/asyncapi.yaml and docs/schemas promise, in each of its forms."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from gateway.envelope import to_minimal, to_reference
from gateway.relay import to_delivery
from gateway.store.ports import EventRow, OutboxItem
from scripts.event_catalogue import EVENT_TYPES, FIELDS
from scripts.event_documents import FLAGS
from scripts.generate_docs import DOCS
from scripts.released_schemas import RECORD, breaks, current
from tests.docs.played_day import PlayedDay

SPEC: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
TYPES = {event.type: event for event in EVENT_TYPES}
PHI = ("family", "given", "mrn", "member_id", "birth_date", "phone", "address")


def _registry() -> Registry[Any]:
    schemas = DOCS.glob("schemas/*/*.json")
    found = [(f"/{path.relative_to(DOCS).as_posix()}", json.loads(path.read_text("utf-8"))) for path in schemas]
    found.append(("/asyncapi.yaml", SPEC))
    made: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(body, default_specification=DRAFT7)) for uri, body in found]
    )
    return made


def _validator(type_: str) -> Draft7Validator:
    """The payload of a message of asyncapi.yaml, its references followed into docs/schemas."""
    name = type_.replace(".", "-")
    schema = {"$ref": f"/asyncapi.yaml#/components/messages/{name}/payload"}
    return Draft7Validator(schema, registry=_registry(), format_checker=Draft7Validator.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft7Validator]:
    return {type_: _validator(type_) for type_ in TYPES}


def test_every_event_published_is_valid_in_both_forms(day: PlayedDay, validators: dict[str, Draft7Validator]) -> None:
    for event in day.events:
        for body in (event.body, to_reference(event.body), to_minimal(event.body)):
            errors = [
                f"{error.json_path}: {error.validator}"
                for error in validators[event.type].iter_errors(json.loads(body))
            ]
            assert not errors, f"{event.type}: {errors}"


def test_minimal_form_holds_nothing_that_is_said_of_the_patient(day: PlayedDay) -> None:
    schema = json.loads((DOCS / "schemas" / "restricted-event" / "1.json").read_text("utf-8"))
    for event in day.events:
        document = json.loads(to_minimal(event.body))
        Draft7Validator(schema).validate(document["data"])
        assert "data" not in document["data"]
        assert not event.patient_id or event.patient_id not in json.dumps(document)


def test_every_type_of_the_contract_is_published(day: PlayedDay) -> None:
    assert set(TYPES) == {event.type for event in day.events}


def test_data_holds_only_declared_fields_and_always_the_required_ones(day: PlayedDay) -> None:
    for event in day.events:
        declared = TYPES[event.type]
        keys = set(json.loads(event.body)["data"]["data"])
        assert keys <= {*declared.required, *declared.optional}, event.type
        assert set(declared.required) <= keys, event.type


def test_schema_refuses_an_event_without_a_required_field(
    day: PlayedDay, validators: dict[str, Draft7Validator]
) -> None:
    event = next(event for event in day.events if event.type == "encounter.discharged")
    document = json.loads(event.body)
    del document["data"]["data"]["discharge_number"]
    assert not validators[event.type].is_valid(document)
    document["data"].pop("data")
    assert validators[event.type].is_valid(document)


def test_types_named_in_the_code_are_in_the_contract() -> None:
    families = "|".join(sorted({event.family for event in EVENT_TYPES}))
    folder = DOCS.parent / "gateway" / "coordination"
    pattern = re.compile(rf'emit\([^"]*"((?:{families})\.[a-z-]+)"|"((?:{families})\.[a-z-]+)"')
    named = {
        found[1] or found[2] for path in folder.rglob("*.py") for found in pattern.finditer(path.read_text("utf-8"))
    }
    assert named <= set(TYPES)


def test_fields_and_flags_are_all_used(day: PlayedDay) -> None:
    used = {name for event in EVENT_TYPES for name in (*event.required, *event.optional)}
    assert used == set(FIELDS)
    assert {flag for event in day.events for flag in json.loads(event.body)["data"].get("flags", ())} <= set(FLAGS)


def test_routing_key_is_an_address_of_its_channel(day: PlayedDay) -> None:
    for event in day.events:
        address = SPEC["channels"][event.type.replace(".", "-")]["address"]
        pattern = re.escape(address).replace(re.escape("{facility}"), "[a-z0-9-]+")
        assert re.fullmatch(pattern, event.routing_key), event.routing_key


def test_delivery_on_the_bus_has_the_headers_and_content_type_described(day: PlayedDay) -> None:
    event = day.events[0]
    delivery = to_delivery(_pending(event))
    headers = SPEC["components"]["schemas"]["headers"]
    assert set(delivery.headers) == set(headers["required"])
    assert delivery.content_type == SPEC["defaultContentType"]
    assert delivery.id == event.event_id


def test_nothing_outside_data_is_patient_data(day: PlayedDay) -> None:
    values = {
        str(value)
        for event in day.events
        for name, value in json.loads(event.body)["data"]["data"].items()
        if name in PHI and value and len(str(value)) > 1
    }
    assert len(values) > 20
    for event in day.events:
        envelope = {name: value for name, value in json.loads(event.body).items() if name != "data"}
        outside = json.dumps([envelope, to_delivery(_pending(event)).headers, event.routing_key])
        whole = to_reference(event.body).decode()
        assert not [value for value in values if f'"{value}"' in outside or f'"{value}"' in whole], event.type


def test_event_id_begins_with_its_message_and_is_used_once(day: PlayedDay) -> None:
    assert max(Counter(event.event_id for event in day.events).values()) == 1
    for event in day.events:
        assert re.fullmatch(r"evt_[0-9a-f]{27}", event.event_id)
        assert int(event.event_id[4:15], 16) == event.journal_id


# -- the documents -----------------------------------------------------------------------------------------------------


def test_asyncapi_is_whole() -> None:
    assert SPEC["asyncapi"] == "3.0.0"
    for reference in _references(SPEC):
        if reference.startswith("#/"):
            node: Any = SPEC
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]
        else:
            assert (DOCS / reference).is_file(), reference
    assert {f"publish-{name}" for name in SPEC["channels"]} == set(SPEC["operations"])
    assert set(SPEC["channels"]) == set(SPEC["components"]["messages"])


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def test_schemas_are_schemas_under_their_own_name() -> None:
    for path in DOCS.glob("schemas/*/*.json"):
        document = json.loads(path.read_text("utf-8"))
        Draft7Validator.check_schema(document)
        assert document["$id"] == f"/{path.relative_to(DOCS).as_posix()}"


def test_released_schemas_keep_their_promises() -> None:
    assert breaks(json.loads(RECORD.read_text("utf-8")), current()) == []


def test_release_record_names_everything_that_is_there() -> None:
    assert json.loads(RECORD.read_text("utf-8")) == current(), "run `python -m scripts.released_schemas`"


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda schema: schema["fields"].pop("data.mrn"), True),
        (lambda schema: schema["fields"].update({"data.mrn": "other"}), True),
        (lambda schema: schema["required"].append("data.sex"), True),
        (lambda schema: schema["required"].remove("data.mrn"), True),
        (lambda schema: schema["fields"].update({"data.nickname": "new"}), False),
    ],
)
def test_breaks_names_what_a_consumer_would_lose(change: Any, broken: bool) -> None:
    now = current()
    change(now["patient.created"]["1"])
    assert bool(breaks(current(), now)) is broken


def _pending(event: EventRow) -> OutboxItem:
    return OutboxItem(
        sink="bus",
        sequence=1,
        event_id=event.event_id,
        key=event.patient_id,
        routing_key=event.routing_key,
        type=event.type,
        facility_id=event.facility_id,
        body=event.body,
    )

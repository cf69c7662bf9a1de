"""Da Vinci unsolicited notifications (STU 1.1, FHIR R4): a message Bundle that says who was admitted or discharged.

The Bundle holds a MessageHeader whose focus is the Encounter, the Encounter, the Patient, and his coverages.  Entries
are named `urn:uuid:`, made from our ids, so that the same event gives the same Bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from mappings.fhir.elements import Resource, kept

EVENTS = {"encounter.admitted": "notification-admit", "encounter.discharged": "notification-discharge"}
"""Our event type -> code of the notification."""
_IG = "http://hl7.org/fhir/us/davinci-alerts/"
_PROFILES = {"notification-admit": "admit", "notification-discharge": "discharge"}


def message(
    event: Resource, stay: Resource, patient: Resource, coverages: Sequence[Resource], *, source: str, destination: str
) -> Resource:
    """`event` has `id`, `type` and `at` (an instant); `stay`, `patient` and `coverages` are rendered resources."""
    code = EVENTS[event["type"]]
    header = {
        "resourceType": "MessageHeader",
        "id": _uuid(event["id"]),
        "meta": {"profile": [f"{_IG}StructureDefinition/{_PROFILES[code]}-notification-messageheader"]},
        "eventCoding": {"system": f"{_IG}CodeSystem/notification-event", "code": code},
        "destination": [{"endpoint": destination}],
        "sender": {"display": "Baton"},
        "author": {"display": "Baton"},
        "source": {"software": "Baton", "endpoint": source},
        "focus": [{"reference": f"Encounter/{stay['id']}"}],
    }
    parts: list[Resource] = [header, stay, patient, *coverages]
    names = {f"{part['resourceType']}/{part['id']}": _urn(part) for part in parts}
    labels = _labels(parts)
    return {
        "resourceType": "Bundle",
        "id": _uuid(f"bundle|{event['id']}"),
        "meta": kept(profile=[f"{_IG}StructureDefinition/notifications-bundle"], security=labels),
        "type": "message",
        "timestamp": event["at"],
        "entry": [{"fullUrl": _urn(part), "resource": _pointed(part, names)} for part in parts],
    }


def _uuid(name: str) -> str:
    """A UUID of version 8 (RFC 9562): made of a digest, so that the same name gives the same one."""
    digest = hashlib.sha256(f"urn:baton:{name}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def _urn(part: Resource) -> str:
    name = part["id"] if part["resourceType"] == "MessageHeader" else _uuid(f"{part['resourceType']}/{part['id']}")
    return f"urn:uuid:{name}"


def _pointed(value: Any, names: dict[str, str]) -> Any:
    """`value` with its references to other entries by their names in the Bundle."""
    if isinstance(value, dict):
        return {
            key: names.get(each, each) if key == "reference" and isinstance(each, str) else _pointed(each, names)
            for key, each in value.items()
        }
    return [_pointed(each, names) for each in value] if isinstance(value, list) else value


def _labels(parts: Sequence[Resource]) -> list[Resource]:
    """The security labels of its parts, each once: a Bundle is as confidential as what it holds."""
    found: list[Resource] = []
    for part in parts:
        found += [label for label in part.get("meta", {}).get("security", ()) if label not in found]
    return found

"""Parts that resources share: ids, references, codes, times, security labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]
Resource = dict[str, Any]

OWN = "urn:baton:"
"""Names of our own code systems and identifiers."""
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
RESTRICTED: Resource = {"system": f"{V3}Confidentiality", "code": "R", "display": "restricted"}
MASKED: Resource = {"system": f"{V3}ObservationValue", "code": "MASKED"}


def to_fhir_id(id_: str) -> str:
    """`tsk_01f` -> `tsk-01f`: FHIR ids have no underscore, ours have one, behind the kind."""
    return id_.replace("_", "-", 1)


def from_fhir_id(id_: str) -> str:
    """Back; also of `Task/tsk-01f`."""
    return id_.rpartition("/")[2].replace("-", "_", 1)


def kept(**elements: Any) -> Resource:
    """The elements that have a value; a trailing underscore of a name is for Python."""
    return {name.rstrip("_"): value for name, value in elements.items() if value not in (None, "", [], {}, ())}


def meta(row: Row, *, masked: bool = False) -> Resource:
    """Version and time of the row, and its security labels."""
    labels = ([RESTRICTED] if row.get("restricted") else []) + ([MASKED] if masked else [])
    return kept(
        versionId=str(row["revision"]) if "revision" in row else None,
        lastUpdated=instant(row.get("updated_at")),
        security=labels,
    )


def instant(moment: datetime | None) -> str | None:
    """An aware moment with its zone, to the second or finer."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def period(start: datetime | None, end: datetime | None) -> Resource | None:
    return kept(start=instant(start), end=instant(end)) or None


def dates(start: str | None, end: str | None) -> Resource | None:
    """A period of days as stored: ISO text."""
    return kept(start=start, end=end) or None


def reference(kind: str, id_: str | None) -> Resource | None:
    return {"reference": f"{kind}/{to_fhir_id(id_)}"} if id_ else None


def named(kind: str, system: str, id_: str | None, display: str | None = None) -> Resource | None:
    """A reference to somebody of whom we keep no resource: by identifier, or by name alone."""
    if not id_ and not display:
        return None
    identifier = {"system": OWN + system, "value": id_} if id_ else None
    return kept(type=kind, identifier=identifier, display=display)


def coding(system: str, code: str | None, display: str | None = None) -> Resource | None:
    return kept(system=system, code=code, display=display) if code else None


def concept(system: str, code: str | None, text: str | None = None) -> Resource | None:
    """A CodeableConcept; `system` of ours when it is a plain word."""
    where = system if ":" in system else OWN + system
    return kept(coding=present(coding(where, code)), text=text) or None


def present(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]


def concepts(system: str, codes: Iterable[str | None]) -> list[Resource]:
    return present(*(concept(system, code) for code in codes if code))

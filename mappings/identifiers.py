"""Who a message is about (decision 9): which PID-3 repetition keys the patient, and what MRG-1 retires into him."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mappings.adjustment import place_of
from mappings.events import Identifier
from mappings.profile import FeedProfile, IdentifierRule
from mappings.source import Source
from parsers.hl7v2.message import Segment

UNMATCHABLE = frozenset(("SS", "AN", "VN"))
"""CX.5 of social security, account and visit numbers: they never name a patient."""

LONGEST = 200
"""Characters of an identifier or authority; a longer one is no identifier but a slipped field."""


def read_identifiers(source: Source, segment: Segment, field: int) -> tuple[Identifier, ...]:
    """All repetitions of a CX field as sent: CX.1, CX.4.1 (else CX.4.2), CX.5.  Those without a value are left out."""
    found = []
    for parts in source.repetitions(segment, field):
        number = source.pick(parts, 1)
        if number is None:
            continue
        authority = source.pick(parts, 4) or source.pick(parts, 4, 2)
        if len(number) > LONGEST or (authority and len(authority) > LONGEST):
            source.note("102", segment, field, "identifier too long; it is not used")
            continue
        kind = source.pick(parts, 5)
        found.append(Identifier(value=number, authority=authority, type=kind.upper() if kind else None))
    return tuple(found)


def qualify(identifier: Identifier, profile: FeedProfile) -> Identifier:
    """The identifier with an authority: its own, else the feed's."""
    if identifier.authority:
        return identifier
    return msgspec.structs.replace(identifier, authority=profile.authority)


def patient_key(sent: Iterable[Identifier], profile: FeedProfile) -> Identifier | None:
    """The one identifier that names the patient and his lane.

    By the feed's rules in their order; without rules the first MR, else PI, else the first with an authority, else the
    first under the feed's default authority.  None when no repetition may name a patient.
    """
    usable = [(one, qualify(one, profile)) for one in sent if one.type not in UNMATCHABLE]
    if profile.patient_id:
        for rule in profile.patient_id:
            for _, key in usable:
                if _matches(rule, key):
                    return key
        return None
    for kind in ("MR", "PI"):
        for _, key in usable:
            if key.type == kind:
                return key
    for one, key in usable:
        if one.authority:
            return key
    return usable[0][1] if usable else None


def prior_keys(sent: Iterable[Identifier], survivor: Identifier, profile: FeedProfile) -> tuple[Identifier, ...]:
    """The identifiers of MRG-1 that name retired patients.

    Those of the survivor's authority and type (a bare one counts as such); when there is none, the one that would key a
    patient.  Empty when MRG-1 names nobody.
    """
    sent = tuple(sent)
    alike = dict.fromkeys(
        key
        for one in sent
        if (key := qualify(one, profile)).authority == survivor.authority
        and key.type not in UNMATCHABLE
        and (key.type is None or survivor.type is None or key.type == survivor.type)
    )
    if alike:
        return tuple(alike)
    named = patient_key(sent, profile)
    return (named,) if named else ()


def encounter_key(source: Source, pid: Segment, pv1: Segment | None) -> Identifier | None:
    """The identifier of the stay: the first valued field of `profile.encounter_id` ("PV1-19", "PID-18", "PV1-50").

    Its authority is CX.4.1, else MSH-4.1, else the feed's.
    """
    for place in source.profile.encounter_id:
        name, field, component = place_of(place)
        segment = pv1 if name == "PV1" else pid if name == "PID" else source.first(name)
        if segment is None or (number := source.part(segment, field, component or 1)) is None:
            continue
        if len(number) > LONGEST:
            source.note("102", segment, field, "identifier too long; it is not used")
            continue
        assigned = source.part(segment, field, 4) if component <= 1 else None
        authority = assigned or source.value(source.header, 4) or source.profile.authority
        kind = source.part(segment, field, 5) if component <= 1 else None
        return Identifier(value=number, authority=authority[:LONGEST], type=kind)
    return None


def _matches(rule: IdentifierRule, key: Identifier) -> bool:
    return (rule.authority is None or rule.authority == key.authority) and (
        rule.type is None or rule.type.upper() == key.type
    )

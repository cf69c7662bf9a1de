"""PID and PD1: what ADT and SIU both say about the patient."""

from __future__ import annotations

from collections.abc import Sequence

from mappings.codes import sex_of
from mappings.events import DELETE, Identifier, PatientFacts, Person
from mappings.fields import NULL
from mappings.identifiers import patient_key, qualify, read_identifiers
from mappings.source import Source
from parsers.hl7v2.message import Segment


def read_patient(source: Source, pid: Segment, pd1: Segment | None, roles: Sequence[Segment] = ()) -> PatientFacts:
    """Facts of one PID with its PD1 and ROL rows; `key` is None when PID-3 names nobody."""
    sent = read_identifiers(source, pid, 3)
    key = patient_key(sent, source.profile)
    family, given = read_name(source, pid, 5)
    return PatientFacts(
        key=qualify(key, source.profile) if key else None,
        identifiers=tuple(qualify(one, source.profile) for one in sent),
        family=family,
        given=given,
        birth_date=source.day(pid, 7),
        sex=_sex(source, pid),
        language=source.text(pid, 15),
        phone=_phone(source, pid),
        address=_address(source, pid),
        account_number=source.text(pid, 18),
        deceased=source.flag(pid, 30),
        deceased_at=source.instant(pid, 29),
        pcp=_pcp(source, pd1, roles),
        restricted=source.flag(pd1, 12) if pd1 else None,
        living_arrangement=source.text(pd1, 2) if pd1 else None,
        homeless=_homeless(source, pid),
        contact_known=_contact_known(source),
        advance_directive=source.text(pd1, 15) if pd1 else None,
        identity_reliability=source.text(pid, 32),
    )


def read_name(source: Source, segment: Segment, field: int) -> tuple[str | None, str | None]:
    """XPN: (family, given) of the first repetition; a null field withdraws both."""
    if segment.raw(field) == NULL:
        return DELETE, DELETE
    parts = source.parts(segment, field)
    return source.pick(parts, 1), source.pick(parts, 2)


def prior_patient(source: Source, key: Identifier, identifiers: tuple[Identifier, ...], mrg: Segment) -> PatientFacts:
    """The record that a merge retires: MRG-1 and MRG-7."""
    family, given = read_name(source, mrg, 7)
    return PatientFacts(key=key, identifiers=identifiers, family=family, given=given)


def _sex(source: Source, pid: Segment) -> str | None:
    sent = source.text(pid, 8)
    if sent is None or sent == DELETE:
        return sent
    known = sex_of(sent)
    if known is None:
        source.note("103", pid, 8, "sex not in the table")
    return known


def _phone(source: Source, pid: Segment) -> str | None:
    """XTN: the number as sent (.1), unformatted (.12), or country, area and local joined; not mail addresses."""
    raw = pid.raw(13)
    if not raw:
        return None
    if raw == NULL:
        return DELETE
    for parts in source.repetitions(pid, 13):
        number = source.pick(parts, 1) or source.pick(parts, 12)
        if number is None:
            number = " ".join(piece for place in (5, 6, 7) if (piece := source.pick(parts, place)))
        if number and "@" not in number:
            return number
    return None


def _address(source: Source, pid: Segment) -> str | None:
    """XAD: street, other designation, city, state, postal code of the first repetition, joined by ", "."""
    raw = pid.raw(11)
    if not raw:
        return None
    if raw == NULL:
        return DELETE
    parts = source.parts(pid, 11)
    return ", ".join(piece for place in range(1, 6) if (piece := source.pick(parts, place))) or None


def _homeless(source: Source, pid: Segment) -> bool | None:
    """XAD.7 = HL, or a site's words where the street stands; None without an address."""
    if not pid.raw(11) or pid.raw(11) == NULL:
        return None
    for parts in source.repetitions(pid, 11):
        street = (source.pick(parts, 1) or "").upper()
        if (source.pick(parts, 7) or "").upper() == "HL" or "HOMELESS" in street:
            return True
    return False


def _contact_known(source: Source) -> bool | None:
    """An NK1 with a phone, or in the role of emergency contact or next of kin (NK1-7 C, N)."""
    rows = source.all("NK1")
    if not rows:
        return None
    return any(source.value(row, 5) or source.value(row, 6) or source.value(row, 7) in ("C", "N") for row in rows)


def _pcp(source: Source, pd1: Segment | None, roles: Sequence[Segment]) -> Person | None:
    """PD1-4, else the person of a ROL with role PP that is not deleted."""
    if pd1 is not None and (found := source.person(pd1, 4)):
        return found
    for role in roles:
        if source.text(role, 3) == "PP" and source.text(role, 2) not in ("DE", "UN"):
            return source.person(role, 4)
    return None

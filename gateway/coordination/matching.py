"""Whose answer is it: a payer's answer against the patients known (decision 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mappings.events import MemberFacts


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One coverage of one patient, as far as an answer can name it; a patient may have several."""

    patient_id: str
    payer_id: str | None = None
    member_id: str | None = None
    birth_date: str | None = None
    family: str | None = None
    given: str | None = None
    sex: str | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """`patient_id`, or None with `reason`: unmatched (nobody fits), ambiguous (several do), contradiction (the trace
    names a patient whom the answer does not describe)."""

    patient_id: str | None = None
    by: str | None = None  # trace | member
    reason: str | None = None


def match_member(member: MemberFacts, candidates: Sequence[Candidate], traces: Mapping[str, str]) -> Match:
    """Find the patient of an answer, never by guess.

    `traces` maps our trace and control numbers to patients.  A trace holds only when member id, birth date or family
    name agrees and neither birth date nor sex contradicts.  Without a trace: payer, member id and birth date agree;
    where several patients do, the given name decides.  Two that still fit are no match.
    """
    traced = {traces[number] for number in member.traces if number in traces}
    if not traced and member.reference and member.reference in traces:
        traced = {traces[member.reference]}
    if len(traced) > 1:
        return Match(reason="ambiguous")
    if traced:
        return _confirm(member, traced.pop(), candidates)
    return _by_member(member, candidates)


def _confirm(member: MemberFacts, patient_id: str, candidates: Iterable[Candidate]) -> Match:
    known = [one for one in candidates if one.patient_id == patient_id]
    if any(_contradicts(member, one) for one in known):
        return Match(reason="contradiction")
    if any(_agrees(member, one) for one in known):
        return Match(patient_id=patient_id, by="trace")
    return Match(reason="unmatched")


def _by_member(member: MemberFacts, candidates: Iterable[Candidate]) -> Match:
    if not member.member_id or not member.birth_date or not member.payer_id:
        return Match(reason="unmatched")
    fitting = [
        one
        for one in candidates
        if _same(member.payer_id, one.payer_id)
        and _same(member.member_id, one.member_id)
        and _same_day(member.birth_date, one.birth_date)
    ]
    if len({one.patient_id for one in fitting}) > 1:  # twins on one policy
        fitting = [one for one in fitting if _same_given(member.given, one.given)]
        if len({one.patient_id for one in fitting}) != 1:
            return Match(reason="ambiguous")
    if not fitting:
        return Match(reason="unmatched")
    if any(_contradicts(member, one) for one in fitting):
        return Match(reason="contradiction")
    return Match(patient_id=fitting[0].patient_id, by="member")


def _agrees(member: MemberFacts, known: Candidate) -> bool:
    return (
        _same(member.member_id, known.member_id)
        or _same_day(member.birth_date, known.birth_date)
        or _same(member.family, known.family)
    )


def _contradicts(member: MemberFacts, known: Candidate) -> bool:
    """Both sides say a birth date, or a sex other than unknown, and they differ."""
    born_otherwise = member.birth_date and known.birth_date and not _same_day(member.birth_date, known.birth_date)
    sexes = {member.sex, known.sex}
    return bool(born_otherwise) or (sexes >= {"F", "M"})


def _same(a: str | None, b: str | None) -> bool:
    return bool(a and b) and _plain(a) == _plain(b)


def _same_day(a: str | None, b: str | None) -> bool:
    return bool(a and b) and a == b


def _same_given(a: str | None, b: str | None) -> bool:
    """First given name; X12 may add a middle name or an initial."""
    return bool(a and b) and _plain((a or "").split()[0]) == _plain((b or "").split()[0])


def _plain(text: str | None) -> str:
    """Letters and digits, case folded: "O'NEIL" and "Oneil" are one name, "MBR-900" and "mbr900" one number."""
    return "".join(letter for letter in (text or "").casefold() if letter.isalnum())

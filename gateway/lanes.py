"""Lanes: the ordering domains of stored work.  Messages of one lane are processed in the order of their receipt.

By default a lane is an assigning authority (an ADT domain): order is then strict per domain and a merge stays inside.
A domain that one worker cannot carry is split by the patient's identifier; a merge then names the lanes of both.
A lane is a positive number of 63 bits: it is the key of an advisory lock on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from mappings.identifiers import UNMATCHABLE
from mappings.profile import FeedProfile, IdentifierRule
from parsers.hl7v2.header import Header

Identifier = tuple[bytes, bytes, bytes]  # value (CX.1), authority (CX.4), type (CX.5), as sent

_UNMATCHABLE = frozenset(name.encode() for name in UNMATCHABLE)
_BY_TYPE = (IdentifierRule(type="MR"), IdentifierRule(type="PI"))


@lru_cache(maxsize=8192)
def lane_number(domain: str | bytes) -> int:
    """The lane of an ordering domain such as `adt|HOSP` or `payer|60054`."""
    data = domain.encode("utf-8", "surrogateescape") if isinstance(domain, str) else domain
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 1


def patient_lane(authority: str | bytes, value: str | bytes, split_lanes: int = 0) -> int:
    """The lane of a patient's identifier; `split_lanes` above 1 divides the authority's domain."""
    domain = b"adt|" + _as_bytes(authority)
    if split_lanes > 1:
        part = int.from_bytes(blake2b(_as_bytes(value), digest_size=8).digest(), "big") % split_lanes
        domain += b"|%d" % part
    return lane_number(domain)


def payer_lane(sender: str | bytes) -> int:
    """The lane in which the interchanges of one sender (ISA06) are read."""
    return lane_number(b"payer|" + _as_bytes(sender).strip())


def feed_lane(channel: str) -> int:
    """The lane of messages that name no patient."""
    return lane_number(f"feed|{channel}")


def keyed_identifier(identifiers: Iterable[Identifier], profile: FeedProfile) -> tuple[bytes, bytes] | None:
    """(value, authority) of the repetition that keys the patient (decision 9).

    As `mappings.identifiers.patient_key` says it of decoded values: the feed's rules in their order; without rules the
    first MR, else PI, else the first with an authority, else the first of all under the feed's default authority.
    Social security, account and visit numbers name nobody.  None when no repetition may name a patient.
    """
    valued = [
        (value, authority or profile.authority.encode(), kind.upper(), bool(authority))
        for value, authority, kind in identifiers
        if value and value != b'""' and kind.upper() not in _UNMATCHABLE
    ]
    for rule in profile.patient_id or _BY_TYPE:
        for value, authority, kind, _ in valued:
            if _fits(rule.authority, authority) and _fits(rule.type, kind):
                return value, authority
    if profile.patient_id or not valued:
        return None
    value, authority, _, _ = next((each for each in valued if each[3]), valued[0])
    return value, authority


def lanes_of(header: Header, profile: FeedProfile, split_lanes: int = 0) -> tuple[int, ...]:
    """The lanes of an HL7 message, ascending: of its patient and of the prior identifier of a merge.

    A message about several patients (A17, A37, A40 with many) takes the lanes of every identifier after the first PID.
    """
    keys = [keyed_identifier(header.patient_ids, profile)]
    if header.other_patient_ids:
        keys += [keyed_identifier((each,), profile) for each in header.other_patient_ids + header.prior_ids]
    elif header.prior_ids:
        keys.append(keyed_identifier(header.prior_ids, profile))
    lanes = {patient_lane(key[1], key[0], split_lanes) for key in keys if key is not None}
    return tuple(sorted(lanes)) if lanes else (feed_lane(profile.channel),)


def _fits(wanted: str | None, found: bytes) -> bool:
    return wanted is None or wanted.encode() == found


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text

"""The bounded scan of a message's header: all that may happen to its content before it is stored and answered.

Never raises, decodes nothing, and looks at no more than the first 64 KiB.  Values are bytes as sent.
"""

from __future__ import annotations

import re

import msgspec

from parsers.hl7v2.encoding import Separators, find_start, from_utf16, read_separators, usable_separator
from parsers.hl7v2.shifted import realign

SCANNED = 65536
MAX_IDENTIFIERS = 256
PatientId = tuple[bytes, bytes, bytes]
"""CX.1 value, CX.4.1 (else CX.4.2) of the assigning authority, CX.5 type."""

_DEFAULT = Separators()
_PADDING = [b""] * 22


class Header(msgspec.Struct, gc=False):
    """What MSH (or FHS/BHS: `batch`), PID-3 and MRG-1 say.  Absent values are b"".

    Applications and facilities are whole fields; the other values are the component named.
    """

    readable: bool
    reason: str | None = None
    separators: Separators = _DEFAULT
    batch: bool = False
    sending_application: bytes = b""  # MSH-3
    sending_facility: bytes = b""
    receiving_application: bytes = b""
    receiving_facility: bytes = b""
    sent_at: bytes = b""  # MSH-7.1
    message_code: bytes = b""  # MSH-9.1
    trigger_event: bytes = b""
    message_structure: bytes = b""
    control_id: bytes = b""  # MSH-10, whole
    processing: bytes = b""  # MSH-11, whole
    processing_id: bytes = b""
    processing_mode: bytes = b""  # MSH-11.2
    version_field: bytes = b""  # MSH-12, whole
    version: bytes = b""
    sequence_number: bytes = b""  # MSH-13
    accept_ack: bytes = b""  # MSH-15
    application_ack: bytes = b""  # MSH-16
    character_set: bytes = b""  # MSH-18, whole
    patient_ids: tuple[PatientId, ...] = ()  # PID-3 of the first PID
    prior_ids: tuple[PatientId, ...] = ()  # MRG-1 of every MRG, else MRG-4 and MRG-2
    other_patient_ids: tuple[PatientId, ...] = ()  # PID-3 of further PIDs (A17, A24, A37, A40 with several patients)


def scan_header(frame: bytes) -> Header:
    """Read the header of one frame.  `readable` is False (reason "no-header") without MSH, FHS or BHS and separator."""
    start = find_start(frame)
    head = frame[start : start + SCANNED]
    name = head[:3]
    if name != b"MSH":
        name = name.upper()
    mark = head[3:4]
    if name not in (b"MSH", b"FHS", b"BHS") or not usable_separator(mark):
        told = from_utf16(frame[: 2 * SCANNED])
        return Header(False, "no-header") if told.startswith(frame[:2]) else scan_header(told)
    end, terminator = _line_end(head)
    fields = head[:end].split(mark, 21)
    realign(fields)
    if len(fields) < 22:
        fields += _PADDING[len(fields) :]
    separators = read_separators(mark, fields[1])
    header = Header(True, None, separators, name != b"MSH", fields[2], fields[3], fields[4], fields[5])
    if header.batch:
        header.sent_at, header.control_id = fields[6], fields[10]
        return header
    component = separators.component
    header.sent_at = _components(fields[6], component)[0]
    header.message_code, header.trigger_event, header.message_structure = _components(fields[8], component)
    header.control_id, header.processing, header.version_field = fields[9:12]
    header.processing_id, header.processing_mode, _ = _components(fields[10], component)
    header.version = _components(fields[11], component)[0]
    header.sequence_number, header.accept_ack, header.application_ack = fields[12], fields[14], fields[15]
    header.character_set = fields[17]
    header.patient_ids, header.prior_ids, header.other_patient_ids = _identifiers(head, end, terminator, separators)
    return header


def _line_end(head: bytes) -> tuple[int, bytes]:
    """Where the header segment ends, and the terminator that it shows (CR when there is none)."""
    end = head.find(b"\r")
    lf = head.find(b"\n", 0, end) if end >= 0 else head.find(b"\n")
    if lf >= 0:
        return lf, b"\n"
    return (end if end >= 0 else len(head)), b"\r"


def _components(field: bytes, separator: bytes) -> tuple[bytes, bytes, bytes]:
    if not separator or separator not in field:
        return field.strip(), b"", b""
    parts = field.split(separator, 3)
    return parts[0].strip(), parts[1].strip(), parts[2].strip() if len(parts) > 2 else b""


def _identifiers(
    head: bytes, end: int, terminator: bytes, separators: Separators
) -> tuple[tuple[PatientId, ...], tuple[PatientId, ...], tuple[PatientId, ...]]:
    """(ids of the first PID, ids of every MRG, ids of further PIDs).

    MRG-4 and MRG-2 where there is no MRG-1, and PID-2 where a message with MRG has no PID-3."""
    mark = separators.field
    if patient := _only_patient(head, end, mark):
        return _read_ids(patient, separators), (), ()
    patients = _segment_fields(head, end, terminator, b"PID" + mark, 3)
    merged = _segment_fields(head, end, terminator, b"MRG" + mark, 1)
    prior: tuple[PatientId, ...] = ()
    if merged:
        prior = tuple(each for field in merged for each in _read_ids(field, separators))
        for number in () if prior else (4, 2):  # events on the external or alternate id (A39, A46, A48)
            fields = _segment_fields(head, end, terminator, b"MRG" + mark, number)
            prior += tuple(each for field in fields for each in _read_ids(field, separators))
        if not any(patients):
            patients = _segment_fields(head, end, terminator, b"PID" + mark, 2)
    if not patients:
        return (), prior[:MAX_IDENTIFIERS], ()
    further = tuple(each for field in patients[1:] for each in _read_ids(field, separators))
    return _read_ids(patients[0], separators), prior[:MAX_IDENTIFIERS], further[:MAX_IDENTIFIERS]


def _only_patient(head: bytes, end: int, mark: bytes) -> bytes:
    """PID-3 of a message as nearly all are: one PID, no MRG, every segment where and as it should be; else b""."""
    if b"\n" in head:
        return b""
    found = b""
    for line in head[end + 1 :].split(b"\r"):
        name = line[:3]
        if name == b"PID":
            fields = line.split(mark, 4)
            if found or len(fields) < 4 or fields[0] != name or not fields[3]:
                return b""
            found = fields[3]
        elif name not in _OTHERS and (name[:1] != b"Z" or line[3:4] != mark):
            return b""
    return found


_OTHERS = frozenset(
    b"EVN PD1 NK1 PV1 PV2 ROL PRT DB1 OBX AL1 DG1 DRG PR1 GT1 IN1 IN2 IN3 ACC UB1 UB2 PDA SFT SCH TQ1 NTE RGS AIS AIG "
    b"AIL AIP".split()
) | {b""}


def _segment_fields(head: bytes, end: int, terminator: bytes, start: bytes, number: int) -> list[bytes]:
    """Field `number` of every segment that begins with `start`, found by segment starts alone."""
    found: list[bytes] = []
    at = head.find(start, end)
    while at >= 0:
        if head[at - 1 : at] in (b"\r", b"\n"):
            found.append(_field_at(head, at, terminator, start[3:], number))
            if len(found) == MAX_IDENTIFIERS:
                break
        at = head.find(start, at + 4)
    if not found and start in head.upper():  # lower case or indented
        ends = rb"\r[ \t\n]*" if terminator == b"\r" else rb"[\r\n][ \t]*"
        starts = re.compile(ends + rb"(?=" + re.escape(start) + rb")", re.IGNORECASE).finditer(head, end)
        found += [_field_at(head, match.end(), terminator, start[3:], number) for match in starts]
    return found


def _field_at(head: bytes, start: int, terminator: bytes, mark: bytes, number: int) -> bytes:
    stop = head.find(b"\r", start)
    lf = head.find(b"\n", start, stop) if stop >= 0 else head.find(b"\n", start)
    if lf >= 0 and (terminator == b"\n" or head[lf + 4 : lf + 5] == mark):  # mixed ends: a segment id follows
        stop = lf
    fields = head[start : stop if stop >= 0 else len(head)].split(mark, number + 1)
    return fields[number] if len(fields) > number else b""


def _read_ids(field: bytes, separators: Separators) -> tuple[PatientId, ...]:
    repetition, component, subcomponent = separators.repetition, separators.component, separators.subcomponent
    ids: list[PatientId] = []
    for each in field.split(repetition, MAX_IDENTIFIERS)[:MAX_IDENTIFIERS] if repetition else [field]:
        parts = each.split(component, 5) if component else [each]
        value = parts[0].strip()
        if not value:
            continue
        authority = parts[3] if len(parts) > 3 else b""
        if subcomponent and subcomponent in authority:
            namespace, universal, *_ = authority.split(subcomponent, 2)
            authority = namespace.strip() or universal.strip()
        ids.append((value, authority, parts[4] if len(parts) > 4 else b""))
    return tuple(ids)

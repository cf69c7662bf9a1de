"""One answer for each message of a batch, itself a batch (chapter 2.10.3): BHS, an MSH and MSA for each, BTS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from parsers.hl7v2.acknowledgement import AckError, Ours, answer_code, build_answer
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.header import Header, scan_header

_NO_MSH = AckError("100", "", "no readable MSH segment")
_NO_TYPE = AckError("101", "MSH^1^9", "message type missing")


def build_batch_acknowledgement(
    body: bytes, batch: Header, mode: str, *, now: datetime, control_ids: Iterator[str]
) -> bytes | None:
    """The answers to the messages of `body`, by their own headers, as a batch; BHS-12 is the control id of theirs.

    `batch`: the header of their BHS or FHS.  `mode` as in `acknowledgement.answer_code`.  None when no message wants an
    answer.
    """
    answers = [
        build_answer(header, code, Ours(now, next(control_ids)), error)
        for header, error in map(_judged, split_batch(body).messages)
        if (code := answer_code(header, mode, "accept" if error is None else "reject")) is not None
    ]
    if not answers:
        return None
    field = batch.separators.field
    names = (batch.receiving_application, batch.receiving_facility, batch.sending_application, batch.sending_facility)
    stamp = now.strftime("%Y%m%d%H%M%S%z").encode("ascii")
    start = [b"BHS", batch.separators.sent, *names, stamp, b"", b"", b"", next(control_ids).encode(), batch.control_id]
    end = field.join((b"BTS", b"%d" % len(answers)))
    return b"".join((_line(field.join(start)), *answers, _line(end)))


def _judged(message: bytes) -> tuple[Header, AckError | None]:
    header = scan_header(message)
    if not header.readable:
        return header, _NO_MSH
    return header, None if header.message_code else _NO_TYPE


def _line(segment: bytes) -> bytes:
    return segment.translate(None, b"\r\n\x0b\x1c") + b"\r"

"""Files of any size: an HL7 batch of admissions, an X12 interchange of eligibility answers.  Made piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from tests.parsers.x12.guide_samples import ANSWER_271
from tests.parsers.x12.interchanges import isa

ADMISSION = (
    "MSH|^~\\&|A|GENHOSP|B|C|20261109080000||ADT^A01|C{n}|P|2.5.1\r"
    "EVN||20261109080000\r"
    "PID|1||M{patient}^^^GENHOSP^MR||Sample^Pat{patient}||19700412|F\r"
    "PV1|1|I|4E^1^A^GENHOSP|||||||||||||||V{patient}^^^GENHOSP^VN\r"
)


def adt_pieces(count: int, padding: int = 0, patients: int = 50, first: int = 0) -> Iterator[bytes]:
    """A batch of `count` admissions and updates from number `first` on, each with a segment of `padding` bytes."""
    yield b"FHS|^~\\&|A\rBHS|^~\\&|A\r"
    pad = b"ZPD|" + b"x" * padding + b"\r" if padding else b""
    for n in range(first, first + count):
        message = ADMISSION if n < first + patients else ADMISSION.replace("A01", "A08")
        yield message.format(n=n, patient=first + n % patients).encode() + pad
    yield b"BTS|%d\rFTS|1\r" % count


def x12_pieces(count: int, control: str = "000000101") -> Iterator[bytes]:
    """One interchange with one group of `count` 271 answers, each about a member of its own."""
    yield f"{isa(control=control)}~GS*HB*PAYER*BATON*20261110*0915*1*X*005010X279A1~".encode()
    for number in range(1, count + 1):
        segments = [f"ST*271*{number:04d}*005010X279A1", *ANSWER_271[1:]]
        segments = [_own(segment, number) for segment in segments]
        yield "".join(f"{segment}~" for segment in [*segments, f"SE*{len(segments) + 1}*{number:04d}"]).encode()
    yield f"GE*{count}*1~IEA*1*{control}~".encode()


def _own(segment: str, number: int) -> str:
    name, *elements = segment.split("*")
    if name == "NM1" and elements[0] == "IL":
        elements[-1] = f"MEMBER{number}"
    return "*".join([name, *elements])


def adt_batch(count: int, padding: int = 0, patients: int = 50, first: int = 0) -> bytes:
    return b"".join(adt_pieces(count, padding, patients, first))


def x12_batch(count: int, control: str = "000000101") -> bytes:
    return b"".join(x12_pieces(count, control))


def spread(pieces: Iterator[bytes], blanks: int) -> Iterator[bytes]:
    """With so many line ends behind each piece: X12 lets layout stand between segments."""
    for piece in pieces:
        yield piece
        yield b"\n" * blanks

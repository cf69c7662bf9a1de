"""pyx12 as an independent second opinion (`baton inspect --oracle`); the only module that imports it.

What pyx12 4.0 is known to get wrong is kept away from it: each interchange is given to it alone, empty segments are
taken out (it stops reading at one), and sets without a map (it ships none for a 005010 270, 271 or 278) get its
envelope check only.  Its texts quote values of the message, so only its codes and places are passed on.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pyx12.errors
import pyx12.params
import pyx12.x12file
import pyx12.x12n_document

from parsers.errors import Oddity
from parsers.x12.header import Header, find_headers

# pyx12 logs segments and control numbers; nothing of a message may reach a log.
logging.getLogger("pyx12").setLevel(logging.CRITICAL + 1)

_LEVEL_NAMES = {"isa": "interchange", "gs": "group", "st": "set", "seg": "segment"}
_BELOW = {"isa": ("groups", "gs"), "gs": ("transactions", "st"), "st": ("segments", "seg"), "seg": ("elements", "ele")}


def second_opinion(body: bytes) -> list[Oddity]:
    """What pyx12 reports about every interchange of a body: severity "information", never raises.

    Codes are pyx12's own ("isa:001", "seg:8", "ele:7"), or "oracle-unreadable", "oracle-no-map".
    """
    headers = list(find_headers(body))
    found: list[Oddity] = []
    for at, header in enumerate(headers, start=1):
        end = headers[at].start if at < len(headers) else len(body)
        found.extend(_judge(_prepared(body, header, end)))
    return found


def _prepared(body: bytes, header: Header, end: int) -> str:
    """One interchange without layout and empty segments."""
    segment = header.delimiters.segment
    raw = body[header.start : end].rstrip() + segment
    pattern = rb"(?:\s*+" + re.escape(segment) + rb")+\s*+"
    return re.sub(pattern, segment.replace(b"\\", rb"\\"), raw).decode("latin-1")


def _judge(text: str) -> Iterator[Oddity]:
    report = io.StringIO()
    try:
        pyx12.x12n_document.x12n_document(pyx12.params.ParamsBase(), io.StringIO(text), None, None, fd_json=report)
        yield from _from_report(json.loads(report.getvalue()))
    except pyx12.errors.EngineError:
        yield _opinion("oracle-no-map", "ISA", "pyx12 has no map for a group; only the envelope was checked")
        yield from _envelope(text)
    except Exception:  # a library that fails on hostile bytes must not fail the inspection
        yield _opinion("oracle-unreadable", "ISA", "pyx12 cannot read the interchange")


def _envelope(text: str) -> Iterator[Oddity]:
    try:
        with pyx12.x12file.X12Reader(io.StringIO(text)) as reader:
            for number, _ in enumerate(reader, start=1):
                yield from _reader_errors(reader, number)
            reader.cleanup()
            yield from _reader_errors(reader, number)
    except Exception:
        yield _opinion("oracle-unreadable", "ISA", "pyx12 cannot read the interchange")


def _reader_errors(reader: pyx12.x12file.X12Reader, number: int) -> Iterator[Oddity]:
    for level, code, *_ in reader.pop_errors():
        yield _opinion(f"{level}:{code}", f"segment {number}", f"pyx12 reports an error of the {_LEVEL_NAMES[level]}")


def _from_report(report: dict[str, list[dict[str, object]]]) -> Iterator[Oddity]:
    pending: list[tuple[str, object]] = [("isa", one) for one in reversed(report["interchanges"])]
    while pending:
        level, node = pending.pop()
        assert isinstance(node, dict)
        segment = str(node.get("seg_id", ""))
        known = segment if len(segment) <= 3 and segment.isalnum() else level.upper()  # else it may hold a value
        place = f"{known} at {node.get('seg_count') or node.get('cur_line') or '?'}"
        for error in node["errors"]:
            yield _opinion(f"{level}:{error['err_cde']}", place, "pyx12 reports an error")
        if level in _BELOW:
            name, inner = _BELOW[level]
            pending.extend((inner, one) for one in reversed(node[name]))


def _opinion(code: str, location: str, text: str) -> Oddity:
    return Oddity("information", code, location, text)

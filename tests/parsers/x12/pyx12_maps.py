"""Our guides in pyx12's map format, as far as it can say them, written into a temporary folder.

What it cannot say: repeated elements (it reads EB03 `30^1` as one value), rules of situations, segments of one id in any
order, HL numbering, the status of a line.
"""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import pyx12.map_if
import pyx12.params
import pyx12.x12n_document

from parsers.x12.guide import Element, Entry, Guide, Line, Loop
from parsers.x12.guide_reading import read_guide

logging.getLogger("pyx12").setLevel(logging.CRITICAL + 1)  # it logs every value that it finds fault with

_REPETITIONS = re.compile(r"\^[^*~]*")
GROUPS = {"270": "HS", "271": "HB", "278": "HI"}


_load = pyx12.map_if.load_map_file


@cache
def _loaded(name: str, folder: str) -> object:
    return _load(name, pyx12.params.ParamsBase(), folder)


def write_maps(folder: Path, name: str) -> Path:
    """A folder that pyx12 takes as `map_path`: this guide alone, beside its own control map, elements and code lists."""
    guide = read_guide(name)
    folder.mkdir(parents=True, exist_ok=True)
    for taken in ("codes.xml", "dataele.xml", "x12.control.00501.xml", "x12.control.00401.xml"):
        with files("pyx12").joinpath("map", taken).open("rb") as source, (folder / taken).open("wb") as target:
            shutil.copyfileobj(source, target)
    versions = "".join(
        f'<map vriic="{version}" fic="{GROUPS[guide.set_id]}" abbr="{guide.set_id}">guide.xml</map>'
        for version in guide.versions
    )
    (folder / "maps.xml").write_text(f'<maps><version icvn="00501">{versions}</version></maps>', encoding="utf-8")
    (folder / "guide.xml").write_text(_transaction(guide), encoding="utf-8")
    return folder


def judge(text: str, folder: Path) -> list[tuple[str, int, str]]:
    """(segment, position, code) of everything that pyx12 says against a set: IK304 or, as "ele:", IK403."""
    report = io.StringIO()
    text = text[:106] + _REPETITIONS.sub("", text[106:])  # it takes `30^1` for one value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyx12.map_if, "load_map_file", lambda name, _, path: _loaded(name, path))  # it loads them anew
        pyx12.x12n_document.x12n_document(
            pyx12.params.ParamsBase(), io.StringIO(text), None, None, fd_json=report, map_path=str(folder)
        )
    found = []
    for interchange in json.loads(report.getvalue())["interchanges"]:
        for group in interchange["groups"]:
            for one in group["transactions"]:
                found += [("ST", 1, f"st:{error['err_cde']}") for error in one["errors"]]
                for segment in one["segments"]:
                    place = (segment["seg_id"], int(segment["seg_count"]))
                    found += [(*place, error["err_cde"]) for error in segment["errors"]]
                    for element in segment["elements"]:
                        found += [(*place, f"ele:{error['err_cde']}") for error in element["errors"]]
    return sorted(set(found))


def _transaction(guide: Guide) -> str:
    inner = _loop_of(guide, guide.levels["20"], ())
    heading = [entry.line for entry in guide.heading.entries if entry.line]
    start, header = _segment(heading[0], 10), _segment(heading[1], 20)
    return f"""<?xml version="1.0"?>
<transaction xid="{guide.set_id}"><name>{escape(guide.title)}</name>
<loop xid="ISA_LOOP" type="explicit"><name>Interchange</name><usage>R</usage><pos>001</pos><repeat>&gt;1</repeat>
{_plain("ISA", 16, "010")}
<loop xid="GS_LOOP" type="explicit"><name>Group</name><usage>R</usage><pos>020</pos><repeat>&gt;1</repeat>
{_plain("GS", 8, "010")}
<loop xid="ST_LOOP" type="explicit"><name>Set</name><usage>R</usage><pos>020</pos><repeat>&gt;1</repeat>
{start}
<loop xid="HEADER" type="wrapper"><name>Heading</name><usage>R</usage><pos>015</pos><repeat>1</repeat>{header}</loop>
<loop xid="DETAIL" type="wrapper"><name>Detail</name><usage>S</usage><pos>020</pos><repeat>&gt;1</repeat>{inner}</loop>
<loop xid="FOOTER" type="wrapper"><name>Footer</name><usage>R</usage><pos>030</pos><repeat>1</repeat>
{_plain("SE", 2, "010")}</loop>
</loop>
{_plain("GE", 2, "030")}
</loop>
{_plain("IEA", 2, "030")}
</loop>
</transaction>
"""


_PLAIN = {
    "ISA": "I01 I02 I03 I04 I05 I06 I05 I07 I08 I09 I65 I11 I12 I13 I14 I15",
    "GS": "479 142 124 373 337 28 455 480",
    "GE": "97 28",
    "IEA": "I16 I12",
    "SE": "96 329",
}


def _plain(segment: str, count: int, position: str) -> str:
    elements = "".join(
        f'<element xid="{segment}{at:02d}"><data_ele>{number}</data_ele><name>e</name><usage>R</usage>'
        f"<seq>{at:02d}</seq></element>"
        for at, number in enumerate(_PLAIN[segment].split()[:count], start=1)
    )
    return (
        f'<segment xid="{segment}"><name>{segment}</name><usage>R</usage><pos>{position}</pos>'
        f"<max_use>1</max_use>{elements}</segment>"
    )


def _loop_of(guide: Guide, loop: Loop, above: tuple[str, ...]) -> str:
    """A level with its own content, then the levels that may hang under it."""
    parts = [_entry(entry) for entry in loop.entries]
    position = (len(loop.entries) + 1) * 10
    for level in guide.levels.values():
        if loop.id in level.under and level.id not in above and level.id != loop.id:
            parts.append(_wrap(level, _loop_of(guide, level, (*above, loop.id)), position))
            position += 10
    content = "".join(parts)
    return _wrap(loop, content, 10) if not above else content


def _wrap(loop: Loop, content: str, position: int) -> str:
    if content.startswith(f'<loop xid="{loop.id}"'):
        return content
    repeat = loop.repeat or "&gt;1"
    usage = "S" if loop.level and loop.level not in ("20", "21") else loop.usage
    return (
        f'<loop xid="{loop.id}"><name>{escape(loop.name)}</name><usage>{usage}</usage>'
        f"<pos>{position:03d}</pos><repeat>{repeat}</repeat>{content}</loop>"
    )


def _entry(entry: Entry) -> str:
    position = (entry.group + 1) * 10
    if entry.line is not None:
        return _segment(entry.line, position)
    assert entry.loop is not None
    return _wrap(entry.loop, "".join(_entry(inner) for inner in entry.loop.entries), position)


def _segment(line: Line, position: int) -> str:
    syntax = "".join(
        f"<syntax>{note.kind}{''.join(f'{at:02d}' for at in note.positions)}</syntax>" for note in line.syntax
    )
    elements = "".join(_element(f"{line.segment}{element.position:02d}", element) for element in line.elements)
    return (
        f'<segment xid="{line.segment}"><name>{line.segment}</name><usage>{line.usage}</usage>'
        f"<pos>{position:03d}</pos><max_use>{line.repeat}</max_use>{syntax}{elements}</segment>"
    )


def _element(xid: str, element: Element) -> str:
    head = f"<name>{escape(element.label)}</name><usage>{element.usage}</usage><seq>{element.position:02d}</seq>"
    if element.parts:
        parts = "".join(_element(f"{xid}-{part.position:02d}", part) for part in element.parts)
        return f'<composite xid="{xid}"><data_ele>{element.number}</data_ele>{head}{parts}</composite>'
    codes = ""
    if element.codes:
        codes = "<valid_codes>" + "".join(f"<code>{code}</code>" for code in sorted(element.codes)) + "</valid_codes>"
    return f'<element xid="{xid}"><data_ele>{element.number}</data_ele>{head}{codes}</element>'

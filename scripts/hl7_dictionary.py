"""Writes parsers/hl7v2/dictionary.json: names, types and requiredness of HL7 v2 fields, and message structures.

The facts are those of HL7 v2.5.1, and of v2.8.2 for fields that came later, as the tables of the package `hl7apy` (MIT)
have them; `python -m scripts.hl7_dictionary` makes the file again, and a test compares it.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[1] / "parsers" / "hl7v2" / "dictionary.json"
SOURCE = "HL7 v2.5.1, later fields v2.8.2, as tabulated in hl7apy 1.3"
OLD, NEW = "hl7apy.v2_5_1", "hl7apy.v2_8_2"
BESIDE = ("MSA", "ERR", "FHS", "BHS", "BTS", "FTS", "ARQ", "ARV")
KEPT = (
    "ID SSN DRG GUID DNR LOA URL VIP CMS PCP COB AUI ICD PID PD1 NK1 PV1 PV2 DG1 GT1 IN1 IN2 IN3 AL1 IAM SCH AIS AIG "
    "AIL AIP RGS TQ1 ROL ACC UB1 UB2 PDA DB1 OBX NTE PR1 EVN MSH MRG SFT ARV"
)
WORDS = {word.lower(): word for word in KEPT.split(" ")}

Json = dict[str, Any]


def name_of(constant: str) -> str:
    """ "SET_ID_PID" -> "Set ID PID"."""
    words = [WORDS.get(word, word) for word in constant.lower().split("_") if word]
    text = (
        re.sub(r" s\b", "'s", " ".join(words))
        .replace("date time", "date/time")
        .replace("co contact", "company contact")
    )
    return text[:1].upper() + text[1:]


def structures() -> dict[str, str]:
    """ADT and SIU structures in the abstract message syntax of chapter 2.12: [ ] optional, { } repeating."""
    messages = import_module(f"{OLD}.messages").MESSAGES
    return {name: _syntax(ref) for name, ref in messages.items() if name == "SIU_S12" or name.startswith("ADT_")}


def _syntax(reference: Any) -> str:
    parts = []
    for name, inside, (least, most), kind in reference[1]:
        text = name if kind == "SEG" else _syntax(inside)
        text = f"{{{text}}}" if most != 1 else f"<{text}>" if kind != "SEG" and least else text
        parts.append(f"[{text}]" if not least else text)
    return " ".join(parts)


def segments() -> dict[str, list[list[Any]]]:
    """Segment -> its fields by number: [name, type, required, repeats, table]."""
    old, new = import_module(f"{OLD}.segments").SEGMENTS, import_module(f"{NEW}.segments").SEGMENTS
    wanted = {word for text in structures().values() for word in text.translate(_NO_MARKS).split()} | set(BESIDE)
    found = {}
    for name in sorted(wanted & (old.keys() | new.keys())):
        fields = {}
        for table in (new, old):  # the older names are those that people use
            for code, reference, (least, most), _ in table.get(name, ("", ()))[1]:
                fields[int(code.rpartition("_")[2])] = [
                    name_of(reference[3]), reference[2] or "", least > 0 and table is old, most != 1,
                    reference[4] or "",
                ]  # fmt: skip
        found[name] = [
            fields.get(number, ["", "", False, False, ""]) for number in range(1, max(fields, default=0) + 1)
        ]
    return found


_NO_MARKS = str.maketrans("[]{}<>", "      ")


def types() -> dict[str, list[str]]:
    """Data type -> the names of its components."""
    found: dict[str, dict[int, str]] = {}
    for version in (NEW, OLD):
        for reference in import_module(f"{version}.segments").SEGMENTS.values():
            for field in reference[1]:
                _collect(field[1], found)
    return {name: [parts.get(n, "") for n in range(1, max(parts) + 1)] for name, parts in sorted(found.items())}


def _collect(reference: Any, found: dict[str, dict[int, str]]) -> None:
    if not reference or reference[0] != "sequence" or not reference[1]:
        return
    for code, inside, _, _ in reference[1]:
        kind, _, number = code.rpartition("_")
        found.setdefault(kind, {})[int(number)] = name_of(inside[3])
        _collect(inside, found)


def dictionary() -> Json:
    used = segments()
    kinds = {field[1] for fields in used.values() for field in fields}
    return {
        "source": SOURCE,
        "structures": structures(),
        "segments": used,
        "types": {name: parts for name, parts in types().items() if name in kinds},
    }


def render(found: Json) -> str:
    """One line per entry, so that a change can be read."""
    blocks = []
    for part, entries in found.items():
        if isinstance(entries, str):
            blocks.append(f" {json.dumps(part)}: {json.dumps(entries)}")
            continue
        lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items())
        blocks.append(f" {json.dumps(part)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(render(dictionary()), "utf-8")

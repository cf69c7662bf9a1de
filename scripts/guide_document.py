"""Writes docs/guides.md: what our implementation guides hold, how sure each line is, and what others say."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from parsers.x12.finding import DERIVED, SEEN, UNCONFIRMED
from parsers.x12.guide import Element, Guide
from parsers.x12.guide_reading import all_guides

OPINIONS = Path(__file__).with_name("guide_opinions.toml")

_INTRODUCTION = """\
# Implementation guides

Made from `parsers/x12/guides` by `make docs`; a test compares the two.

Baton holds every 270, 271 and 278 of release 005010 against its implementation guide: loops, segments, elements, usage,
repeats, types, lengths, dates, public code lists, syntax notes, the HL tree, and the situational rules that can be
stated. The guides are data: one TOML file each, in `parsers/x12/guides`, with shared pieces in `elements.toml`,
`segments.toml`, `codes.toml` and `shared.toml`. A line reads

```
NM1 R 1 seen | 01 R IL | &person | 08 S II MI ZZ (derived) | 09 S
```

segment, usage (R required, S situational, N not used), most repeats, status; then the elements that the guide narrows:
position, usage, codes. `&name` takes in lines of `shared.toml`, `@name` a list of `codes.toml`. Elements that a line
does not name are held against the standard alone.

## How sure a line is

| status | meaning | what it may cost |
|---|---|---|
| `seen` | a public example or document shows it | what the partner's policy says, up to a rejection |
| `derived` | follows from a sibling, an older release or the standard | a warning |
| `unconfirmed` | likely, shown nowhere that we could read | a warning |

The guides of X12 itself are licensed and were not used. Code lists that others keep (procedures, diagnoses, taxonomy,
place of service, reasons of a decision) are not in here: those elements are checked for their form.

## What is said, and where

`baton inspect FILE` lists in `errors` of each transaction set: severity, code, location, sentence.

```json
{"severity": "warning", "code": "IK403*I6", "location": "2110C EB*3 at 18",
 "text": "EB03 (service type) holds a code that the guide does not list there"}
```

The code is the one of the 999 (`IK304` for a segment, `IK403` for an element, `IK502` for the set). The location names
loop, segment, element, component and the segment's position in the set, ST being 1. No value of the message is
repeated. The 999 carries the same: IK3, IK4, and a CTX that names the segment and element that demand what is missing.
To partners of 004010 a 997 says it in its own codes.

What an error costs is the partner's [policy](settings.md), by kind of error: `off`, `warn` (999 `E`, the set is
processed) or `reject` (999 `R`, the set is not processed). The default is `warn` for all. Whatever the policy, broken
envelopes reject (SE missing, ST02 and SE02 differ, IEA or GE that do not fit), and a tree in which no patient can be
placed.

A 278 of one version is a request or a response by BHT02: 11 is a response.
"""


def guides_markdown() -> str:
    """The whole page."""
    guides = all_guides()
    opinions = tomllib.loads(OPINIONS.read_text(encoding="utf-8"))
    parts = [_INTRODUCTION, *_counts(guides), "", *_sources(guides), *_rules(guides)]
    parts += _differences(opinions["difference"]) + _files(opinions["file"])
    return "\n".join(parts) + "\n"


def _counts(guides: list[Guide]) -> Iterator[str]:
    yield "## The guides\n"
    yield "| guide | set, versions | loops | segment lines | elements | seen | derived | unconfirmed |"
    yield "|---|---|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for guide in guides:
        found = _statuses(guide)
        total += found
        segments = sum(1 for loop in (guide.heading, *guide.loops.values()) for entry in loop.entries if entry.line)
        elements = sum(found[status] for status in (SEEN, DERIVED, UNCONFIRMED)) - segments - len(guide.loops)
        cells = (guide.name, f"{guide.set_id} {', '.join(guide.versions)}", len(guide.loops), segments, elements)
        yield _row(*cells, *(found[status] for status in (SEEN, DERIVED, UNCONFIRMED)))
    yield _row("all", "", "", "", "", *(total[status] for status in (SEEN, DERIVED, UNCONFIRMED)))
    yield "\nCounted are loops, segment lines, and what of elements and components a guide requires, forbids or codes."


def _statuses(guide: Guide) -> Counter[str]:
    found: Counter[str] = Counter(loop.status for loop in guide.loops.values())
    for loop in (guide.heading, *guide.loops.values()):
        for entry in loop.entries:
            if entry.line:
                found[entry.line.status] += 1
                found.update(status for element in entry.line.elements for status in _ruled(element))
    return found


def _ruled(element: Element) -> Iterator[str]:
    if element.codes is not None:
        yield element.codes_status
    elif element.usage != "S":
        yield element.usage_status
    if element.usage != "N":
        for part in element.parts:
            yield from _ruled(part)


def _sources(guides: list[Guide]) -> Iterator[str]:
    yield "| guide | what it is | from |"
    yield "|---|---|---|"
    for guide in guides:
        yield _row(guide.name, guide.title, "; ".join(guide.sources))
    yield ""


def _rules(guides: list[Guide]) -> Iterator[str]:
    yield "## Situational rules\n"
    yield "| rule | where | when | demands | status |"
    yield "|---|---|---|---|---|"
    seen = set()
    for guide in guides:
        for loop in guide.loops.values():
            for rule in loop.rules:
                where = f"{guide.set_id} {loop.id}" + (f" {rule.segment}" if rule.segment else "")
                row = _row(rule.id, where, " ".join(rule.when), " ".join(rule.needs), rule.status)
                if row not in seen:
                    seen.add(row)
                    yield row
    yield ""


def _differences(found: list[dict[str, str]]) -> list[str]:
    head = [
        "## pyx12 beside us\n",
        "pyx12 4.0 has no map of 005010 for a 270, 271 or 278. In the tests it is given ours, as far as its format can",
        "say them, and asked about every sample, every kind of fault and the sets of the corpus. It differs from us in",
        "these ways and no other:\n",
        "| difference | who is right | why |",
        "|---|---|---|",
    ]
    return [*head, *(_row(one["kind"], one["right"], one["why"]) for one in found), ""]


def _files(found: list[dict[str, str]]) -> list[str]:
    head = [
        "## Real files that do not pass\n",
        "Of the corpus's 270, 271 and 278, these are not broken on purpose and still have findings of level `error`",
        "when every policy is `reject` (but for SE01, which a third of hand-made files have wrong). All others pass:\n",
        "| file | told | why |",
        "|---|---|---|",
    ]
    return [*head, *(_row(one["name"], ", ".join(dict.fromkeys(one["told"])), one["why"]) for one in found)]


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

"""What one feed sends in its own way, put where the standard has it, before any mapping looks (feed profile).

    translate   a code of the feed becomes one of the table: PV1-2 `INPATIENT` -> `I`
    relocate    a value is taken from another place, such as a Z segment: `ZPV-3` -> `PV1-36`
    pick        a value that has no place in the standard goes along with every event, under a name of the site

The message's bytes stay as they came; only what mappings read changes.
"""

from __future__ import annotations

from functools import lru_cache

from mappings.profile import FeedProfile, Translation
from parsers.hl7v2.message import Message, Segment

LONGEST_PICK = 1000
"""Characters of a picked value; the rest is cut."""


@lru_cache(maxsize=1024)
def place_of(path: str) -> tuple[str, int, int]:
    """ "PV1-3.4" -> ("PV1", 3, 4); component 0 when the path names the whole field."""
    name, _, rest = path.partition("-")
    field, _, component = rest.partition(".")
    return name, int(field), int(component or 0)


def adjust(message: Message, profile: FeedProfile) -> dict[str, str]:
    """Relocate, then translate, in the profile's order; returns the picked values by name."""
    for move in profile.relocate:
        _relocate(message, *move)
    for translation in profile.translate:
        _translate(message, translation)
    picked = {name: _text(message, path)[:LONGEST_PICK] for name, path in profile.pick}
    return {name: value for name, value in picked.items() if value}


def _relocate(message: Message, source: str, target: str) -> None:
    """The value of `source` in the first repetition of `target`; nothing when there is none, or no such segment.

    A feed that needs a relocation leaves the proper place empty or fills it with something else: the value wins.
    """
    from_name, from_field, from_component = place_of(source)
    to_name, to_field, to_component = place_of(target)
    origin, home = message.first(from_name), message.first(to_name)
    if origin is None or home is None or not (raw := origin.raw(from_field)):
        return
    if from_component and not (raw := _component(message, raw, from_component)):
        return
    home.put(to_field, _with_component(message, home, to_field, to_component, raw) if to_component else raw)


def _translate(message: Message, translation: Translation) -> None:
    name, field, component = place_of(translation.field)
    number = component or 1
    for segment in message.all(name):
        found = translation.values.get(segment.text(field, number).strip())
        if found is None or _has_separator(message, found.encode()):
            continue
        segment.put(field, _with_component(message, segment, field, number, found.encode()))


def _text(message: Message, path: str) -> str:
    name, field, component = place_of(path)
    segment = message.first(name)
    return segment.text(field, component or 1).strip() if segment else ""


def _component(message: Message, raw: bytes, number: int) -> bytes:
    marks = message.encoding.separators
    first = raw.split(marks.repetition, 1)[0] if marks.repetition else raw
    parts = first.split(marks.component) if marks.component else [first]
    return parts[number - 1] if number <= len(parts) else b""


def _with_component(message: Message, segment: Segment, field: int, number: int, value: bytes) -> bytes:
    """The field with `value` in component `number` of its first repetition."""
    marks = message.encoding.separators
    first, *others = segment.raw(field).split(marks.repetition) if marks.repetition else [segment.raw(field)]
    if not marks.component:
        return value if number == 1 else segment.raw(field)
    parts = first.split(marks.component)
    parts += [b""] * (number - len(parts))
    parts[number - 1] = value
    return marks.repetition.join([marks.component.join(parts), *others])


def _has_separator(message: Message, value: bytes) -> bool:
    marks = message.encoding.separators
    return any(
        mark and mark in value
        for mark in (marks.field, marks.component, marks.repetition, marks.escape, marks.subcomponent)
    )

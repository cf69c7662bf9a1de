"""`baton profile learn`: what a sample of a feed holds, and the channel settings that follow from it.

Counts are of codes, authorities and offsets: nothing that is about a person is kept or shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from mappings.codes import EVENTS, appointment_status_of, class_of, disposition_of
from mappings.hl7v2 import open_message, read_trigger
from mappings.profile import FeedProfile
from mappings.source import Source
from parsers.errors import ParseError
from parsers.hl7v2.batch import split_batch
from parsers.hl7v2.datetimes import parse_timestamp
from parsers.hl7v2.message import Message

CODED = (
    "MSH-3", "MSH-4", "MSH-11", "MSH-12", "MSH-18", "PV1-2", "PV1-3.4", "PV1-4", "PV1-14", "PV1-18", "PV1-36", "SCH-25",
    "SCH-8", "DG1-3.3", "IN1-15",
)  # fmt: skip
"""Places whose values are codes of a table or names of systems."""
KNOWN = {"PV1-2": class_of, "PV1-36": disposition_of, "SCH-25": appointment_status_of}
LONGEST = 30
"""Characters of a code; a longer value is no code and is counted as such."""
MOST_VALUES = 200
"""Different values of one place that are counted; the rest together."""
OTHER = "(other)"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # stands in for the time of receipt, which no count uses


class Learned(msgspec.Struct):
    """Counts over the sample."""

    messages: int = 0
    unreadable: int = 0
    triggers: Counter[str] = msgspec.field(default_factory=Counter)
    values: dict[str, Counter[str]] = msgspec.field(default_factory=dict)
    identifiers: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)  # (authority, type) of PID-3
    offsets: Counter[str] = msgspec.field(default_factory=Counter)  # of MSH-7: "-0500", "none"
    local_segments: Counter[str] = msgspec.field(default_factory=Counter)
    oddities: Counter[str] = msgspec.field(default_factory=Counter)


def learn(bodies: Iterable[bytes], profile: FeedProfile) -> Learned:
    """Read every message of the bodies.  Never fails on content."""
    found = Learned()
    for body in bodies:
        for raw in split_batch(body).messages:
            try:
                message = open_message(raw, profile)
            except ParseError:
                found.unreadable += 1
                continue
            found.messages += 1
            _count(message, profile, found)
    return found


def _count(message: Message, profile: FeedProfile, found: Learned) -> None:
    stamp = parse_timestamp(message.segments[0].text(7))
    source = Source(message, profile, _NEVER)
    found.triggers[read_trigger(source) or "none"] += 1
    found.oddities.update({odd.code for odd in message.oddities})
    for place in CODED:
        name, _, rest = place.partition("-")
        field, _, component = rest.partition(".")
        for segment in message.all(name)[:50]:
            if value := segment.text(int(field), int(component or 1)).strip():
                _add(found.values.setdefault(place, Counter()), value)
    for pid in message.all("PID")[:2]:
        for each in pid.repetitions(3)[:50]:
            authority = each.text(4) or each.text(4, 2)
            found.identifiers[_code(authority), _code(each.text(5).upper())] += 1
    if stamp is not None:
        offset = stamp.offset
        found.offsets["none" if offset is None else f"{offset // 60:+03d}{abs(offset) % 60:02d}"] += 1
    found.local_segments.update({_code(one.name) for one in message.segments if one.name.startswith("Z")})


def _code(text: str) -> str:
    """The text when it may be a code; what is too long, or cannot be shown, is one of the others."""
    return text if len(text) <= LONGEST and text.isprintable() and '"' not in text else OTHER


def _add(counter: Counter[str], value: str) -> None:
    code = _code(value)
    counter[code if code in counter or len(counter) < MOST_VALUES else OTHER] += 1


# -- the proposal --------------------------------------------------------------------------------------------------


def propose(found: Learned, name: str) -> str:
    """A `[[channel]]` table for baton.toml; what needs a person stands in comments."""
    lines = [f"# From {found.messages} messages; {found.unreadable} more could not be read."]
    lines += _counted("events", found.triggers)
    if unknown := [each for each in found.triggers if each not in EVENTS]:
        lines.append(f"# Without a mapping, stored and filtered: {', '.join(sorted(unknown))}")
    lines += ["[[channel]]", f'name = "{name}"', 'kind = "mllp-listener"']
    lines += _zone(found) + _identity(found)
    processing = [code for code in found.values.get("MSH-11", ()) if code not in ("P", OTHER)]
    if processing:
        lines.append(f"# MSH-11 also says {', '.join(sorted(processing))}: filtered as test traffic unless you add it")
        lines.append('# processing_ids = ["P"]')
    sets = found.values.get("MSH-18", Counter())
    lines += _counted("MSH-18 (character set)", sets)
    if "character-set" in found.oddities:
        lines.append("# Some bytes do not fit the character set: see `character_set` and `character_set_from`")
    lines += _observation(found) + _translations(found)
    for segment, count in found.local_segments.most_common():
        lines.append(f"# {segment}: {count} segments; `relocate` and `pick` take values from it")
    lines.append("#\n# Values seen:")
    for place, counts in found.values.items():
        lines += _counted(place, counts)
    return "\n".join(lines) + "\n"


def _zone(found: Learned) -> list[str]:
    lines = _counted("offsets of MSH-7", found.offsets)
    return [*lines, 'zone = "America/New_York"  # check: the zone of times that carry no offset']


def _identity(found: Learned) -> list[str]:
    lines = [
        f"# PID-3: authority {authority or 'empty'}, type {kind or 'empty'}: {count}"
        for (authority, kind), count in found.identifiers.most_common(20)
    ]
    named = [(pair, count) for pair, count in found.identifiers.most_common() if pair[0] and pair[0] != OTHER]
    if not named:
        return [*lines, 'default_authority = ""  # PID-3 names none: the name of the channel is taken']
    (authority, chosen), _ = next((each for each in named if each[0][1].startswith("MR")), named[0])
    lines.append(f'default_authority = "{authority}"')
    if len(found.identifiers) > 1 and chosen and chosen != OTHER:
        lines.append(f'patient_id = [{{ authority = "{authority}", type = "{chosen}" }}]')
    return lines


def _observation(found: Learned) -> list[str]:
    types = [code for code in found.values.get("PV1-18", ()) if "OBS" in code.upper()]
    classes = [code for code in found.values.get("PV1-2", ()) if class_of(code) == "observation"]
    if not types or classes:
        return []
    pairs = ", ".join(f'["PV1-18", "{code}"]' for code in sorted(types))
    return [f"observation_when = [{pairs}]  # check: PV1-18 seems to mark observation stays"]


def _translations(found: Learned) -> list[str]:
    lines = []
    for place, known in KNOWN.items():
        unknown = [code for code in found.values.get(place, ()) if code != OTHER and known(code) is None]
        if unknown:
            values = ", ".join(f'"{code}" = "?"' for code in sorted(unknown))
            lines.append(f"# {place} holds codes that the table does not know: say what each is read as")
            lines.append(f'# translate = [{{ field = "{place}", values = {{ {values} }} }}]')
    return lines


def _counted(what: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    shown = ", ".join(f"{code} {count}" for code, count in counts.most_common(12))
    more = len(counts) - 12
    return [f"# {what}: {shown}" + (f" and {more} more" if more > 0 else "")]

"""Two messages held against each other, component by component."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from parsers.hl7v2.message import Message, Repetition, Segment


class Difference(msgspec.Struct, frozen=True):
    """One place that is not the same; "" for a value that one side lacks.  `place` as "PID^1^3", then repetition and
    component where there are several."""

    place: str
    segment: str
    field: int  # 0: the whole segment is on one side only
    component: int  # 0: the field has one component on both sides
    before: str
    after: str


def compare(before: Message, after: Message) -> Iterator[Difference]:
    """Differences in the order of the messages.  Segments are paired by name and count: the second NK1 with the second.

    MSH-1 and MSH-2 are left out: values are compared as text, whatever the separators.
    """
    names = dict.fromkeys(segment.name for message in (before, after) for segment in message.segments)
    for name in names:
        left, right = before.all(name), after.all(name)
        for row in range(max(len(left), len(right))):
            yield from _segment(
                name, row + 1, left[row] if row < len(left) else None, right[row] if row < len(right) else None
            )


def _segment(name: str, row: int, left: Segment | None, right: Segment | None) -> Iterator[Difference]:
    place = f"{name}^{row}"
    if left is None or right is None:
        yield Difference(
            place, name, 0, 0, left.decoded() if left is not None else "", right.decoded() if right is not None else ""
        )
        return
    first = 3 if name == "MSH" else 1
    for field in range(first, max(left.field_count, right.field_count) + 1):
        yield from _field(f"{place}^{field}", name, field, left.repetitions(field), right.repetitions(field))


def _field(place: str, name: str, field: int, left: list[Repetition], right: list[Repetition]) -> Iterator[Difference]:
    many = len(left) > 1 or len(right) > 1
    for number in range(max(len(left), len(right))):
        one, other = _parts(left, number), _parts(right, number)
        several = len(one) > 1 or len(other) > 1
        where = f"{place}^{number + 1}" if many or several else place
        for index in range(max(len(one), len(other))):
            a, b = one[index] if index < len(one) else "", other[index] if index < len(other) else ""
            if a != b:
                component = index + 1 if several else 0
                yield Difference(f"{where}^{component}" if component else where, name, field, component, a, b)


def _parts(repetitions: list[Repetition], number: int) -> list[str]:
    return repetitions[number].components() if number < len(repetitions) else []

"""XML as a small tree: no DTD of any kind, bounded in depth, elements, attributes and names; linear in its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from parsers.core.envelope import CoreError

MAX_DEPTH = 32
MAX_ELEMENTS = 512
MAX_ATTRIBUTES = 32
_CHUNK = 65536


class Element:
    """One element.  `name` local, `space` its namespace ("" without), `text` what stands directly in it."""

    __slots__ = ("attributes", "children", "name", "pieces", "space")

    def __init__(self, space: str, name: str, attributes: dict[str, str]) -> None:
        self.space = space
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def find(self, name: str) -> Element | None:
        """The first child of this local name."""
        return next((child for child in self.children if child.name == name), None)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in document order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []
        self.elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if len(self.open) >= MAX_DEPTH:
            raise CoreError("XML nested too deep", "XML")
        if self.elements > MAX_ELEMENTS or len(attributes) > MAX_ATTRIBUTES:
            raise CoreError("XML with too many elements or attributes", "XML")
        space, _, local = name.rpartition(" ")
        element = Element(space, local, {key.rpartition(" ")[2]: value for key, value in attributes.items()})
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def end(self, name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        if self.open:
            self.open[-1].pieces.append(data)

    def refuse(self, *_: Any) -> None:
        raise CoreError("XML with a DTD", "XML")


def read_markup(data: bytes, *, whole: bool = True) -> Element:
    """The root element.  `whole` False: what of a document that is only begun can be told.  Raises CoreError."""
    parser = expat.ParserCreate(namespace_separator=" ")
    builder = _Builder()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        for start in range(0, len(data), _CHUNK):
            parser.Parse(data[start : start + _CHUNK], False)
        if whole:
            parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError):  # a wrong byte; an encoding that nobody knows
        raise CoreError("this is not XML", "XML") from None
    if builder.root is None:
        raise CoreError("no XML element", "XML")
    return builder.root

"""Finds the line of a key in TOML text: tomllib reads values and forgets where they stood."""

from __future__ import annotations

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
    r"|#[^\n]*|[\[\]{},=.\n]|[^\s\[\]{},=.#\"']+",
    re.DOTALL,
)


def find_line(lines: dict[Path, int], path: Path) -> int:
    """Line of `path`, or of the nearest enclosing key or table that is written down; 1 when none is."""
    for length in range(len(path), 0, -1):
        line = lines.get(path[:length])
        if line is not None:
            return line
    return 1


def index_lines(text: str) -> dict[Path, int]:
    """Path of every table, key and array element -> its line, from 1.  Expects text that tomllib accepts."""
    walker = _Walker(_tokens(text))
    walker.document()
    return walker.lines


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", start, match.start())
        start = match.start()
        if not match[0].startswith("#"):
            found.append(_Token(match[0], line))
    return found


class _Walker:
    """Walks the tokens once and notes where each path begins."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens = tokens
        self._at = 0
        self._newest: dict[Path, int] = {}  # arrays of tables: index of their newest element

    def document(self) -> None:
        table: Path = ()
        while self._peek():
            if self._peek() == "\n":
                self._at += 1
            elif self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self._tokens[min(self._at, len(self._tokens) - 1)].line)

    def _header(self) -> Path:
        repeated = self._tokens[self._at + 1].text == "["
        self._at += 2 if repeated else 1
        line = self._at
        names = self._names("]")
        self._at += 2 if repeated else 1
        path: Path = ()
        for position, name in enumerate(names):
            path = (*path, name)
            if repeated and position == len(names) - 1:
                self._newest[path] = self._newest.get(path, -1) + 1
            if path in self._newest:
                path = (*path, self._newest[path])
        self.lines.setdefault(path, self._tokens[line].line)
        return path

    def _names(self, end: str) -> list[str]:
        names: list[str] = []
        while self._peek() not in (end, ""):
            if self._peek() != ".":
                names.append(self._peek().strip("\"'"))
            self._at += 1
        return names

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        for name in self._names("="):
            path = (*path, name)
            self.lines.setdefault(path, self._tokens[start].line)
        self._at += 1
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._peek()
        if opening in ("[", "{"):
            self._at += 1
            self._inside(path, "]" if opening == "[" else "}")
            return
        while self._peek() not in (",", "]", "}", "\n", ""):
            self._at += 1

    def _inside(self, path: Path, end: str) -> None:
        index = 0
        while self._peek() not in (end, ""):
            if self._peek() in (",", "\n"):
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._note((*path, index))
                self._value((*path, index))
                index += 1
        self._at += 1

"""Parsers, mappings and coordination take time and ids as arguments: nothing there reads a clock, makes an id by
chance or opens a file.  The import contract of pyproject.toml keeps I/O libraries out; this keeps out what the standard
library's harmless modules can do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = [path for folder in ("parsers", "mappings", "gateway/coordination") for path in (ROOT / folder).rglob("*.py")]

FORBIDDEN_MODULES = frozenset(
    ("uuid", "random", "secrets", "time", "os", "sys", "pathlib", "shutil", "tempfile", "glob", "locale")
)
FORBIDDEN_CALLS = frozenset(("open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"))
CLOCKS = frozenset(("now", "utcnow", "today", "fromtimestamp", "monotonic", "perf_counter", "localtime"))
CLOCK_OWNERS = frozenset(("datetime", "date", "time"))


def impurities(source: str) -> list[str]:
    """ "line: what" of every clock, chance, file or console in a module's text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [(node.module or "").partition(".")[0]]
        found += [f"{node.lineno}: imports {name}" for name in names if name in FORBIDDEN_MODULES]  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            found += [f"{node.lineno}: calls {name}" for name in _impure_call(node.func)]
    return found


def _impure_call(function: ast.expr) -> list[str]:
    if isinstance(function, ast.Name) and function.id in FORBIDDEN_CALLS:
        return [function.id]
    if isinstance(function, ast.Attribute) and function.attr in CLOCKS:
        owner = function.value
        name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
        return [f"{name}.{function.attr}"] if name in CLOCK_OWNERS else []
    return []


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_is_pure(path: Path) -> None:
    assert impurities(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import uuid", "1: imports uuid"),
        ("from random import random", "1: imports random"),
        ("import os.path", "1: imports os"),
        ("x = datetime.now(UTC)", "1: calls datetime.now"),
        ("x = datetime.datetime.utcnow()", "1: calls datetime.utcnow"),
        ("x = date.today()", "1: calls date.today"),
        ("x = open('f')", "1: calls open"),
        ("x = draft.now", ""),
        ("x = draft.open_task()", ""),
    ],
)
def test_impurities_are_found(source: str, found: str) -> None:
    assert impurities(source) == ([found] if found else [])

"""Links between the pages lead somewhere, to the heading they name; tests and files that the pages name exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.S)
_HEADING = re.compile(r"^#+ (.+)$", re.M)
_TEST_NAME = re.compile(r"`(test_[a-z0-9_]+)`")
_FILE = re.compile(r"`((?:tests|gateway|channels|mappings|parsers|samples|docs|scripts|requirements)/[\w./-]+)`")
_TOML = re.compile(r"```toml\n(.*?)```", re.S)


def anchor(heading: str) -> str:
    """The anchor of a heading as GitHub makes it."""
    bare = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", bare.lower()).replace(" ", "-")


def _text(page: Path) -> str:
    return page.read_text("utf-8")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_of_page_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_CODE.sub("", _text(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        found = goal.exists()
        if found and fragment and goal.suffix == ".md":
            found = fragment in {anchor(heading) for heading in _HEADING.findall(_text(goal))}
        if not found:
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_tests_and_files_named_on_page_exist(page: Path) -> None:
    text = _text(page)
    known = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", _text(path))
    }
    assert set(_TEST_NAME.findall(text)) <= known
    assert [name for name in _FILE.findall(text) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if _TOML.search(_text(page))], ids=_name)
def test_configuration_on_page_is_accepted(page: Path) -> None:
    from gateway.settings import Settings

    for block in _TOML.findall(_text(page)):
        Settings(**tomllib.loads(block))

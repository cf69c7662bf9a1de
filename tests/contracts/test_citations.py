"""What comments cite exists: sections and settled readings of docs/domain.md, decisions of docs/decisions."""

from __future__ import annotations

import io
import re
import tokenize
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for folder in ("parsers", "mappings", "channels", "gateway", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__).resolve()
]
DOMAIN = (ROOT / "docs/domain.md").read_text("utf-8")
DECISIONS = (ROOT / "docs/decisions/README.md").read_text("utf-8")

SECTIONS = set(re.findall(r"^#+ (\d+(?:\.\d+)?) ", DOMAIN, re.M))
READINGS = set(re.findall(r"^\| (\d+) \|", DOMAIN.partition("#### Settled readings")[2].partition("\n##")[0], re.M))
NUMBERED = set(re.findall(r"^\| (\d+) \|", DECISIONS, re.M))

_LIST = r"\d+(?:\.\d+)*(?:(?:, and |, | and | to |-)\d+(?:\.\d+)*)*"
_REFERENCE = re.compile(rf"domain reference ({_LIST})", re.I)
_IN_BRACKETS = re.compile(r"\((\d\.\d)(?![\d.])")
_DECISION = re.compile(rf"\bdecisions? ({_LIST})", re.I)
_READING = re.compile(r"\bsettled reading (\d+)", re.I)


@lru_cache(maxsize=1)
def words() -> dict[str, str]:
    """Strings and comments of every module, by its path."""
    return {path.relative_to(ROOT).as_posix(): prose(path.read_text("utf-8")) for path in SOURCES}


def prose(source: str) -> str:
    """The strings and comments of a module, each on one line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(
        " ".join(token.string.split()) for token in tokens if token.type in (tokenize.STRING, tokenize.COMMENT)
    )


def sections(text: str) -> set[str]:
    """Section numbers cited as "domain reference 2.1, 2.5" or as "(2.5 ...)"."""
    named = {number for cited in _REFERENCE.findall(text) for number in re.findall(r"\d+(?:\.\d+)*", cited)}
    return named | set(_IN_BRACKETS.findall(text))


def decisions(text: str) -> set[str]:
    """Decision numbers cited as "decision 9", "decisions 9, 10" or "decisions 2-6"."""
    found: set[str] = set()
    for cited in _DECISION.findall(text):
        for first, last in re.findall(r"(\d+)(?:(?:-| to )(\d+))?", cited):
            found.update(str(number) for number in range(int(first), int(last or first) + 1))
    return found


def _missing(cited: dict[str, set[str]], known: set[str]) -> dict[str, set[str]]:
    return {name: gone for name, numbers in cited.items() if (gone := numbers - known)}


def test_every_section_cited_is_on_the_domain_page() -> None:
    cited = {name: sections(text) for name, text in words().items()}
    assert len(set().union(*cited.values())) > 15
    assert _missing(cited, SECTIONS) == {}


def test_every_settled_reading_cited_is_on_the_domain_page() -> None:
    cited = {name: set(_READING.findall(text)) for name, text in words().items()}
    assert set().union(*cited.values())
    assert _missing(cited, READINGS) == {}


def test_every_decision_cited_is_listed() -> None:
    cited = {name: decisions(text) for name, text in words().items()}
    assert len(set().union(*cited.values())) > 20
    assert _missing(cited, NUMBERED) == {}


@pytest.mark.parametrize(
    ("source", "cited"),
    [
        ('"""States (domain reference 2.1) for A01."""', {"2.1"}),
        ('"""Both (domain reference 2.4, 2.5; decision 9)."""', {"2.4", "2.5"}),
        ('"""Domain reference 5.1-5.4."""', {"5.1", "5.4"}),
        ("# where it starts (2.5): 23:59, and (6.2, 1 and 2)", {"2.5", "6.2"}),
        ('"""Names an unknown prior (domain\n    reference 2.3 c)."""', {"2.3"}),
        ("wait(0.5)  # CloudEvents 1.0, chapter 2.9", set()),
    ],
)
def test_sections_are_found(source: str, cited: set[str]) -> None:
    assert sections(prose(source)) == cited


@pytest.mark.parametrize(
    ("source", "cited"),
    [
        ("# decision 9", {"9"}),
        ("# Decisions 9, 10, and 15", {"9", "10", "15"}),
        ("# (decisions 2-4), decision 31", {"2", "3", "4", "31"}),
        ("# the decision of 2000E", set()),
    ],
)
def test_decisions_are_found(source: str, cited: set[str]) -> None:
    assert decisions(prose(source)) == cited

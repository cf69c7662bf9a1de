"""Every 270, 271 and 278 of the corpus against its guide, with every policy at its strictest; and pyx12 beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from parsers.x12.interchange import read_interchanges
from parsers.x12.policy import Policy
from parsers.x12.structure import SetCheck, check_group
from tests.parsers.x12 import test_conformance
from tests.parsers.x12.interchanges import isa
from tests.parsers.x12.second_opinions import Opinions

ROOT = Path(__file__).parents[3]
CORPUS = ROOT.parent / "shared" / "corpus"
in_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="../shared/corpus is absent")
OPINIONS = tomllib.loads((ROOT / "scripts" / "guide_opinions.toml").read_text(encoding="utf-8"))
STRICT = Policy(**{**dict.fromkeys(Policy.__struct_fields__, "reject"), "segment_count": "warn"})
BROKEN_ON_PURPOSE = "path suggests invalid"  # of the manifest's notes
BROKEN_BY_NAME = ("dangling-parent", "duplicate-hl-id", "hl-cycle", "malformed", "auth-278.test.ts_1", "file-detection")
SETS_OF_A_FILE = 4  # that pyx12 is asked about


def files() -> dict[str, str]:
    """Files with a 270, 271 or 278 and the manifest's note on each."""
    if not CORPUS.is_dir():
        return {}
    rows = [line.split("\t") for line in (CORPUS / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    wanted = ("270", "271", "278")
    return {row[0][4:]: row[8] for row in rows if row[0].startswith("x12/") and any(one in row[4] for one in wanted)}


def checks(name: str) -> Iterator[SetCheck]:
    """The sets of a file that a guide covers; what has no envelope gets one."""
    body = (CORPUS / "x12" / name).read_bytes()
    if not body.lstrip().startswith(b"ISA"):
        head = isa(repetition=">" if b">" in body else "^")
        body = f"{head}~GS*HB*A*B*20261110*0915*1*X*005010~".encode() + body.strip() + b"GE*1*1~IEA*1*000000101~"
    for interchange in read_interchanges(body):
        for group in interchange.groups:
            yield from (check for check, _ in check_group(group, STRICT) if check.guide)


def broken(name: str, note: str) -> bool:
    return BROKEN_ON_PURPOSE in note or any(word in name for word in BROKEN_BY_NAME)


@pytest.mark.corpus
@in_corpus
def test_corpus_sets_that_are_not_broken_on_purpose_have_no_error_but_those_listed() -> None:
    found: dict[str, list[str]] = {}
    seen = 0
    for name, note in files().items():
        for check in checks(name):
            seen += 1
            errors = [error.told for error in check.errors if error.severity == "error"]
            if errors and not broken(name, note):
                found[name] = list(dict.fromkeys([*found.get(name, []), *errors]))
    listed = {one["name"]: list(dict.fromkeys(one["told"])) for one in OPINIONS["file"]}
    assert {name: sorted(told) for name, told in found.items()} == {name: sorted(told) for name, told in listed.items()}
    assert seen > 240


@pytest.mark.corpus
@in_corpus
def test_corpus_sets_that_are_broken_on_purpose_are_told() -> None:
    silent = [
        name
        for name, note in files().items()
        if broken(name, note) and not any(check.errors or check.codes for check in checks(name))
    ]
    # These tell of a rejection, and are sound themselves.
    assert silent == [
        "kartik-hirijaganer__x12-parser-encoder/fixtures__271_rejected_subscriber.x12",
        "tmc__x12/testdata__005010x279-example-1c-error-response-payer-clinic-not-eligible-inquiries-payer.edi",
    ]


KINDS = {one["kind"] for one in OPINIONS["difference"]}


def test_pyx12_differs_about_faulty_sets_in_no_other_way_than_listed(tmp_path: Path) -> None:
    opinions = Opinions(tmp_path)
    seen: set[str] = set()
    for segments in faulty_sets():
        seen |= opinions.differences(test_conformance.check(segments))
    assert seen <= KINDS
    assert {"words", "note", "place", "missing", "cascade", "situation", "tree", "repetition", "crash"} <= seen


def faulty_sets() -> Iterator[list[str]]:
    for fault in test_conformance.FAULTS_271:
        yield test_conformance.changed(test_conformance.ANSWER_271, fault[0], *fault[1])
    for segments, old, new, _ in test_conformance.FAULTS_OF_OTHERS:
        yield test_conformance.changed(segments, old, *new)


@pytest.mark.corpus
@in_corpus
def test_pyx12_differs_about_the_corpus_in_no_other_way_than_listed(tmp_path: Path) -> None:
    opinions = Opinions(tmp_path)
    seen: set[str] = set()
    for name in files():
        for check in list(checks(name))[:SETS_OF_A_FILE]:
            seen |= opinions.differences(check)
    assert seen <= KINDS
    assert {"date", "heading", "trailing"} <= seen

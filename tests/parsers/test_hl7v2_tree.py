from __future__ import annotations

import json

import pytest

from parsers.errors import ParseError
from parsers.hl7v2.tree import MAX_BYTES, read_tree


def test_read_tree_nests_only_where_separators_stand() -> None:
    tree = read_tree(b"MSH|^~\\&|A\rPID|1||a^b&c~d|x^y\r")
    assert json.loads(json.dumps(tree)) == [
        ["MSH", "|", "^~\\&", "A"],
        ["PID", "1", "", [["a", ["b", "c"]], "d"], [["x", "y"]]],
    ]


def test_read_tree_survives_what_python_hl7_does_not() -> None:
    raw = b"\xef\xbb\xbfMSH|^~\\&|Zo\xeb||||||ACK|1|P|2.5||||||8859/1\nNTE|1||C:\\temp\n"
    tree = read_tree(raw)
    assert [segment[0] for segment in tree] == ["MSH", "NTE"]
    assert (tree[0][3], tree[1][3]) == ("Zoë", "C:\\temp")


@pytest.mark.parametrize("raw", [b"", b"junk", b"MSH|^~\\&|" + b"x" * MAX_BYTES])
def test_read_tree_of_what_cannot_be_read_is_a_parse_error(raw: bytes) -> None:
    with pytest.raises(ParseError):
        read_tree(raw)

"""[[partner]]: what a complete one says, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.check import check, load
from gateway.settings.partners import valid_npi
from mappings.partners import Payer, Provider

CHANNELS = '[[channel]]\nname = "payers"\nkind = "file-drop"\n\n'
COMPLETE = (
    CHANNELS
    + """\
[[partner]]
name = "acme"
channel = "payers"
id = "PAYER5"
aliases = ["PAYER5T"]
own_id = "CCGW"
separators = "|>!~"
line_end = "CRLF"
usage = "P"

[partner.policy]
segment_count = "off"
codes = "reject"

[[partner.payer]]
id = "PAYER5"
name = "ACME HEALTH"
aliases = ["ACM", "00123"]

[[partner.provider]]
facility = "main"
npi = "1234567893"
taxonomy = "282N00000X"
"""
)


def write(folder: Path, text: str) -> Path:
    path = folder / "baton.toml"
    path.write_text(text, encoding="utf-8")
    return path


def errors(folder: Path, text: str) -> list[tuple[str, int]]:
    return [(one.key, one.line) for one in check(write(folder, text)) if one.severity == "error"]


def test_partner_is_known_by_name_and_by_every_address(tmp_path: Path) -> None:
    settings = load(write(tmp_path, COMPLETE))
    partner = settings.find_partner("acme")
    assert partner is not None
    assert (partner.line_end, partner.policy.segment_count, partner.policy.codes) == ("\r\n", "off", "reject")
    assert (partner.policy.elements, partner.guides.authorization) == ("warn", "005010X217")
    profile = settings.profile("payers")
    assert profile.partner_of("ZZ", "PAYER5") == profile.partner_of("ZZ", "PAYER5T") == partner
    assert profile.partner_of("30", "PAYER5").name == "acme"
    assert profile.partner_of("ZZ", "OTHER").name == ""
    assert settings.find_partner("other") is None


def test_partner_of_two_with_one_id_is_told_by_the_qualifier(tmp_path: Path) -> None:
    second = '[[partner]]\nname = "tax"\nqualifier = "30"\nid = "PAYER5"\n'
    profile = load(write(tmp_path, COMPLETE + second)).profile("payers")
    assert [profile.partner_of(one, "PAYER5").name for one in ("ZZ", "30", "14")] == ["acme", "tax", "acme"]


def test_partner_names_its_payers_and_providers(tmp_path: Path) -> None:
    (partner,) = load(write(tmp_path, COMPLETE)).partners
    assert partner.payers == (Payer(id="PAYER5", name="ACME HEALTH", aliases=("ACM", "00123")),)
    assert partner.providers == (Provider(facility="main", npi="1234567893", taxonomy="282N00000X"),)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"|>!~"', '"||!~"', "partner.0"),
        ('"|>!~"', '"A>!~"', "partner.0"),
        ('"1234567893"', '"1234567890"', "partner.0.provider.0.npi"),
        ('facility = "main"', 'facility = "north"', "partner.0.provider.0.facility"),
        ('channel = "payers"', 'channel = "nowhere"', "partner.0.channel"),
        ('own_id = "CCGW"\n', "", "partner.0.own_id"),
        ('id = "PAYER5"\naliases = ["P', 'id = "PAYER5"\naliases = ["PAYER5", "P', "partner.0.id"),
        ('codes = "reject"', 'codes = "refuse"', "partner.0.policy.codes"),
        ('id = "PAYER5"\naliases', 'id = "SIXTEENLETTERS16"\naliases', "partner.0.id"),
    ],
)
def test_partner_that_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in COMPLETE
    ((found, line),) = errors(tmp_path, COMPLETE.replace(old, new))
    assert found == key and line > 0


@pytest.mark.parametrize(
    ("text", "valid"), [("1234567893", True), ("1234567890", False), ("123456789", False), ("12345678９3", False)]
)
def test_npi_is_told_by_its_check_digit(text: str, valid: bool) -> None:
    assert valid_npi(text) is valid

"""Certificates in use and in configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.tls import TlsFiles
from gateway.certificates import Certificates
from gateway.settings.check import check
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def configuration(folder: Path, authority: Authority, *, days: float = 365, key: str = "") -> Path:
    papers = authority.issue("gateway", days=days, file="gateway")
    papers.key.chmod(0o600)
    path = folder / "baton.toml"
    path.write_text(
        f"""
[gateway]
data_dir = "{folder}/var"
[[facility]]
id = "main"
[[channel]]
name = "adt"
kind = "mllp-listener"
host = "0.0.0.0"
[channel.tls]
certificate = "{papers.certificate}"
key = "{key or papers.key}"
client_ca = "{authority.file}"
[[channel.peer]]
certificate = ["engine.example"]
senders = ["ADT1|GENHOSP"]
"""
    )
    return path


def test_check_lets_a_listener_with_tls_off_loopback(tmp_path: Path, authority: Authority) -> None:
    assert check(configuration(tmp_path, authority)) == []


@pytest.mark.parametrize(("days", "severity"), [(-2, "error"), (29, "warning")])
def test_check_says_that_a_certificate_ended_or_will(
    tmp_path: Path, authority: Authority, days: float, severity: str
) -> None:
    [finding] = check(configuration(tmp_path, authority, days=days))
    assert (finding.severity, finding.key) == (severity, "channel.0.tls")
    assert finding.text.startswith("The certificate end")


def test_check_says_that_files_do_not_fit_and_who_may_read_the_key(tmp_path: Path, authority: Authority) -> None:
    other = authority.issue("other")
    [finding] = check(configuration(tmp_path, authority, key=str(other.key)))
    assert finding.severity == "error" and "the key is not that of the certificate" in finding.text
    path = configuration(tmp_path, authority)
    (tmp_path / "gateway.key").chmod(0o644)
    [finding] = check(path)
    assert finding.severity == "warning" and "read by other accounts" in finding.text


def test_open_with_files_that_make_no_tls_is_refused_in_words(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(OSError, match="TLS of adt: certificate or key cannot be read"):
        Certificates().open("adt", TlsFiles(str(tmp_path / "a"), str(tmp_path / "b")), server=True, warn_days=30)

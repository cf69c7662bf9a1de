from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.tls import Tls, TlsError, TlsFiles, failure_word, make_context, peer_names
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def files_of(authority: Authority, name: str = "gateway", days: float = 365) -> TlsFiles:
    papers = authority.issue(name, days=days, file=name)
    return TlsFiles(str(papers.certificate), str(papers.key), str(authority.file))


def test_context_of_a_server_asks_for_a_certificate_only_with_an_authority(authority: Authority) -> None:
    files = files_of(authority)
    assert make_context(files, server=True).verify_mode is ssl.CERT_REQUIRED
    assert make_context(TlsFiles(files.certificate, files.key), server=True).verify_mode is ssl.CERT_NONE
    assert make_context(files, server=True).minimum_version is ssl.TLSVersion.TLSv1_2


def test_context_of_a_client_always_verifies_the_server_and_its_name(authority: Authority) -> None:
    for files in (TlsFiles(), TlsFiles(ca=str(authority.file))):
        context = make_context(files, server=False)
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


def test_files_that_make_no_tls_are_refused_in_words(authority: Authority, tmp_path: Path) -> None:
    files, other = files_of(authority), files_of(authority, "other")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("SECRET-NOTHING")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    cases = {
        "needed to listen": TlsFiles(ca=files.ca),
        "not that of the certificate": TlsFiles(files.certificate, other.key),
        "cannot be read": TlsFiles(str(tmp_path / "absent.pem"), files.key),
        "no unencrypted PEM": TlsFiles(str(rubbish), files.key),
        "certificate or key": TlsFiles(files.certificate, str(locked)),
        "authorities is no PEM": TlsFiles(files.certificate, files.key, str(rubbish)),
        "authorities cannot be read": TlsFiles(files.certificate, files.key, str(tmp_path / "absent.pem")),
    }
    for words, case in cases.items():
        with pytest.raises(TlsError, match=words) as caught:
            make_context(case, server=True)
        assert "SECRET" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_expiry_is_that_of_the_first_certificate_that_ends(authority: Authority) -> None:
    tls = Tls(files_of(authority, days=20), server=True)
    assert abs(tls.expires["certificate"] - datetime.now(UTC) - timedelta(days=20)) < timedelta(minutes=1)
    assert tls.expires["ca"] > datetime.now(UTC) + timedelta(days=3000)


def test_refresh_with_files_that_do_not_fit_keeps_the_old_ones_and_says_why(authority: Authority) -> None:
    files = files_of(authority)
    tls = Tls(files, server=True)
    context, kept = tls.context, Path(files.key).read_bytes()
    Path(files.key).write_bytes(Path(files_of(authority, "other").key).read_bytes())
    assert not tls.refresh()
    assert tls.context is context and tls.trouble == "the key is not that of the certificate"
    assert not tls.refresh() and tls.trouble  # told until it is mended
    Path(files.key).write_bytes(kept)
    assert tls.refresh() and tls.trouble == "" and tls.context is not context


def test_peer_names_are_common_name_and_dns_names_in_lower_case_once() -> None:
    certificate = {
        "subject": ((("organizationName", "General"),), (("commonName", "Engine.Example"),)),
        "subjectAltName": (("DNS", "engine.example"), ("IP Address", "10.1.2.3"), ("DNS", "Two.Example")),
    }
    assert peer_names(certificate) == ("engine.example", "two.example")
    assert peer_names(None) == peer_names({}) == ()


@pytest.mark.parametrize(
    ("problem", "word"),
    [(TimeoutError(), "time-out"), (ConnectionAbortedError(), "time-out"), (ConnectionResetError(), "closed-by-peer"),
     (None, "closed-by-peer"), (ssl.SSLError(1, "text with content"), "closed-by-peer")],
)  # fmt: skip
def test_failure_word_never_repeats_a_text(problem: BaseException | None, word: str) -> None:
    assert failure_word(problem) == word

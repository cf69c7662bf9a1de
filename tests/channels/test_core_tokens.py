"""Which bearer tokens count."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from channels.core_tokens import TokenRefused, TokenRules, Tokens, read_keys
from tests.support.certificates import Authority
from tests.support.token_issuer import AUDIENCE, ISSUER, Issuer, bound_to


def tokens(issuer: Issuer, scope: str = "") -> Tokens:
    return Tokens(TokenRules(issuer=ISSUER, audience=AUDIENCE, keys=str(issuer.keys), scope=scope))


def refused(made: Tokens, authorization: str, certificate: bytes | None = None) -> str:
    with pytest.raises(TokenRefused) as problem:
        made.client_of(authorization, certificate)
    assert "eyJ" not in str(problem.value)
    return problem.value.error


def test_token_of_the_issuer_names_its_client(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    assert tokens(issuer).client_of(f"Bearer {issuer.token('clinic')}", None) == "clinic"
    assert tokens(issuer).client_of(f"bearer {issuer.token('', azp='lab')}", None) == "lab"


def test_token_that_is_old_or_of_others_or_unsigned_is_refused(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    made = tokens(issuer)
    other = ec.generate_private_key(ec.SECP256R1())
    good = issuer.token("clinic")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (
        issuer.token("clinic", seconds=-120),
        issuer.token("clinic", key=other),
        issuer.token("clinic", iss="https://other.example"),
        issuer.token("clinic", aud="somebody"),
        issuer.token("clinic", key=b"s" * 64, algorithm="HS256"),
        issuer.token("clinic", nbf=32503680000),
        f"{none}.{good.split('.')[1]}.",
        good[:-4],
        good + "A" * 9000,
        "no.token.at-all",
        "{" * 3000,
    ):
        assert refused(made, f"Bearer {token}") == "invalid_token"
    assert refused(made, "") == refused(made, "Basic abc") == refused(made, "Bearer ") == ""


def test_token_bound_to_a_certificate_counts_with_it_alone(tmp_path: Path) -> None:
    issuer, authority = Issuer(tmp_path), Authority(tmp_path / "ca")
    mine, other = (authority.issue(name).certificate for name in ("mine", "other"))
    token = f"Bearer {issuer.token('clinic', **bound_to(mine))}"
    made = tokens(issuer)
    assert made.client_of(token, ssl.PEM_cert_to_DER_cert(mine.read_text())) == "clinic"
    assert refused(made, token, ssl.PEM_cert_to_DER_cert(other.read_text())) == "invalid_token"
    assert refused(made, token, None) == "invalid_token"


def test_token_needs_the_scope_where_one_is_asked_for(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    made = tokens(issuer, scope="core")
    assert made.client_of(f"Bearer {issuer.token('clinic', scope='a core b')}", None) == "clinic"
    assert refused(made, f"Bearer {issuer.token('clinic', scope='corex')}") == "insufficient_scope"


def test_keys_are_read_again_when_their_file_changes_and_kept_when_it_is_broken(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    made = tokens(issuer)
    before = issuer.token("clinic")
    issuer.change("second-key")
    assert made.client_of(f"Bearer {issuer.token('clinic')}", None) == "clinic"
    assert refused(made, f"Bearer {before}") == "invalid_token"
    issuer.keys.write_text("{}")
    assert made.client_of(f"Bearer {issuer.token('clinic')}", None) == "clinic"


def test_keys_that_are_secret_or_no_keys_are_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert len(read_keys(pem)) == 1
    secret = json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).encode()
    for content in (secret, b"", b"{}", b'{"keys": []}', b'{"keys": [7]}', b'{"keys": [{"kty": "RSA", "d": "x"}]}'):
        with pytest.raises(ValueError):
            read_keys(content)

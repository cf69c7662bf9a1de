"""Bearer tokens of partners (RFC 6750): signed JWTs of one issuer, told by keys that are on this machine.

A JWT and no introspection (RFC 7662): no call to a third party stands before the answer, and an issuer that is away
stops nobody who has a token.  Only asymmetric signatures count.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_MAX_TOKEN = 8192
_LEEWAY = 30  # seconds between the issuer's clock and ours
_MOST_KEYS = 32


class TokenRefused(Exception):
    """`error` as RFC 6750 section 3.1 names it, "" when there was no token; the text holds nothing of the token."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


@dataclass(slots=True, frozen=True, kw_only=True)
class TokenRules:
    """`keys`: a JWKS file (RFC 7517), or PEM of one public key.  `scope`: one that a token must have; "" for none."""

    issuer: str
    audience: str
    keys: str
    scope: str = ""


class Tokens:
    """Tells whose token it is.  Raises OSError or ValueError when the keys cannot be had at the start."""

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
        self._stamp = self._look()
        self._keys = read_keys(Path(rules.keys).read_bytes())

    def client_of(self, authorization: str, certificate: bytes | None) -> str:
        """client_id of a request (RFC 9068 section 2.2), else its subject.  Raises TokenRefused.

        `certificate`: DER of the client's; a token that is bound to one counts with it alone (RFC 8705 section 3)."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenRefused("", "a bearer token is wanted")
        claims = self._verified(token.strip())
        bound = claims.get("cnf", {})
        thumb = bound.get("x5t#S256") if isinstance(bound, Mapping) else None
        if thumb is not None and not hmac.compare_digest(str(thumb).encode(), _thumbprint(certificate or b"").encode()):
            raise TokenRefused("invalid_token", "the token is bound to another certificate")
        if self._rules.scope and self._rules.scope not in str(claims.get("scope", "")).split():
            raise TokenRefused("insufficient_scope", "the token has not the scope that is wanted here")
        return str(claims.get("client_id") or claims.get("azp") or claims.get("sub") or "")

    def _verified(self, token: str) -> Mapping[str, Any]:
        if len(token) > _MAX_TOKEN:
            raise TokenRefused("invalid_token", "the token is too long")
        try:
            head = jwt.get_unverified_header(token)
            named = [key for kid, key in self._current() if head.get("kid") in (None, kid) or not kid]
            for key in named:
                try:
                    return self._decoded(token, key)
                except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError):
                    continue
        except (jwt.PyJWTError, ValueError, RecursionError):
            pass
        raise TokenRefused("invalid_token", "the token is not accepted")

    def _decoded(self, token: str, key: Any) -> Mapping[str, Any]:
        rules = self._rules
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=rules.audience,
            issuer=rules.issuer,
            leeway=_LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _current(self) -> list[tuple[str, Any]]:
        """The keys of the file as it is now; those before when it cannot be used."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._keys = read_keys(Path(self._rules.keys).read_bytes())
            except (OSError, ValueError):
                log.error("the new keys of the token issuer are not used")
        return self._keys

    def _look(self) -> tuple[int, int, int]:
        try:
            found = Path(self._rules.keys).stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def read_keys(content: bytes) -> list[tuple[str, Any]]:
    """(kid, public key) of a JWKS or of one PEM key.  ValueError: neither, or a secret or private key."""
    if content.lstrip().startswith(b"-----BEGIN PUBLIC KEY"):
        return [("", load_pem_public_key(content))]
    try:
        keys = json.loads(content)["keys"]
        if any("d" in each or each.get("kty") == "oct" for each in keys):
            raise ValueError("a key file for tokens holds public keys alone")
        found = [jwt.PyJWK(each) for each in keys if each.get("use", "sig") == "sig"]
    except (TypeError, KeyError, AttributeError, RecursionError, jwt.PyJWTError):
        raise ValueError("this is neither a JWKS nor a PEM public key") from None
    if not 0 < len(found) <= _MOST_KEYS:
        raise ValueError("a JWKS with 1 to 32 keys is wanted")
    return [(each.key_id or "", each.key) for each in found]


def _thumbprint(certificate: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()

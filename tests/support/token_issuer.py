"""Who issues bearer tokens in a test."""

from __future__ import annotations

import json
import ssl
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER, AUDIENCE = "https://issuer.example", "baton-core"


class Issuer:
    """Signs with one key at a time; `keys` is the JWKS file."""

    def __init__(self, folder: Path, kid: str = "one") -> None:
        self.keys = folder / "jwks.json"
        self.change(kid)

    def change(self, kid: str) -> None:
        self._kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        self.keys.write_text(json.dumps({"keys": [public | {"kid": kid, "use": "sig"}]}))

    def token(
        self, client: str, *, key: Any = None, algorithm: str = "ES256", seconds: float = 300, **more: Any
    ) -> str:
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + seconds, "client_id": client, **more}
        return jwt.encode(claims, key or self._key, algorithm=algorithm, headers={"kid": self._kid})


def bound_to(certificate: Path) -> dict[str, Any]:
    """The claim that binds a token to a certificate (RFC 8705 section 3.1)."""
    digest = sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).digest()
    return {"cnf": {"x5t#S256": urlsafe_b64encode(digest).rstrip(b"=").decode()}}

"""Certificates made for a test: one authority, and whom it vouches for."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Papers:
    """PEM files of one holder."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates.  Its own is `file`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._serial = 0
        self.file = folder / f"{name}.pem"
        now = datetime.now(UTC)
        built = _builder(self._name, self._name, self._key, (now - timedelta(days=60), now + timedelta(days=3650)))
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: float = 365, dns: tuple[str, ...] = (), file: str = "") -> Papers:
        """A certificate of common name `name` for localhost and `dns`, valid until in `days` (negative: expired)."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = _builder(self._name, subject, key, (now - timedelta(days=30), now + timedelta(days=days)))
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in ("localhost", *dns)]
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = built.sign(self._key, hashes.SHA256())
        self._serial += 1
        stem = file or f"{name}-{self._serial}"
        papers = Papers(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        papers.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        papers.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return papers

    def client(self, papers: Papers | None = None) -> ssl.SSLContext:
        """How a client that trusts this authority connects, showing `papers`."""
        context = ssl.create_default_context(cafile=str(self.file))
        if papers is not None:
            context.load_cert_chain(papers.certificate, papers.key)
        return context


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )

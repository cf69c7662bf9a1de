"""TLS of a channel: certificate, key and trusted authorities, loaded as one, and loaded again when they change.

New connections use what was loaded last; open ones go on with what they began with, so a new certificate drops nobody.
Files that cannot be used change nothing: what was loaded before stays.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

_NOT_WORD = re.compile(r"[^a-z0-9]+")


class TlsError(Exception):
    """Files that make no TLS.  The text names the setting and what is wrong, never what is in a file."""


@dataclass(slots=True, frozen=True)
class TlsFiles:
    """PEM files; "" where there is none.

    certificate, key  ours, with its chain; a client may have none
    ca                who signs the peers' certificates.  A server with it asks every client for a certificate (mutual
                      TLS); a client without it trusts the authorities of this machine
    """

    certificate: str = ""
    key: str = ""
    ca: str = ""

    @property
    def named(self) -> dict[str, Path]:
        files = {"certificate": self.certificate, "key": self.key, "ca": self.ca}
        return {name: Path(file) for name, file in files.items() if file}


class Tls:
    """What connections of one channel shake hands with: `context`, always usable after construction.

    Raises TlsError when the files make no TLS.  Blocks for some small reads.
    """

    def __init__(self, files: TlsFiles, *, server: bool, handshake_timeout: float = 10.0) -> None:
        self.files = files
        self.server = server
        self.handshake_timeout = handshake_timeout
        self.trouble = ""  # why the newest files are not used
        self._stamps = self._look()
        self.context = make_context(files, server=server)
        self.expires = expiries(files)

    def refresh(self) -> bool:
        """Load the files again when one of them changed; True when new ones are in use now.

        `trouble` says what is wrong with files that are not used."""
        stamps = self._look()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            context, expires = make_context(self.files, server=self.server), expiries(self.files)
        except TlsError as problem:
            self.trouble = str(problem)
            return False
        self.context, self.expires, self.trouble = context, expires, ""
        return True

    def following_context(self) -> ssl.SSLContext:
        """For a server that keeps the context it was given: each handshake changes to what was loaded last."""

        def change(connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
            connection.context = self.context

        given = make_context(self.files, server=True)
        given.sni_callback = change
        return given

    def _look(self) -> dict[str, tuple[int, int, int]]:
        """What tells a changed file: it may have been written in place, replaced, or reached by another link."""
        stamps: dict[str, tuple[int, int, int]] = {}
        for name, file in self.files.named.items():
            try:
                found = file.stat()
            except OSError:
                stamps[name] = (0, 0, 0)
                continue
            stamps[name] = (found.st_mtime_ns, found.st_size, found.st_ino)
        return stamps


def make_context(files: TlsFiles, *, server: bool) -> ssl.SSLContext:
    """TLS 1.2 or later.  A server with `ca` requires a certificate of its clients; a client always verifies the server.

    Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server and not (files.certificate and files.key):
        raise TlsError("certificate and key are needed to listen")
    if files.certificate:
        try:
            context.load_cert_chain(files.certificate, files.key or None, password=_no_password)
        except ssl.SSLError as problem:
            if problem.reason == "KEY_VALUES_MISMATCH":
                raise TlsError("the key is not that of the certificate") from None
            raise TlsError("certificate or key is no unencrypted PEM file") from None
        except (OSError, ValueError):
            raise TlsError("certificate or key cannot be read") from None
    if files.ca:
        try:
            context.load_verify_locations(files.ca)
        except ssl.SSLError:
            raise TlsError("the file of authorities is no PEM file") from None
        except OSError:
            raise TlsError("the file of authorities cannot be read") from None
        context.verify_mode = ssl.CERT_REQUIRED
    elif not server:
        context.load_default_certs()
    return context


def _no_password() -> str:
    """Without it OpenSSL would ask on the terminal for the password of an encrypted key."""
    raise ValueError


def expiries(files: TlsFiles) -> dict[str, datetime]:
    """ "certificate" and "ca" -> when the first certificate in that file ends.  Raises TlsError."""
    ends: dict[str, datetime] = {}
    for name, file in files.named.items():
        if name == "key":
            continue
        try:
            found = x509.load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError):
            raise TlsError(f"{name} is no readable PEM file of certificates") from None
        ends[name] = min(one.not_valid_after_utc for one in found)
    return ends


def peer_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Whom a verified certificate (`getpeercert()`) names: common name, then DNS names, in lower case, each once."""
    if not certificate:
        return ()
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return tuple(dict.fromkeys(name.lower() for name in [*subject, *names]))


def failure_word(problem: BaseException | None) -> str:
    """Why a handshake failed, as one fixed word for counters and log lines: OpenSSL's own reason, never content."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return _NOT_WORD.sub("-", str(problem.verify_message).lower()).strip("-")[:60]
    reason = getattr(problem, "reason", None) if isinstance(problem, ssl.SSLError) else None
    if reason:
        return _NOT_WORD.sub("-", str(reason).lower()).strip("-")[:60]
    if isinstance(problem, TimeoutError) or type(problem) is ConnectionAbortedError:
        return "time-out"
    return "closed-by-peer"

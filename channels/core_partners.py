"""Who may use a CORE endpoint: user name and password, stored hashed, or a client certificate."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from parsers.core.checking import Expectations

_COST = 1 << 14
_BLOCK = 8
_REMEMBERED = 1000  # proofs of recent passwords, so that each request does not cost a hash
_HASHED_AT_ONCE = 2  # more would take the machine from the messages


@dataclass(slots=True, frozen=True, kw_only=True)
class CorePartner:
    """One partner of an endpoint.

    `password_hash`: as `hash_password` writes it; empty: he signs in by certificate alone.  `certificate_names`: common
    names and DNS names of his client certificates; given, one of them is wanted.  `client_id`: of his bearer tokens
    (REST).  `relay`: ReceiverID (or `*`) to the channel that his requests are passed on to.  `relay_as`: sender (as it
    came) | gateway (under our own addresses and control numbers).  `spelling`: his names of MIME fields.
    """

    name: str
    user: str = ""
    password_hash: str = ""
    certificate_names: frozenset[str] = frozenset()
    expectations: Expectations = field(default_factory=Expectations)
    client_id: str = ""
    spelling: dict[str, str] = field(default_factory=dict)
    relay: dict[str, str] = field(default_factory=dict)
    relay_as: str = "sender"

    def relay_of(self, receiver_id: str) -> str | None:
        """The channel behind us that a request for this receiver goes to."""
        lowered = {key.lower(): channel for key, channel in self.relay.items()}
        return lowered.get(receiver_id.lower()) or lowered.get("*")


def hash_password(password: str, salt: bytes | None = None) -> str:
    """`scrypt$16384$<salt>$<hash>`; takes about 50 ms of a processor."""
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=1)
    return f"scrypt${_COST}${salt.hex()}${digest.hex()}"


def fits(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed."""
    try:
        name, cost, salt, digest = hashed.split("$")
        made = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=int(cost), r=_BLOCK, p=1)
        return name == "scrypt" and hmac.compare_digest(made.hex(), digest)
    except ValueError:
        return False


class Gatekeeper:
    """Knows the partners of one endpoint.  `refused` counts those who could not sign in."""

    def __init__(self, partners: Sequence[CorePartner]) -> None:
        self.refused = 0
        self._partners = partners
        self._by_user = {partner.user.lower(): partner for partner in partners if partner.user}
        self._key = secrets.token_bytes(32)
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._hashing = asyncio.Semaphore(_HASHED_AT_ONCE)
        self._decoy = hash_password(secrets.token_hex(8))

    async def recognise(self, user: str, password: str, certificate: frozenset[str]) -> CorePartner | None:
        """The partner who signed in, or None.  Takes as long for an unknown name as for a wrong password."""
        found: CorePartner | None
        if user:
            found = self._by_user.get(user.lower())
            proved = await self._prove(user, password, found.password_hash if found else self._decoy)
            found = found if proved else None
        else:
            found = next((p for p in self._partners if not p.password_hash and p.certificate_names & certificate), None)
        if found is not None and found.certificate_names and not found.certificate_names & certificate:
            found = None
        if found is None:
            self.refused += 1
        return found

    async def _prove(self, user: str, password: str, hashed: str) -> bool:
        if not hashed:
            return False
        proof = hmac.digest(self._key, f"{user}\0{password}\0{hashed}".encode(), "sha256")
        if proof in self._proved:
            return True
        async with self._hashing:
            proved = await asyncio.to_thread(fits, password, hashed)
        if proved:
            self._proved[proof] = None
            if len(self._proved) > _REMEMBERED:
                self._proved.popitem(last=False)
        return proved

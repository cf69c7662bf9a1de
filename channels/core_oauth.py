"""An access token by client credentials (RFC 6749 section 4.4), kept until shortly before its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import httpx

from channels.core_ports import NotAsked

_EARLY = 30.0  # seconds before its end that a token is not used any more
_USUAL = 300.0  # seconds, where the server does not say
_MAX_ANSWER = 65536


@dataclass(slots=True, frozen=True, kw_only=True)
class Grant:
    """Where a token is had, and as whom.  The secret is never logged."""

    url: str
    client_id: str
    secret: str = field(repr=False)
    scope: str = ""


class AccessToken:
    """One token for all requests of a channel; one request for it at a time."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    def forget(self, token: str) -> None:
        """The other side does not accept it: the next one is asked for."""
        if token == self._token:
            self._token = ""

    async def get(self, client: httpx.AsyncClient) -> str:
        """Raises NotAsked `token-refused` or `token-unreadable`; httpx's errors where nobody answers."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if not self._token or now >= self._until:
                self._token, seconds = await self._ask(client)
                self._until = now + max(seconds - _EARLY, seconds / 2)
            return self._token

    async def _ask(self, client: httpx.AsyncClient) -> tuple[str, float]:
        grant = self._grant
        form = {"grant_type": "client_credentials"} | ({"scope": grant.scope} if grant.scope else {})
        # Both are form-encoded before they become Basic credentials (section 2.3.1).
        who = httpx.BasicAuth(quote_plus(grant.client_id), quote_plus(grant.secret))
        response = await client.post(grant.url, data=form, auth=who, headers={"Accept": "application/json"})
        if response.status_code != 200:
            raise NotAsked("token-refused", f"HTTP {response.status_code} and no token", later=True)
        try:
            said: dict[str, Any] = response.json() if len(response.content) <= _MAX_ANSWER else {}
            token, seconds = said["access_token"], float(said.get("expires_in") or _USUAL)
            usable = isinstance(token, str) and token.isascii() and token.isprintable() and seconds > 0
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            usable = False
        if not usable:
            raise NotAsked("token-unreadable", "the answer holds no token", later=True)
        return token, seconds

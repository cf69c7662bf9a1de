"""An account on an SFTP server: whom we trust there, how we sign in, and one connection that is kept while it works.

Needs asyncssh, which is an extra: `pip install baton-gateway[sftp]`.  Nothing of the account that runs us is used: no
agent, no keys or settings of its home folder.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh

_KEEP_ALIVE = 30.0


class SftpAway(Exception):
    """The server cannot be reached, is not the one we know, or does not let us in.  The text is for a person."""


@dataclass(slots=True, frozen=True, kw_only=True)
class SftpAccount:
    """Times in seconds.  `host_key`: the server's public keys, in the form of `ssh-keyscan` without the host's name;
    any of them is accepted and no other.  `key`: our private key file; `password` is never logged."""

    host: str
    port: int = 22
    user: str = ""
    host_key: tuple[str, ...] = ()
    key: str = ""
    password: str = field(default="", repr=False)
    connect_seconds: float = 15.0
    answer_seconds: float = 60.0


def ssh_library() -> ModuleType:
    """asyncssh.  OSError with the cure when it is not installed."""
    try:
        import asyncssh
    except ImportError:
        raise OSError("SFTP needs asyncssh: pip install 'baton-gateway[sftp]'") from None
    return asyncssh


class SftpLine:
    """One connection to one account, opened when it is wanted.  Raises SftpAway from `open`."""

    def __init__(self, account: SftpAccount) -> None:
        """OSError when asyncssh, the host key or our key cannot be had."""
        self.account = account
        self._library = ssh_library()
        try:
            trusted = [self._library.import_public_key(each) for each in account.host_key]
        except self._library.KeyImportError:
            raise OSError("host_key is no public key in OpenSSH form") from None
        self._keys = None
        if account.key:
            try:
                self._keys = [self._library.read_private_key(Path(account.key))]
            except (OSError, self._library.KeyImportError, self._library.KeyEncryptionError):
                raise OSError("the SFTP key cannot be read: an unencrypted private key file is wanted") from None
        self._trusted: tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]] = (trusted, [], [])
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._opening = asyncio.Lock()

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What a call on the client may raise when the connection or the server fails, or takes too long."""
        library = self._library
        return (library.ConnectionLost, library.DisconnectError, library.SFTPError, library.ChannelOpenError, OSError)

    async def open(self) -> asyncssh.SFTPClient:
        """The client of a connection that is up."""
        async with self._opening:
            if self._client is not None and self._connection is not None and not self._connection.is_closed():
                return self._client
            await self._close()
            try:
                async with asyncio.timeout(self.account.connect_seconds + self.account.answer_seconds):
                    self._connection = await self._connect()
                    self._client = await self._connection.start_sftp_client(
                        path_encoding="utf-8", path_errors="surrogateescape"
                    )
            except TimeoutError:
                raise SftpAway("the server does not answer") from None
            except self._library.HostKeyNotVerifiable:
                raise SftpAway("the server shows another host key than the one that is pinned") from None
            except self._library.PermissionDenied:
                raise SftpAway("the server does not accept our key or password") from None
            except self.errors as problem:
                raise SftpAway(f"no connection: {type(problem).__name__}") from None
            return self._client

    async def _connect(self) -> asyncssh.SSHClientConnection:
        account = self.account
        connection: asyncssh.SSHClientConnection = await self._library.connect(
            account.host,
            account.port,
            username=account.user,
            password=account.password or None,
            client_keys=self._keys,
            known_hosts=self._trusted,
            agent_path=None,
            config=None,
            connect_timeout=account.connect_seconds,
            login_timeout=account.answer_seconds,
            keepalive_interval=_KEEP_ALIVE,
        )
        return connection

    async def drop(self) -> None:
        """Open anew the next time: this connection failed."""
        async with self._opening:
            await self._close()

    async def _close(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

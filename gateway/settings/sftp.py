"""Settings of an SFTP channel."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.settings.channels import MIB, ChannelSection, Port, Zone
from gateway.settings.secret import read_secret

RemotePath = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f]*$")]


class Sftp(ChannelSection):
    """Files from a folder of an SFTP server, and answers into another.  Needs the extra `baton-gateway[sftp]`."""

    kind: Literal["sftp"] = Field(description="Selects this kind of channel.")
    host: str = Field(min_length=1, max_length=255, description="Name or address of the server.")
    port: Port = Field(default=22, description="TCP port of the server.")
    user: str = Field(min_length=1, max_length=100, description="Our account there.")
    host_key: tuple[str, ...] = Field(
        min_length=1,
        description="The server's public keys, such as `ssh-ed25519 AAAA...`; any of them, and no other, is accepted.",
    )
    key: str = Field(default="", description="File of our private key, not encrypted.")
    password_env: str = Field(
        default="", pattern=r"^[A-Z0-9_]*$", description="Environment variable that holds the password."
    )
    password_file: str = Field(default="", description="File that holds the password; its last line end is not part.")
    folder: RemotePath = Field(default="", description="Folder to read; empty: nothing is fetched.")
    out: RemotePath = Field(default="", description="Folder for what we send; empty: nothing is put there.")
    after: Literal["move", "delete"] = Field(
        default="move",
        description="What becomes of a file that was stored: moved to `done/` in its folder, or removed.",
    )
    poll_seconds: float = Field(default=30.0, gt=0, description="Seconds between two looks at the folder.")
    stable_seconds: float = Field(default=10.0, ge=0, description="Seconds for which a file must not have changed.")
    max_file: int = Field(default=256 * MIB, ge=1024, description="Largest file in bytes.")
    connect_seconds: float = Field(default=15.0, gt=0, description="Seconds to connect.")
    answer_seconds: float = Field(
        default=60.0, gt=0, description="Seconds for one step: signing in, a listing, a block."
    )
    usage: tuple[str, ...] = Field(
        default=("P",), description="Accepted values of ISA15; others are filtered as test messages."
    )
    payer_zone: Zone = Field(default="America/New_York", description="Time zone of X12 times.")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not self.key and not self.password_env and not self.password_file:
            raise ValueError("give key, password_env or password_file: nobody is let in without one")
        if not self.folder and not self.out:
            raise ValueError("give folder, out, or both")
        return self

    def password(self) -> str:
        """Raises OSError when it cannot be had."""
        return read_secret(f"channel {self.name}", self.password_env, self.password_file)

"""Every kind of channel that settings can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings_channels import FileDrop, MllpListener, Webhook
from gateway.settings_core import CoreClient, CoreEndpoint
from gateway.settings_sending import MllpSender
from gateway.settings_sftp import Sftp

AnyChannel = MllpListener | MllpSender | FileDrop | Webhook | CoreEndpoint | CoreClient | Sftp
Channel = Annotated[AnyChannel, Field(discriminator="kind")]
KINDS: dict[str, type[AnyChannel]] = {
    "mllp-listener": MllpListener,
    "mllp-sender": MllpSender,
    "file-drop": FileDrop,
    "webhook": Webhook,
    "core-endpoint": CoreEndpoint,
    "core-client": CoreClient,
    "sftp": Sftp,
}

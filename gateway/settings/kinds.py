"""Every kind of channel that settings can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.channels import FileDrop, MllpListener, Webhook
from gateway.settings.core import CoreClient, CoreEndpoint
from gateway.settings.sending import MllpSender
from gateway.settings.sftp import Sftp

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

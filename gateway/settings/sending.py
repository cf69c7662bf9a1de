"""Settings of an MLLP sender: where to, what, in which order, and what to do by the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.channels import ChannelSection, EventPattern, Name, Section
from gateway.settings.tls import ClientTlsSection

MessagePattern = Annotated[str, Field(pattern=r"^[A-Z0-9*?]{1,7}(\^[A-Z0-9*?]{1,7})?$")]
Reaction = Literal["ok", "retry", "fail", "stop"]


class ReactionsSection(Section):
    """What an MLLP sender does by the code of an answer (MSA-1).  `ok`: taken. `retry`: again, slower each time.
    `fail`: set aside, the next one goes out. `stop`: the channel pauses until a person resumes it."""

    AA: Reaction = Field(default="ok", description="Application accept.")
    CA: Reaction = Field(default="ok", description="Commit accept.")
    AE: Reaction = Field(default="fail", description="Application error: the content is at fault.")
    CE: Reaction = Field(default="fail", description="Commit error.")
    AR: Reaction = Field(default="retry", description="Application reject: the receiver's state, or a header.")
    CR: Reaction = Field(default="fail", description="Commit reject: MSH-9, -11 or -12.")
    none: Reaction = Field(default="retry", description="No answer in time, or one without a known code.")


class MllpSender(ChannelSection):
    """HL7 v2 over MLLP: we connect and send, whole feeds or chosen events."""

    kind: Literal["mllp-sender"] = Field(description="Selects this kind of channel.")
    host: str = Field(min_length=1, description="The receiver's address.")
    port: int = Field(ge=1, le=65535, description="His TCP port.")
    allow_plaintext: bool = Field(default=False, description="Must be `true` to send off loopback without TLS.")
    tls: ClientTlsSection | None = Field(default=None, description="Connect with TLS; without it in the clear.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for a connection, and for an answer.")
    connections: int = Field(
        default=1, ge=1, le=32, description="Connections at once; more than 1 needs an order by patient."
    )
    forward: tuple[Name, ...] = Field(default=(), description="MLLP listeners whose messages are sent on as they came.")
    messages: tuple[MessagePattern, ...] = Field(
        default=(), description="With `forward`: only these, such as `ADT^A31`, `SIU^*`; empty: all."
    )
    order: Literal["feed", "patient"] = Field(
        default="feed",
        description="With `forward`: what keeps its order, the whole feed, or each patient by himself.",
    )
    events: tuple[EventPattern, ...] = Field(
        default=(),
        description="Instead of `forward`: events that are sent, such as `encounter.discharged`, `patient.*`.",
    )
    facilities: tuple[str, ...] = Field(default=(), description="With `events`: only of these facilities; empty: all.")
    form: Literal["built", "original"] = Field(
        default="built", description="With `events`: a message built from the event, or the one that it came from."
    )
    restricted: bool = Field(
        default=False, description="With `events`: those of restricted patients too; else they end as unrouted."
    )
    acknowledgement: Literal["original", "as-sent"] = Field(
        default="original", description="Empty MSH-15 and MSH-16 and wait for one answer, or leave them as they are."
    )
    match_control_id: bool = Field(
        default=True, description="`false` for a receiver that does not repeat MSH-10 in MSA-2."
    )
    attempts: int = Field(
        default=0, ge=0, description="Answers that mean `retry` after which a message fails; 0: no limit."
    )
    reactions: ReactionsSection = Field(
        default_factory=ReactionsSection, description="What to do by the answer's code."
    )
    sending_application: str = Field(default="BATON", max_length=180, description="MSH-3 of built messages.")
    sending_facility: str = Field(
        default="", max_length=180, description="MSH-4 of built messages; empty: our id of the facility."
    )
    receiving_application: str = Field(default="", max_length=180, description="MSH-5 of built messages.")
    receiving_facility: str = Field(default="", max_length=180, description="MSH-6 of built messages.")
    processing_id: Literal["P", "T", "D"] = Field(default="P", description="MSH-11 of built messages.")

"""What is pending for a sink that is gone is set aside, and can be taken back."""

from __future__ import annotations

from typing import Any

from gateway.event_sinks import EventSink
from tests.gateway.store.samples import event, write


async def test_pending_of_a_sink_that_is_gone_is_set_aside_and_comes_back_with_it(
    client: Any, gateway: Any, key: Any
) -> None:
    gateway.store.sinks = (EventSink("old-receiver"), EventSink("adt"))
    await write(gateway.store, events=[event("e1"), event("e2")])
    headers = await key("channels:write")
    path, act = "/api/v1/ledger/sinks/{}/{}", {"actor": "jdoe"}

    refused = await client.post(path.format("adt", "set-aside"), json=act, headers=headers)
    assert refused.status_code == 409, "the settings name it"
    done = await client.post(path.format("old-receiver", "set-aside"), json=act, headers=headers)
    assert (done.status_code, done.json()) == (200, {"sink": "old-receiver", "deliveries": 2})
    account = (await gateway.store.ledger()).sinks["old-receiver"]
    assert account.balanced and (account.words["parked"], account.open) == (2, 0)

    again = await client.post(path.format("old-receiver", "publish-again"), json=act, headers=headers)
    assert again.json()["deliveries"] == 2
    assert len(await gateway.store.outbox_claim("old-receiver", 9)) == 2

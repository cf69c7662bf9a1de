"""Signed webhooks over a real socket: signatures that another implementation accepts, retries, refusals."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from channels.egress import EgressPolicy, EgressRefused
from channels.ports import Delivery, DeliveryError, Outcome, Postponed
from channels.standard_webhooks import show_secret, signature_headers
from channels.webhook import AT_ONCE, BREAK_AFTER, LONGEST_WAIT, SCHEDULE, WebhookDestination, WebhookSettings
from tests.support.certificates import Authority
from tests.support.webhook_receiver import Receiver, receiving

OLD, NEW = b"o" * 32, b"n" * 32
CONFIRMED, FAILED, REFUSED = Outcome.CONFIRMED, Outcome.FAILED, Outcome.REFUSED


class Hands:
    """A clock that the test moves: monotonic and wall."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


Open = Callable[..., WebhookDestination]


@pytest.fixture
async def open_webhook() -> AsyncIterator[Open]:
    opened: list[WebhookDestination] = []

    def make(
        url: str,
        secrets: Sequence[bytes] = (NEW,),
        verify: Any = True,
        allow: tuple[str, ...] = ("127.0.0.0/8",),
        **more: Any,
    ) -> Any:
        settings = WebhookSettings("care-app", url, lambda: secrets, EgressPolicy(allow), timeout=2.0, verify=verify)
        opened.append(WebhookDestination(settings, **more))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


def delivery(n: int, key: str = "pat_1") -> Delivery:
    return Delivery(f"evt_{n}", key, "task.created.gh", b'{"n":%d}' % n, {}, "application/cloudevents+json")


async def test_signature_is_accepted_by_the_library_of_the_scheme(receiver: Receiver, open_webhook: Open) -> None:
    assert await open_webhook(receiver.url).deliver([delivery(1)]) == [CONFIRMED]
    path, headers, body = receiver.requests[0]
    assert (path, body, headers["content-type"]) == ("/hook", b'{"n":1}', "application/cloudevents+json")
    assert headers["host"] == f"127.0.0.1:{receiver.port}" and headers["webhook-id"] == "evt_1"
    Verifier(show_secret(NEW)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(show_secret(OLD)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(show_secret(NEW)).verify(body + b" ", headers)


async def test_both_secrets_are_accepted_while_they_are_rotated(receiver: Receiver, open_webhook: Open) -> None:
    await open_webhook(receiver.url, (NEW, OLD)).deliver([delivery(1)])
    _, headers, body = receiver.requests[0]
    for secret in (OLD, NEW):
        Verifier(show_secret(secret)).verify(body, headers)


def test_secret_is_shown_as_the_scheme_writes_it() -> None:
    assert base64.b64decode(show_secret(NEW).removeprefix("whsec_")) == NEW
    assert signature_headers("m", 5, b"x", [NEW])["webhook-timestamp"] == "5"


def again(delivery: Delivery, outcome: object) -> Delivery:
    """As it comes from the outbox after this outcome."""
    if not isinstance(outcome, Postponed):
        return delivery
    return replace(delivery, refusals=outcome.refusals, due=outcome.due)


async def test_refusal_is_tried_again_by_the_schedule_then_given_up(receiver: Receiver, open_webhook: Open) -> None:
    receiver.answers = [500]
    hands, pending = Hands(), delivery(1)
    for attempt, pause in enumerate(SCHEDULE, 1):
        webhook = open_webhook(receiver.url, monotonic=hands, wall=hands)  # each time another process
        (outcome,) = await webhook.deliver([pending])
        assert outcome == Postponed(attempt, datetime.fromtimestamp(hands.now + pause, UTC))
        pending = again(pending, outcome)
        hands.now += pause - 1
        assert await webhook.deliver([pending]) == [FAILED] and len(receiver.requests) == attempt
        hands.now += 1
    assert await webhook.deliver([pending]) == [REFUSED]
    assert {headers["webhook-id"] for _, headers, _ in receiver.requests} == {"evt_1"}
    assert webhook.trouble == "status-500"


async def test_clock_that_was_set_back_keeps_nobody_waiting_longer_than_the_schedule(
    receiver: Receiver, open_webhook: Open
) -> None:
    hands = Hands()
    due = datetime.fromtimestamp(hands.now, UTC) + timedelta(days=400)
    webhook = open_webhook(receiver.url, monotonic=hands, wall=hands)
    assert await webhook.deliver([replace(delivery(1), refusals=1, due=due)]) == [CONFIRMED]


async def test_refused_delivery_holds_its_own_key_only(receiver: Receiver, open_webhook: Open) -> None:
    receiver.answers = [400, 204]
    webhook = open_webhook(receiver.url)
    batch = [delivery(1), delivery(2), delivery(3, "pat_2"), delivery(4, "pat_2")]
    outcomes = await webhook.deliver(batch)
    keys = {each.key for each, outcome in zip(batch, outcomes, strict=True) if outcome is not CONFIRMED}
    assert len(keys) == 1 and outcomes.count(CONFIRMED) == 2 and outcomes.count(FAILED) == 1
    sent = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert sorted(sent, key=sent.index) == sent and len(sent) == 3


async def test_gone_is_said_once_and_nothing_more_is_sent(receiver: Receiver, open_webhook: Open) -> None:
    receiver.answers = [410]
    said: list[bool] = []
    webhook = open_webhook(receiver.url, gone=lambda: said.append(True))
    assert await webhook.deliver([delivery(1), delivery(2)]) == [FAILED, FAILED]
    assert await webhook.deliver([delivery(1)]) == [FAILED]
    assert said == [True] and len(receiver.requests) == 1


async def test_endpoint_that_asks_for_a_pause_gets_it_up_to_an_hour(receiver: Receiver, open_webhook: Open) -> None:
    receiver.answers, receiver.headers = [429, 204], {"Retry-After": "99999999"}
    hands = Hands()
    webhook = open_webhook(receiver.url, monotonic=hands, wall=hands)
    (outcome,) = await webhook.deliver([delivery(1)])
    assert isinstance(outcome, Postponed)
    with pytest.raises(DeliveryError, match="status-429"):
        await webhook.deliver([delivery(2, "pat_2")])
    assert len(receiver.requests) == 1
    hands.now += LONGEST_WAIT
    assert await webhook.deliver([delivery(1), delivery(2, "pat_2")]) == [CONFIRMED, CONFIRMED]


async def test_endpoint_that_refuses_everything_is_left_alone_longer_each_time(
    receiver: Receiver, open_webhook: Open
) -> None:
    receiver.answers = [500]
    hands = Hands()
    webhook = open_webhook(receiver.url, monotonic=hands, wall=hands)
    batch = [delivery(n, f"pat_{n}") for n in range(30)]
    asked = []
    for pause in (5.0, 10.0):
        before = len(receiver.requests)
        outcomes = await webhook.deliver(batch)
        assert CONFIRMED not in outcomes
        batch = [again(each, outcome) for each, outcome in zip(batch, outcomes, strict=True)]
        asked.append(len(receiver.requests) - before)
        with pytest.raises(DeliveryError, match="status-500"):
            await webhook.deliver(batch)
        hands.now += pause
    assert all(BREAK_AFTER <= count < BREAK_AFTER + AT_ONCE for count in asked)
    receiver.answers = [204]
    hands.now += SCHEDULE[1]
    assert set(await webhook.deliver(batch)) == {CONFIRMED}


async def test_redirect_is_not_followed(receiver: Receiver, open_webhook: Open) -> None:
    with receiving() as other:
        receiver.answers, receiver.headers = [307], {"Location": other.url}
        (outcome,) = await open_webhook(receiver.url).deliver([delivery(1)])
        assert isinstance(outcome, Postponed) and other.requests == []


async def test_long_answer_is_left_unread(receiver: Receiver, open_webhook: Open) -> None:
    receiver.answers, receiver.body = [200], b"x" * (8 << 20)
    webhook = open_webhook(receiver.url)
    assert await webhook.deliver([delivery(1)]) == [CONFIRMED] and await webhook.deliver([delivery(2)]) == [CONFIRMED]


async def test_endpoint_away_counts_nothing_against_a_delivery(receiver: Receiver, open_webhook: Open) -> None:
    hands = Hands()
    webhook = open_webhook("http://127.0.0.1:9/", monotonic=hands, wall=hands)
    for _ in range(len(SCHEDULE) + 2):
        with pytest.raises(DeliveryError, match="unreachable"):
            await webhook.deliver([delivery(1), delivery(2, "pat_2")])


async def test_loopback_is_refused_unless_allowed(receiver: Receiver, open_webhook: Open) -> None:
    for url in (receiver.url, f"https://127.0.0.1:{receiver.port}/", f"https://localhost:{receiver.port}/"):
        with pytest.raises(DeliveryError, match="refused-address"):
            await open_webhook(url, allow=()).deliver([delivery(1)])
    assert receiver.requests == []


async def test_name_whose_answer_changes_reaches_the_address_that_was_judged(
    receiver: Receiver, open_webhook: Open
) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.8"]])

    async def look_up(host: str, port: int) -> Sequence[str]:
        return next(answers)

    webhook = open_webhook(f"http://app.example.org:{receiver.port}/hook", allow=("127.0.0.1",), look_up=look_up)
    assert await webhook.deliver([delivery(1)]) == [CONFIRMED]
    assert receiver.requests[0][1]["host"] == f"app.example.org:{receiver.port}"
    with pytest.raises(DeliveryError, match="refused-address"):
        await webhook.deliver([delivery(2)])


async def test_connection_that_went_elsewhere_is_closed_before_a_byte_is_sent(open_webhook: Open) -> None:
    class Stream:
        closed = False

        def get_extra_info(self, name: str) -> tuple[str, int]:
            return "169.254.169.254", 80

        async def aclose(self) -> None:
            self.closed = True

    stream = Stream()
    webhook = open_webhook("https://app.example.org/")
    with pytest.raises(EgressRefused):
        await webhook._check_connected("connection.connect_tcp.complete", {"return_value": stream})
    assert stream.closed


async def test_tls_is_checked_against_the_name_though_the_address_is_pinned(tmp_path: Path, open_webhook: Open) -> None:
    authority = Authority(tmp_path / "ca")
    right, other = authority.issue("app", dns=("app.example.org",)), authority.issue("other")

    async def look_up(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    for papers, taken in ((right, True), (other, False)):
        with receiving(papers) as receiver:
            url = f"https://app.example.org:{receiver.port}/hook"
            webhook = open_webhook(url, look_up=look_up, verify=authority.client())
            if taken:
                assert await webhook.deliver([delivery(1)]) == [CONFIRMED]
                assert receiver.requests[0][1]["host"] == f"app.example.org:{receiver.port}"
            else:
                with pytest.raises(DeliveryError, match="certificate"):
                    await webhook.deliver([delivery(1)])
                assert receiver.requests == []


async def test_certificate_that_is_not_trusted_is_refused(receiver: Receiver, open_webhook: Open) -> None:
    webhook = open_webhook(receiver.url.replace("http://", "https://"))
    with pytest.raises(DeliveryError):
        await webhook.deliver([delivery(1)])
    assert receiver.requests == []

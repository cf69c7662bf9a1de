"""Sends each delivery as a signed HTTP POST: Standard Webhooks, with retries per ordering key.

2xx takes a delivery.  410 says that nobody wants it any more: `gone` is called once, nothing further is sent.  Every
other answer, and none, is tried again by `SCHEDULE`; later deliveries of the same key wait, other keys go on.  A
delivery that is refused to the end of the schedule is given up (parked: it can be sent again by a person).  How often
it was refused and when it is due come with the delivery, so the schedule goes on in whichever process.  While the
endpoint cannot be reached at all nothing is counted against a delivery.  An endpoint that refuses everything is left
alone for a while, longer each time, instead of being asked once per key.

Redirects are not followed, at most 64 KiB of an answer are read, and where a request may go is `channels.egress`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import httpx

from channels.egress import EgressPolicy, EgressRefused, Resolve, parse_url, pinned, resolve
from channels.ports import Delivery, DeliveryError, Outcome, Postponed, Result
from channels.standard_webhooks import signature_headers

SCHEDULE = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""Seconds after each refusal; about 28 hours in all."""
LONGEST_WAIT = 3600.0  # that Retry-After may ask for
BREAK_AFTER = 10  # refusals in a row
BREAK = (5.0, 300.0)  # seconds of the first pause after that, doubled up to the second
MOST_READ = 64 * 1024
AT_ONCE = 8  # keys that are sent side by side


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`secrets`: the live ones at a moment, the newest first.  `timeout`: seconds for a whole request and answer."""

    name: str
    url: str
    secrets: Callable[[], Sequence[bytes]]
    policy: EgressPolicy = field(default_factory=EgressPolicy)
    timeout: float = 15.0
    verify: Any = True  # an ssl.SSLContext, or True for the public authorities


class _Unreachable(Exception):
    """Nobody answered: says nothing about the delivery.  The text is a word of ours."""


class WebhookDestination:
    """One endpoint.  `trouble`: a word for what went wrong last, None after a success."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        gone: Callable[[], None] = lambda: None,
        look_up: Resolve = resolve,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.trouble: str | None = None
        self._settings = settings
        self._gone = gone
        self._ended = False
        self._look_up = look_up
        self._monotonic = monotonic
        self._wall = wall
        self._not_before = 0.0  # the endpoint as a whole: it asked for a pause, or refused everything
        self._refused = 0  # in a row
        self._pause = BREAK[0]
        self._client = httpx.AsyncClient(
            verify=settings.verify, trust_env=False, follow_redirects=False, timeout=settings.timeout
        )

    async def deliver(self, batch: Sequence[Delivery]) -> list[Result]:
        """Keys side by side, each in order.  DeliveryError when nobody could be reached, or during a pause."""
        if self._monotonic() < self._not_before:
            raise DeliveryError(self.trouble or "paused")
        keys: dict[str, list[int]] = {}
        for number, delivery in enumerate(batch):
            keys.setdefault(delivery.key, []).append(number)
        outcomes: list[Result] = [Outcome.FAILED] * len(batch)
        gate = asyncio.Semaphore(AT_ONCE)
        unreachable: list[str] = []

        async def one_key(numbers: Sequence[int]) -> None:
            async with gate:
                for number in numbers:
                    if self._ended or unreachable:
                        return
                    try:
                        outcomes[number] = await self._deliver_one(batch[number])
                    except _Unreachable as problem:
                        unreachable.append(str(problem))
                        return
                    if outcomes[number] not in (Outcome.CONFIRMED, Outcome.REFUSED):
                        return

        await asyncio.gather(*(one_key(numbers) for numbers in keys.values()))
        if unreachable and all(outcome is Outcome.FAILED for outcome in outcomes):
            raise DeliveryError(unreachable[0])
        return outcomes

    async def post(self, delivery: Delivery) -> int:
        """One attempt; the status of the answer.  Raises EgressRefused, or TimeoutError, OSError, httpx.HTTPError."""
        settings = self._settings
        async with asyncio.timeout(settings.timeout):
            address = await pinned(settings.url, settings.policy, self._look_up)
            _, host, _ = parse_url(settings.url)
            url = httpx.URL(settings.url)
            headers = {
                "Host": url.netloc.decode(),
                "Content-Type": delivery.content_type,
                "User-Agent": "baton-gateway",
                **signature_headers(delivery.id, int(self._wall()), delivery.body, settings.secrets()),
            }
            request = self._client.build_request(
                "POST",
                url.copy_with(host=address),
                content=delivery.body,
                headers=headers,
                extensions={"sni_hostname": host, "trace": self._check_connected},
            )
            answer = await self._client.send(request, stream=True)
            try:
                await _drain(answer)
            finally:
                await answer.aclose()
            self._note_retry_after(answer)
            return answer.status_code

    async def close(self) -> None:
        await self._client.aclose()

    async def _deliver_one(self, delivery: Delivery) -> Result:
        if self._monotonic() < self._not_before or self._waits(delivery):
            return Outcome.FAILED
        word = await self._attempt(delivery)
        if word is None:
            self.trouble, self._refused, self._pause = None, 0, BREAK[0]
            return Outcome.CONFIRMED
        self.trouble = word
        self._count_refusal()
        if self._ended:
            return Outcome.FAILED
        refusals = delivery.refusals + 1
        if refusals > len(SCHEDULE):
            return Outcome.REFUSED
        return Postponed(refusals, self._now() + timedelta(seconds=SCHEDULE[refusals - 1]))

    def _waits(self, delivery: Delivery) -> bool:
        """Until it is due; a clock that was set back makes nobody wait longer than the schedule says."""
        if delivery.due is None or not delivery.refusals:
            return False
        longest = SCHEDULE[min(delivery.refusals, len(SCHEDULE)) - 1]
        return timedelta() < delivery.due - self._now() <= timedelta(seconds=longest)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)

    def _count_refusal(self) -> None:
        self._refused += 1
        if self._refused >= BREAK_AFTER:
            self._refused = 0
            self._not_before = max(self._not_before, self._monotonic() + self._pause)
            self._pause = min(self._pause * 2, BREAK[1])

    async def _attempt(self, delivery: Delivery) -> str | None:
        """None: taken.  A word: refused.  Raises _Unreachable."""
        try:
            status = await self.post(delivery)
        except Exception as problem:
            word = word_of(problem)
            if word is None:
                raise
            self.trouble = word
            raise _Unreachable(word) from None
        if 200 <= status < 300:
            return None
        if status == 410 and not self._ended:
            self._ended = True
            self._gone()
        return f"status-{status}"

    def _note_retry_after(self, answer: httpx.Response) -> None:
        asked = answer.headers.get("retry-after", "")
        if answer.status_code in (429, 503) and asked.isascii() and asked.isdigit() and len(asked) < 10:
            self._not_before = self._monotonic() + min(float(asked), LONGEST_WAIT)

    async def _check_connected(self, event: str, info: dict[str, Any]) -> None:
        """Judge the address that the socket really has, before anything is written to it."""
        if event != "connection.connect_tcp.complete":
            return
        stream = info["return_value"]
        connected = stream.get_extra_info("server_addr")
        if not connected or not self._settings.policy.permits(ip_address(str(connected[0]).partition("%")[0])):
            await stream.aclose()
            raise EgressRefused("the connection went to an address that is not allowed")


def word_of(problem: Exception) -> str | None:
    """What stood in the way, as a word; None: a defect of ours."""
    if isinstance(problem, EgressRefused):
        return "refused-address"
    if isinstance(problem, TimeoutError | httpx.TimeoutException):
        return "no-answer-in-time"
    if isinstance(problem, httpx.ConnectError) and "certificate" in str(problem).lower():
        return "certificate"
    if isinstance(problem, OSError | httpx.HTTPError):
        return "unreachable"
    return None


async def _drain(answer: httpx.Response) -> None:
    """Read a short answer, so that the connection can be used again; leave a long one."""
    read = 0
    async for piece in answer.aiter_raw():
        read += len(piece)
        if read > MOST_READ:
            return

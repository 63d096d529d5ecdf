"""Messages to webhooks: one queue and, while it holds something, one task for each.

A webhook that is slow, dead or wrong costs nothing but its own queue, which is bounded: the oldest message gives way, and is
counted. Messages of one webhook go out in order; one that cannot be delivered now is tried again (`policy/alerts/delivery`)
before the next. A message is signed anew at every try, since the time is part of what is signed; its id stays.

Addresses and secrets come from the configuration and are never shown: what went wrong is told in words of ours.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from random import Random

from proxy.core.alarming import AlertSettings, Notice, WebhookState
from proxy.policy.alerts.delivery import PATIENCE, Delivery, describe, judge, read_hint, wait_after
from proxy.transport.credentials.surroundings import TokenHttp, TokenRequest, Unreachable
from proxy.wire.alert_messages import ENCODERS
from proxy.wire.webhook_signature import sign

#: Messages that wait for one webhook.
MAX_WAITING = 200
#: Seconds for one try, from the name look-up to the answer's last byte.
LIMIT = 10.0


def compose(settings: AlertSettings, notice: Notice, wall: float) -> TokenRequest:
    """The request that carries a notice to a webhook at `wall` (Unix time)."""
    body = ENCODERS[settings.format](notice)
    headers = [("content-type", "application/json; charset=utf-8")]
    if settings.format == "json":
        headers += [("webhook-id", notice.id), ("webhook-timestamp", str(int(wall)))]
    if settings.secret is not None:
        headers.append(("webhook-signature", sign(settings.secret, notice.id, int(wall), body)))
    return TokenRequest("POST", settings.url, headers, body, LIMIT)


async def deliver(http: TokenHttp, request: TokenRequest) -> tuple[Delivery, str, float | None]:
    """One try: what came of it, in words too ("" where it was taken), and for how many seconds the webhook wants rest."""
    try:
        async with asyncio.timeout(request.limit):
            answer = await http.ask(request)
    except TimeoutError:
        return Delivery.LATER, f"gave no answer within {request.limit:g} s", None
    except Unreachable as error:
        return Delivery.LATER, str(error), None
    verdict = judge(answer.status)
    if verdict is Delivery.DONE:
        return verdict, "", None
    hints = (read_hint(_text(value).strip()) for name, value in answer.headers if _text(name) == "retry-after")
    return verdict, describe(answer.status), next(hints, None)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


class Mailbox:
    """One webhook's queue."""

    def __init__(self, settings: AlertSettings, http: TokenHttp, rng: Random, wall: Callable[[], float]) -> None:
        self.settings = settings
        self.state = WebhookState(settings.name, settings.format)
        self._http = http
        self._rng = rng
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Notice] = deque()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Mailbox {self.state.name} {self.state.state}, {len(self._waiting)} waiting>"

    def put(self, notice: Notice) -> None:
        """Take a message in. Never blocks."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.state.dropped += 1
        self._waiting.append(notice)
        self.state.waiting = len(self._waiting)
        if self._task is None:
            self._task = self._loop.create_task(self._empty(), name=f"webhook {self.state.name}")

    async def close(self, seconds: float) -> None:
        """Let what is waiting go out, for so long at most; the rest is let go."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _empty(self) -> None:
        try:
            while self._waiting:
                await self._see_off(self._waiting[0])
        finally:
            self._task = None

    async def _see_off(self, notice: Notice) -> None:
        """Until it is delivered, refused or too old, or has been pushed out."""
        began, tries = self._loop.time(), 0
        while self._waiting and self._waiting[0] is notice:
            verdict, words, hint = await deliver(self._http, compose(self.settings, notice, self._wall()))
            if verdict is not Delivery.DONE:
                tries += 1
                self.state.state, self.state.last_error = "failing", words
                self.state.failed += 1
            wait = wait_after(tries, hint, self._rng) if verdict is Delivery.LATER else 0.0
            if verdict is not Delivery.LATER or self._loop.time() + wait - began > PATIENCE:
                self._remove(notice, verdict is Delivery.DONE)
                return
            await asyncio.sleep(wait)

    def _remove(self, notice: Notice, delivered: bool) -> None:
        if delivered:
            self.state.state, self.state.last_error = "ok", None
            self.state.sent += 1
            self.state.last_sent_at = self._wall()
        if self._waiting and self._waiting[0] is notice:
            self._waiting.popleft()
            self.state.dropped += not delivered
        self.state.waiting = len(self._waiting)


class WebhookCourier:
    """Implements `Courier`: the mailboxes of one proxy by webhook name. Use from a running loop."""

    def __init__(self, http: TokenHttp, rng: Random, wall: Callable[[], float]) -> None:
        self._http = http
        self._rng = rng
        self._wall = wall
        self._boxes: dict[str, Mailbox] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def use(self, alerts: Iterable[AlertSettings]) -> None:
        """Serve these webhooks. One whose settings are the same keeps its queue; the others' are let go."""
        old, self._boxes = self._boxes, {}
        for settings in alerts:
            box = old.pop(settings.name, None)
            if box is None or box.settings != settings:
                self._let_go(box)
                box = Mailbox(settings, self._http, self._rng, self._wall)
            self._boxes[settings.name] = box
        for box in old.values():
            self._let_go(box)

    def send(self, webhook: str, notice: Notice) -> None:
        self._boxes[webhook].put(notice)

    def states(self) -> Mapping[str, WebhookState]:
        """How each webhook does."""
        return {name: box.state for name, box in self._boxes.items()}

    async def aclose(self, seconds: float) -> None:
        """Let messages go out for so long at most, and stop."""
        await asyncio.gather(*(box.close(seconds) for box in self._boxes.values()), *self._leaving)
        await self._http.aclose()

    def _let_go(self, box: Mailbox | None) -> None:
        if box is not None:
            task = asyncio.get_running_loop().create_task(box.close(0.0))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

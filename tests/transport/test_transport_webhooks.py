"""Messages on their way: a real receiver that verifies as ours and others' libraries do, and a courier in virtual time."""

import asyncio
import base64
import hmac
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from aiohttp import web

from proxy.core.alarming import AlertSettings, Notice, NoticeState, Severity, Topic
from proxy.policy.alerts.delivery import PATIENCE, Delivery
from proxy.rehearse.virtual_loop import run as run_virtually
from proxy.transport.credentials.http import AiohttpTokenHttp
from proxy.transport.credentials.surroundings import TokenRequest, TokenResponse, Unreachable
from proxy.transport.webhooks import MAX_WAITING, WebhookCourier, compose, deliver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
WALL = 1_764_079_230.5
README = Path(__file__).parent.parent.parent / "README.md"


def settings(url: str = "http://hook.test/", name: str = "ops", form: str = "json", signed: bool = True) -> AlertSettings:
    key = base64.b64decode(SECRET.removeprefix("whsec_")) if signed else None
    return AlertSettings(name, frozenset(Topic), url, form, key)


def notice(number: int = 1) -> Notice:
    return Notice(
        f"alert_{number}",
        1,
        NoticeState.FIRING,
        Topic.TARGET,
        "target.open",
        Severity.CRITICAL,
        "a/m",
        "a/m is out",
        WALL,
        WALL,
    )


def verifier() -> Callable[[str, dict[str, str], bytes], bool]:
    """The receiver's function, as the README has it, with our clock."""
    code = re.search(r"```python\n(import base64, hmac.*?)```", README.read_text(), re.S)
    assert code is not None
    space: dict[str, object] = {}
    exec(code[1].replace("time.time()", str(WALL)), space)  # what readers copy
    found = space["verify"]
    assert callable(found)
    return found


@dataclass
class Receiver:
    """A real webhook on loopback."""

    answers: list[web.Response] = field(default_factory=list)
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return self.answers.pop(0) if self.answers else web.Response()

    async def __aenter__(self) -> "Receiver":
        self._runner = web.ServerRunner(web.Server(self.handle))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.url = f"http://{host}:{port}/hooks/token-9a"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


@pytest.mark.live
def test_a_receiver_verifies_what_it_gets() -> None:
    async def scenario() -> Receiver:
        async with Receiver() as receiver:
            courier = WebhookCourier(AiohttpTokenHttp(), Random(1), lambda: WALL)
            courier.use([settings(receiver.url)])
            courier.send("ops", notice())
            await courier.aclose(5.0)
            assert courier.states()["ops"].sent == 1
            return receiver

    [(headers, body)] = asyncio.run(scenario()).seen
    verify = verifier()
    assert verify(SECRET, headers, body)
    assert not verify(SECRET, headers, body + b" ")
    assert not verify(SECRET, {**headers, "webhook-id": "alert_2.firing.1"}, body)
    assert not verify(SECRET, {**headers, "webhook-timestamp": str(int(WALL) - 400)}, body)
    assert not verify("whsec_" + base64.b64encode(b"other" * 6).decode(), headers, body)
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["webhook-id"] == json.loads(body)["data"]["id"] == "alert_1.firing.1"
    assert headers["user-agent"].startswith("undimmed/")


@pytest.mark.live
def test_slack_gets_slacks_shape_and_no_headers_of_ours() -> None:
    async def scenario() -> Receiver:
        async with Receiver() as receiver:
            courier = WebhookCourier(AiohttpTokenHttp(), Random(1), lambda: WALL)
            courier.use([settings(receiver.url, form="slack", signed=False)])
            courier.send("ops", notice())
            await courier.aclose(5.0)
            return receiver

    [(headers, body)] = asyncio.run(scenario()).seen
    assert [block["type"] for block in json.loads(body)["blocks"]] == ["header", "section", "context"]
    assert not [name for name in headers if name.startswith("webhook-")]


@pytest.mark.live
@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (web.Response(status=204), Delivery.DONE, ""),
        (web.Response(status=404, text="no_service"), Delivery.REFUSED, "answered 404"),
        (
            web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}),
            Delivery.REFUSED,
            "redirects elsewhere (302), which is never followed",
        ),
        (web.Response(status=503), Delivery.LATER, "answered 503"),
    ],
)
def test_answers_are_judged_and_redirects_not_followed(answer: web.Response, verdict: Delivery, words: str) -> None:
    async def scenario() -> None:
        async with Receiver([answer]) as receiver:
            http = AiohttpTokenHttp()
            assert (await deliver(http, compose(settings(receiver.url), notice(), WALL)))[:2] == (verdict, words)
            await http.aclose()
            assert len(receiver.seen) == 1

    asyncio.run(scenario())


# In virtual time.


class Hook:
    """A webhook that answers by a script, and remembers when it was asked; the last answer stands for all after it."""

    def __init__(self, *script: int | TokenResponse | Exception | None) -> None:
        self.script = list(script)
        self.asked: list[tuple[float, TokenRequest]] = []

    async def ask(self, request: TokenRequest) -> TokenResponse:
        self.asked.append((asyncio.get_running_loop().time(), request))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if step is None:
            await asyncio.sleep(10**9)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, TokenResponse) else TokenResponse(int(step or 0))

    async def aclose(self) -> None:
        pass

    def ids(self) -> list[str]:
        return [dict(request.headers)["webhook-id"] for _, request in self.asked]


def play(hook: Hook, *numbers: int, seconds: float = 100_000.0, stop: float = 0.0) -> WebhookCourier:
    async def scenario() -> WebhookCourier:
        loop = asyncio.get_running_loop()
        courier = WebhookCourier(hook, Random(3), lambda: WALL + loop.time())
        courier.use([settings()])
        for number in numbers:
            courier.send("ops", notice(number))
        await asyncio.sleep(seconds)
        await courier.aclose(stop)
        return courier

    return run_virtually(lambda _: scenario(), seed=1)


def test_it_is_tried_again_with_the_same_id_a_fresh_signature_and_growing_pauses() -> None:
    hook = Hook(503, Unreachable("cannot be reached: connection refused"), None, 500, 200)
    state = play(hook, 1, 2).states()["ops"]
    assert hook.ids() == ["alert_1.firing.1"] * 5 + ["alert_2.firing.1"]
    times = [at for at, _ in hook.asked]
    pauses = [after - before for before, after in itertools.pairwise(times)][:4]
    assert 0.5 <= pauses[0] <= 1.0
    assert 1.0 <= pauses[1] <= 2.0
    assert 12.0 <= pauses[2] <= 14.0  # ten of them were its silence
    assert 4.0 <= pauses[3] <= 8.0
    signatures = {dict(request.headers)["webhook-signature"] for _, request in hook.asked[:5]}
    assert len(signatures) > 2
    for _, request in hook.asked:
        headers = dict(request.headers)
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
        expected = base64.b64encode(hmac.digest(bytes(range(32)), content, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert (state.state, state.sent, state.failed, state.dropped, state.waiting) == ("ok", 2, 4, 0, 0)


def test_a_webhook_that_asks_for_rest_gets_it() -> None:
    hook = Hook(TokenResponse(429, [(b"retry-after", b"120")]), 200)
    play(hook, 1)
    assert hook.asked[1][0] - hook.asked[0][0] == pytest.approx(120.0)


def test_a_refusal_is_final_and_shown() -> None:
    hook = Hook(410, 200)
    state = play(hook, 1, 2).states()["ops"]
    assert hook.ids() == ["alert_1.firing.1", "alert_2.firing.1"]
    assert (state.sent, state.dropped, state.state) == (1, 1, "ok")
    state = play(Hook(410), 1).states()["ops"]
    assert (state.state, state.last_error) == ("failing", "answered 410")


def test_a_dead_webhook_costs_its_own_queue_only() -> None:
    hook = Hook(None)
    state = play(hook, *range(MAX_WAITING + 50), seconds=3600.0).states()["ops"]
    assert state.state == "failing"
    assert state.last_error == "gave no answer within 10 s"
    assert state.waiting == MAX_WAITING
    assert state.dropped == 50
    assert len(hook.asked) < 40


def test_what_is_too_old_is_let_go() -> None:
    hook = Hook(500)
    state = play(hook, 1, seconds=PATIENCE + 1).states()["ops"]
    assert (state.dropped, state.waiting) == (1, 0)
    assert max(at for at, _ in hook.asked) - hook.asked[0][0] <= PATIENCE


def test_stopping_waits_a_moment_and_no_longer() -> None:
    hook = Hook(None)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        courier = WebhookCourier(hook, Random(3), lambda: WALL)
        courier.use([settings()])
        courier.send("ops", notice())
        began = loop.time()
        await courier.aclose(1.0)
        return loop.time() - began

    assert run_virtually(lambda _: scenario(), seed=1) == pytest.approx(1.0)


def test_a_reload_keeps_the_queue_of_what_is_the_same_and_lets_the_rest_go() -> None:
    hook = Hook(None)

    async def scenario() -> None:
        courier = WebhookCourier(hook, Random(3), lambda: WALL)
        courier.use([settings(), settings(name="gone"), settings(name="moved")])
        for name in ("ops", "gone", "moved"):
            courier.send(name, notice())
        courier.use([settings(), replace(settings(name="moved"), url="http://other.test/")])
        assert {name: state.waiting for name, state in courier.states().items()} == {"ops": 1, "moved": 0}
        await asyncio.sleep(1.0)
        await courier.aclose(0.0)
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("webhook")] == []

    run_virtually(lambda _: scenario(), seed=1)


def test_addresses_and_secrets_stay_out_of_what_is_shown() -> None:
    courier = play(Hook(500), 1, seconds=1.0)
    shown = repr(settings("http://hook.test/token-9a")) + repr(courier.states()) + repr(courier._boxes)
    assert "hook.test" not in shown
    assert "token-9a" not in shown
    assert "x00" not in shown

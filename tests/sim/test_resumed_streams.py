"""Promise 12: a stream that is cut, and gone on with, reads like one answer; nothing is lost, nothing is said twice.

`UNDIMMED_RESUME_SEEDS=10000` plays so many random worlds instead of a few hundred. A failing seed prints itself.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from json import dumps, loads
from random import Random
from typing import Any

import pytest
from support.joint_streams import listen, say, write
from support.simulation import BREAKER, InlineEstimator, Notes, World, play, provider, rehearse, settings, steady
from test_seeds import load, sound, world

from proxy.assemble import assemble
from proxy.core.continuity import WHOLE, Resume
from proxy.core.detection import OFF
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import FailureKind, Receiver, TransportError, UpstreamRequest
from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.core.settings import Settings, Target
from proxy.core.usage import Usage
from proxy.providers.model_facts import facts_of
from proxy.rehearse.behaviour import Behaviour, Latency, Mode, Style, uniform
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.invariants import check
from proxy.rehearse.virtual_loop import run
from proxy.wire.joints.seam import MIN_OVERLAP

SEEDS = int(os.environ.get("UNDIMMED_RESUME_SEEDS", "300"))
#: Bytes between two cuts; with thousands of seeds every byte is one.
STEP = 1 if SEEDS >= 10_000 else 67
NEVER_OPEN = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)
STREAM = ((b"content-type", b"text/event-stream"),)
ENDPOINTS = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES)
LETTERS = 'abcdefgh ijkl mnop\n\n  qrst uvwxyz,.—"\\äöü日本灯り🪔é\t0123456789'


def resuming(configured: Settings, mode: Resume, **changes: Any) -> Settings:
    return replace(configured, routes=tuple(replace(route, resume=mode, **changes) for route in configured.routes))


# Every offset, in the simulated network.


@pytest.mark.parametrize("style", [Style.TEXT, Style.REASONING])
def test_12_a_cut_after_any_byte_is_not_seen(style: Style) -> None:
    told: set[str] = set()

    async def cut_everywhere(world: World) -> None:
        healthy = Behaviour(chunks=50, gap=0.0, latency=Latency(0.01), style=style)
        world.providers["b"].become(healthy)
        for offset in range(0, 14_000, STEP):
            world.providers["a"].become(replace(healthy, mode=Mode.CUT, cut_bytes=offset))
            client = await world.one(Wish(f"cut{offset}"))
            assert client.verdict == "ok", offset
            told.add(listen(Endpoint.CHAT, bytes(client.downstream.body)).text)
        assert len(told) == 1

    configured = resuming(settings(breaker=NEVER_OPEN), Resume.SPLICE)
    play(cut_everywhere, {"a": Behaviour(), "b": Behaviour()}, configured)


def test_13_a_call_that_has_begun_is_never_asked_for_again() -> None:
    async def cut_everywhere(world: World) -> None:
        healthy = Behaviour(chunks=20, gap=0.0, latency=Latency(0.01), style=Style.TOOL)
        world.providers["b"].become(healthy)
        for offset in range(600, 3_000, 97):
            before = world.providers["b"].served
            world.providers["a"].become(replace(healthy, mode=Mode.CUT, cut_bytes=offset))
            client = await world.one(Wish(f"cut{offset}"))
            assert client.verdict in ("failed", "ok")  # ok: all that was missing is the terminator
            assert world.providers["b"].served == before
            assert b"[DONE]" not in client.downstream.body or client.verdict == "ok"

    configured = resuming(settings(breaker=NEVER_OPEN), Resume.AUTO)
    play(cut_everywhere, {"a": Behaviour(), "b": Behaviour()}, configured)


def test_the_invariants_hold_while_streams_are_cut() -> None:
    """A third of one provider's streams are cut in mid-answer: no client sees an error, and every cut counts."""
    cut = Behaviour(Mode.CUT, after=12, share=0.33, chunks=30, gap=0.01, latency=uniform(0.05, 0.2))
    healthy = replace(cut, mode=Mode.OK)
    configured = resuming(settings((("a/m",), ("b/m",), ("c/m",))), Resume.AUTO)
    providers = {name: replace(one, detect=OFF) for name, one in configured.providers.items()}
    configured = replace(configured, providers=providers)
    outcome = rehearse({"a": cut, "b": healthy, "c": healthy}, steady(10, 20), configured)
    assert outcome.verdicts == {"ok": 200}
    assert not check(outcome.evidence())
    resumed = [record for record in outcome.notes.calls if any(a.purpose is Purpose.RESUME for a in record.attempts)]
    assert 40 < len(resumed) < 90
    cuts = [a for record in outcome.notes.calls for a in record.attempts if a.kind is OutcomeKind.STREAM_BROKEN]
    assert len(cuts) == len(resumed)


def test_clients_that_leave_cancel_whoever_is_at_work() -> None:
    cut = Behaviour(Mode.CUT, after=8, chunks=20, gap=0.05, latency=uniform(0.05, 0.2))
    wishes = [(at, replace(wish, leaves=0.2 + n % 17 * 0.1)) for n, (at, wish) in enumerate(steady(10, 10))]
    configured = resuming(settings((("a/m",), ("b/m",)), breaker=NEVER_OPEN), Resume.SPLICE)
    outcome = rehearse({"a": cut, "b": replace(cut, mode=Mode.OK)}, wishes, configured)
    assert outcome.verdicts["left"] > 30
    assert not check(outcome.evidence())


@pytest.mark.parametrize("hold", [WHOLE, 5])
def test_what_is_held_is_never_seen_cut(hold: int) -> None:
    """Held whole, no cut is ever seen; held for a few tokens, none among those."""
    after = 15 if hold == WHOLE else 3
    cut = Behaviour(Mode.CUT, after=after, share=0.5, chunks=20, gap=0.02, latency=uniform(0.05, 0.2))
    configured = resuming(settings((("a/m",), ("b/m",)), breaker=NEVER_OPEN), Resume.OFF, hold=hold)
    outcome = rehearse({"a": cut, "b": replace(cut, mode=Mode.OK)}, steady(10, 10), configured)
    assert outcome.verdicts == {"ok": 100}
    assert not check(outcome.evidence())


# Random texts, formats and vendors, cut anywhere.


class Speaker:
    """A provider that says `text` to whatever it is asked, or goes on from where it is told to. Implements `Transport`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, text: str, rng: Random, cuts: dict[str, bool]) -> None:
        self._loop = loop
        self._text = text
        self._rng = rng
        self._cuts = cuts

    def send(self, request: UpstreamRequest, receiver: Receiver) -> "Speech":
        asked = loads(request.body)
        endpoint = Endpoint.MESSAGES if b"/messages" in request.head.split(b"\r\n")[0] else Endpoint.CHAT
        if b"/responses" in request.head.split(b"\r\n")[0]:
            endpoint = Endpoint.RESPONSES
        elif b" /v1/completions" in request.head:
            endpoint = Endpoint.COMPLETIONS
        begun = prefill_of(asked)
        assert begun == begun.rstrip()
        assert self._text.startswith(begun)
        rest = self._text[len(begun) :]
        if begun and self._rng.random() < 0.3:
            again = self._rng.randint(MIN_OVERLAP, 40)
            tail = begun[-again:]
            if len(tail) == again and len(set(tail)) > 4 and self._text.count(tail) == 1:
                rest = tail + rest
        data = write(endpoint, request.pool, say(split(rest, self._rng)), Usage(20, len(rest)))
        if self._cuts[request.pool]:
            data = data[: self._rng.randint(0, len(data))]
        return Speech(self._loop, receiver, data, self._rng, self._cuts[request.pool])


class Speech:
    def __init__(self, loop: asyncio.AbstractEventLoop, receiver: Receiver, data: bytes, rng: Random, broken: bool) -> None:
        self._task = loop.create_task(self._play(receiver, data, rng, broken))

    async def _play(self, receiver: Receiver, data: bytes, rng: Random, broken: bool) -> None:
        await asyncio.sleep(0.1)
        receiver.on_head(200, STREAM)
        at = 0
        while at < len(data):
            size = rng.choice((1, 7, 60, 200, 1000))
            receiver.on_body(data[at : at + size])
            at += size
            await asyncio.sleep(0.001)
        if broken:
            receiver.on_failed(TransportError(FailureKind.BROKEN, "reset"))
        else:
            receiver.on_complete()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None:
        self._task.cancel()

    def detach(self) -> None:
        self._task.cancel()


def prefill_of(asked: dict[str, Any]) -> str:
    """What a request gives its target to go on from."""
    prompt = asked.get("prompt")
    if isinstance(prompt, str):
        return prompt.removeprefix("Keep the light on.")
    last = (asked.get("messages") or asked["input"])[-1]
    if not isinstance(last, dict) or last["role"] != "assistant":
        return ""
    content = last["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def split(text: str, rng: Random) -> list[str]:
    pieces, at = [], 0
    while at < len(text):
        size = rng.randint(1, 12)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def draw_text(rng: Random) -> str:
    """Words, white space, lines, other scripts; it begins with a letter, and so with what no vendor trims."""
    return "A" + "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 160))) + "."


def draw_world(rng: Random, endpoint: Endpoint) -> Settings:
    vendors = [("openai", "vllm"), ("anthropic", "anthropic"), ("openai", "openai"), ("openai", "mistral")]
    if endpoint is Endpoint.COMPLETIONS:
        vendors = [("openai", "vllm"), ("anthropic", "anthropic")]
    providers = {}
    tiers = []
    for name in "abc":
        kind, preset = rng.choice(vendors)
        providers[name] = replace(provider(name, preset=preset), kind=kind)
        model = "claude-sonnet-4-5" if kind == "anthropic" else "m"
        tiers.append([Target(name, model, facts=facts_of(model))])
    modes = [Resume.SPLICE, Resume.AUTO]
    able = ("vllm",) if endpoint is Endpoint.COMPLETIONS else ("vllm", "anthropic", "mistral")
    if all(p.preset in able for p in providers.values()):
        modes += [Resume.CONTINUE] * 4
    return resuming(settings(tiers, providers=providers, breaker=NEVER_OPEN), rng.choice(modes))


async def play_seed(seed: int) -> None:
    rng = Random(seed)
    endpoint = rng.choice(ENDPOINTS)
    text = draw_text(rng)
    configured = draw_world(rng, endpoint)
    loop = asyncio.get_running_loop()
    cuts = {"a": True, "b": rng.random() < 0.3, "c": False}
    transport = Speaker(loop, text, rng, cuts)
    notes = Notes()
    wall: Callable[[], float] = lambda: 1.0e9 + loop.time()  # noqa: E731
    parts = assemble(configured, transport, InlineEstimator(loop), [notes], Random(seed), wall=wall)
    client = SimulatedClient(Wish("c", endpoint=endpoint), request_body(endpoint))
    await client.ask(parts.gateway.serve)
    await asyncio.sleep(0.01)
    heard = listen(endpoint, bytes(client.downstream.body))
    (record,) = notes.calls
    assert heard.text == text, record
    assert (heard.ends, len(heard.finishes), len(heard.names)) == (1, 1, 1)
    assert record.outcome is OutcomeKind.OK
    closing = loads(bytes(client.downstream.body).rsplit(b": undimmed ", 1)[1].split(b"\n", 1)[0])
    assert sum(part["characters"] for part in closing.get("parts", [])) in (0, len(text))


def request_body(endpoint: Endpoint) -> bytes:
    asked: dict[str, Any] = {"model": "lamp", "stream": True, "max_tokens": 500}
    if endpoint is Endpoint.COMPLETIONS:
        asked["prompt"] = "Keep the light on."
    elif endpoint is Endpoint.RESPONSES:
        asked |= {"input": "Keep the light on.", "store": False, "max_tokens": None}
    else:
        asked["messages"] = [{"role": "user", "content": "Keep the light on."}]
    return dumps(asked).encode()


@pytest.mark.parametrize("block", range(10))
def test_12_joined_text_is_the_whole_text(block: int) -> None:
    for seed in range(block, SEEDS, 10):
        try:
            run(lambda _, seed=seed: play_seed(seed), seed=1)  # type: ignore[misc]
        except AssertionError as wrong:
            raise AssertionError(f"seed {seed}: {wrong}") from wrong


# Random worlds of every fault there is.


@pytest.mark.parametrize("seed", range(max(40, SEEDS // 20)))
def test_the_invariants_hold_in_worlds_that_resume_and_hold(seed: int) -> None:
    rng = Random(seed)
    configured, schedules = world(rng)
    wishes = load(rng)
    hold = rng.choice([0, 0, 0, 3, WHOLE])
    configured = resuming(configured, rng.choice(list(Resume)[1:]), hold=hold)
    sound(rehearse(schedules, wishes, configured, seed=seed, prober=True), seed)

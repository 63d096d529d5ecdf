"""`undimmed demo`: an outage in front of your eyes, without keys and without a network.

Three simulated providers listen on loopback, the real proxy routes to them in the same process, and ordinary HTTP clients
keep asking while one provider fails in different ways. What the clients saw decides the exit status.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import aiohttp
import uvloop
from rich.console import Console

from proxy.cli.demo_screen import LiveScreen, PlainLines
from proxy.cli.demo_stage import LARGE, SMALL, compose_settings, hurry
from proxy.cli.demo_story import Seen, Story
from proxy.cli.terminal import err, out
from proxy.rehearse.answers import TEXT
from proxy.rehearse.scenario import Scenario, load
from proxy.rehearse.server import LoopbackProvider
from proxy.supervisor import Proxy

PORT = 8080
LOOP_AGAIN = 60.0
#: What the comment at the end of a stream begins with.
CLOSING = b": undimmed "
FRAME = 0.1
#: Prompts of different lengths, so that tokens differ.
QUESTIONS = ("Keep the light on.", "Which lamp burns longest?", "Write a short poem about a lamp that never goes out. " * 4)
OK, SAW_ERRORS, CANNOT_START, INTERRUPTED = 0, 1, 3, 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Its options."""
    parser = commands.add_parser(
        "demo",
        help="watch an outage on simulated providers: no keys, no network",
        description="Play an outage on three simulated providers behind a real proxy, under a steady flow of requests.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--once", action="store_true", help="end after one play; exit status 1 if a client saw an error")
    group.add_argument("--serve", action="store_true", help="keep running, with an outage every minute, until Ctrl-C")
    parser.add_argument("--plain", action="store_true", help="lines instead of a live screen")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="play X times as fast (0.5 to 3)")
    parser.add_argument("--port", type=int, default=None, help=f"port of the proxy (default {PORT}, or any if it is taken)")


def _speed(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 3.0:
        raise argparse.ArgumentTypeError("must be from 0.5 to 3: breakers need some seconds to see anything")
    return value


def run(args: argparse.Namespace) -> int:
    """Play; the exit status says whether any client saw an error."""
    return uvloop.run(_main(args))


async def _main(args: argparse.Namespace) -> int:
    scenario = load("demo")
    providers = [LoopbackProvider(name, seed=place) for place, name in enumerate(scenario.providers)]
    base_urls = {provider.name: await provider.start() for provider in providers}
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        proxy, host, port = await _start_proxy(base_urls, args.port)
    except OSError as error:
        err().say(f"undimmed: cannot listen: {error.strerror or error}")
        await _stop_all(providers)
        return CANNOT_START
    play = Play(scenario, providers, proxy, f"http://{host}:{port}", stop, args.speed)
    try:
        return await _perform(play, args)
    finally:
        await proxy.stop(1.0)
        await _stop_all(providers)


async def _stop_all(providers: list[LoopbackProvider]) -> None:
    for provider in providers:
        await provider.stop()


async def _start_proxy(base_urls: dict[str, str], port: int | None) -> tuple[Proxy, str, int]:
    """On the given port; without one, on the usual or any free one. Raises OSError."""
    wanted = [port] if port is not None else [PORT, 0]
    for place, candidate in enumerate(wanted):
        proxy = Proxy(compose_settings(base_urls, candidate))
        try:
            host, got = await proxy.start()
        except OSError:
            await proxy.stop(0.0)
            if place == len(wanted) - 1:
                raise
        else:
            return proxy, host, got
    raise OSError("no port to listen on")


@dataclass(slots=True)
class Play:
    """One performance: the cast, the stage and who is asking."""

    scenario: Scenario
    providers: list[LoopbackProvider]
    proxy: Proxy
    address: str
    stop: asyncio.Event
    speed: float
    story: Story = field(init=False)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.story = Story(self.proxy.gateway.tally)

    @property
    def length(self) -> float:
        return self.scenario.load.seconds / self.speed

    async def begin(self, period: float | None = None) -> None:
        """Set the clock to zero and let the outage begin."""
        self.began = asyncio.get_running_loop().time()
        for provider in self.providers:
            await provider.play(hurry(self.scenario.providers[provider.name], self.speed, period))

    def tick(self, period: float | None = None) -> None:
        """Bring the story up to now."""
        now = asyncio.get_running_loop().time()
        story = self.story
        story.now = now - self.began
        second = story.now * self.speed
        if period is not None:
            second %= period
        title = next((scene.title for scene in reversed(self.scenario.scenes) if scene.at <= second), "")
        if title != story.scene:
            story.begin_scene(title)
        story.look(self.proxy.gateway.survey(), now)


async def _perform(play: Play, args: argparse.Namespace) -> int:
    console = Console(file=sys.stdout)
    plain = args.plain or not console.is_terminal
    period = LOOP_AGAIN if args.serve else None
    screen: LiveScreen | PlainLines
    screen = PlainLines(play.story, _say, play.address) if plain else LiveScreen(play.story, console, play.address)
    if args.serve:
        _print_lines(play.address)
    with screen:
        await _watch(play, screen.show, period)
    _print_summary(play)
    if not args.serve:
        _say("\nTry it yourself: undimmed demo --serve (make demo ARGS=--serve), then")
        _print_lines(play.address)
    if play.story.errors:
        return SAW_ERRORS
    return INTERRUPTED if play.stop.is_set() and not args.serve else OK


async def _watch(play: Play, show: Callable[[], None], period: float | None) -> None:
    """Let the flow run and show it until the play is over, or for ever where it repeats."""
    loop = asyncio.get_running_loop()
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        await play.begin(period)
        flow = loop.create_task(_flow(play, session, period))
        while not play.stop.is_set() and not (flow.done() and not play.story.waiting):
            play.tick(period)
            show()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FRAME):
                    await play.stop.wait()
        flow.cancel()
        await asyncio.gather(flow, return_exceptions=True)
        play.tick(period)
        show()


async def _flow(play: Play, session: aiohttp.ClientSession, period: float | None) -> None:
    """Ask steadily until the play is over; requests under way are cancelled with this task."""
    loop = asyncio.get_running_loop()
    rng = Random(1)
    load_ = play.scenario.load
    due = loop.time()
    async with asyncio.TaskGroup() as group:
        while period is not None or loop.time() < play.began + play.length:
            route = LARGE if rng.random() < 0.7 else SMALL
            group.create_task(_ask(play.story, session, play.address, _Request(route, rng, load_.streamed)))
            due += 1.0 / load_.rps
            await asyncio.sleep(max(0.0, due - loop.time()))


class _Request:
    """What a client asks."""

    def __init__(self, route: str, rng: Random, streamed: float) -> None:
        self.route = route
        self.stream = rng.random() < streamed
        question = QUESTIONS[rng.randrange(len(QUESTIONS))]
        messages = [{"role": "user", "content": question}]
        self.body = {"model": route, "messages": messages, "stream": self.stream}


async def _ask(story: Story, session: aiohttp.ClientSession, address: str, request: _Request) -> None:
    """One client: asks like anybody would and judges the answer like anybody should."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = Seen(request.route, story.now, request.stream)
    story.asked += 1
    story.waiting += 1
    try:
        async with session.post(f"{address}/v1/chat/completions", json=request.body) as reply:
            seen.target = reply.headers.get("x-undimmed-target", "")
            seen.attempts = int(reply.headers.get("x-undimmed-attempts", "1"))
            read = _read_stream if request.stream and reply.status == 200 else _read_whole
            verdict = await read(reply)
            seen.error, seen.authors = verdict.error, verdict.authors
            seen.first = verdict.first - began if verdict.first is not None else None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        seen.error = f"{type(error).__name__}: {error}"
    finally:
        story.waiting -= 1
    seen.took = loop.time() - began
    story.add(seen)


class Verdict(NamedTuple):
    """When the first word came (loop time), what was wrong, and who wrote it, where several did."""

    first: float | None
    error: str
    authors: tuple[str, ...] = ()


async def _read_whole(reply: aiohttp.ClientResponse) -> Verdict:
    body = await reply.json()
    if reply.status != 200:
        return Verdict(None, f"{reply.status} {body.get('error', {}).get('message', '')}")
    content = body["choices"][0]["message"]["content"]
    return Verdict(asyncio.get_running_loop().time(), "" if content else "an answer without words")


async def _read_stream(reply: aiohttp.ClientResponse) -> Verdict:
    first: float | None = None
    finished = done = False
    text = ""
    authors: tuple[str, ...] = ()
    async for line in reply.content:
        if line.startswith(CLOSING + b"{"):
            authors = tuple(part["target"] for part in json.loads(line[len(CLOSING) :]).get("parts", ()))
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if data == b"[DONE]":
            done = True
            continue
        event: dict[str, Any] = json.loads(data)
        if "error" in event:
            return Verdict(first, f"error event: {event['error'].get('message', '')}")
        for choice in event["choices"]:
            text += choice["delta"].get("content") or ""
            if first is None and text:
                first = asyncio.get_running_loop().time()
            finished = finished or choice["finish_reason"] == "stop"
    if not (finished and done and text):
        return Verdict(first, "a stream without its end", authors)
    # Every simulated model says the same, over and over: a word too many or too few at a seam would show.
    seamless = not authors or (f"{TEXT} " * (len(text) // len(TEXT) + 1)).startswith(text)
    return Verdict(first, "" if seamless else f"a seam that shows: {text}", authors)


def _say(text: str) -> None:
    out().say(text)
    sys.stdout.flush()


def _print_summary(play: Play) -> None:
    if play.stop.is_set():
        _say(f"\nEnded after {play.story.now:.0f} s. What clients noticed:\n")
    else:
        _say(f"\nThe outage is over: one provider failed in five ways in {play.story.now:.0f} s. What clients noticed:\n")
    for line in play.story.summary().lines():
        _say(f"  {line}")
    for name, total in play.story.sums().items():
        _say(f"  {name:<16}  {total.input:,} tokens in, {total.output:,} out, {total.wasted:,} wasted, ${total.cost:.4f}")
    counts = ", ".join(f"{provider.name} {provider.provider.served:,}" for provider in play.providers)
    _say(f"  requests seen     {counts}")


def _print_lines(address: str) -> None:
    _say(
        f"""
  curl -N {address}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"model":"{LARGE}","stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'

  from openai import OpenAI
  client = OpenAI(base_url="{address}/v1", api_key="none-needed")
  print(client.chat.completions.create(model="{LARGE}", messages=[{{"role": "user", "content": "Hello"}}]))

  curl {address}/health      curl {address}/metrics
"""
    )

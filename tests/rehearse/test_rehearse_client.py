import asyncio
import json
from random import Random

import pytest

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.rehearse.answers import ask, compose
from proxy.rehearse.client import ScriptedDownstream, SimulatedClient, Wish, crowd
from proxy.rehearse.virtual_loop import run

ASKED = ask("POST", "/v1/chat/completions", "", b'{"model":"m","stream":true}')
REPLY = compose(ASKED, "alpha-1", 3)
GOOD = REPLY.opening + b"".join(REPLY.pieces) + REPLY.finish + b"data: [DONE]\n\n"
EVENT = b'data: {"error":{"message":"x"}}\n\n'


def served(body: bytes, status: int = 200, ending: str = "finish", **wish: object) -> SimulatedClient:
    """One client of an application that answers just so, after a second."""

    async def main(rng: Random) -> SimulatedClient:
        async def serve(request: ClientRequest, downstream: Downstream) -> None:
            await asyncio.sleep(1)
            downstream.start(status, [(b"x-a", b"1")], None)
            downstream.write(body)
            if ending:
                getattr(downstream, ending)()

        return await SimulatedClient(Wish("c1", **wish)).ask(serve)  # type: ignore[arg-type]

    return run(main, seed=0)


@pytest.mark.parametrize(
    ("body", "status", "ending", "verdict"),
    [
        (GOOD, 200, "finish", "ok"),
        (GOOD, 200, "abort", "cut"),
        (GOOD, 200, "", "pending"),
        (GOOD.replace(b"data: [DONE]\n\n", b""), 200, "finish", "cut"),
        (REPLY.opening + b"data: [DONE]\n\n", 200, "finish", "cut"),
        (REPLY.opening + EVENT, 200, "abort", "failed"),
        (b"{}", 503, "finish", "error"),
    ],
)
def test_verdicts_on_streams(body: bytes, status: int, ending: str, verdict: str):
    assert served(body, status, ending).verdict == verdict


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (b"event: response.completed\ndata: {}\n\n", "ok"),
        (b"event: response.incomplete\ndata: {}\n\n", "ok"),
        (b"data: [DONE]\n\n", "cut"),
        (b'event: error\ndata: {"type":"error"}\n\n', "failed"),
    ],
)
def test_verdicts_on_streams_of_responses(end: bytes, verdict: str):
    assert served(b"event: response.created\ndata: {}\n\n" + end, endpoint=Endpoint.RESPONSES).verdict == verdict


def test_verdicts_on_whole_answers():
    assert served(b'{"a":1}', stream=False).verdict == "ok"
    assert served(b'{"a":', stream=False).verdict == "cut"
    assert served(b'{"a":1}', ending="abort", stream=False).verdict == "cut"
    assert served(b'{"a":1}', endpoint=Endpoint.EMBEDDINGS).verdict == "ok"


def test_what_a_client_remembers():
    client = served(GOOD)
    assert client.providers_seen == {"chatcmpl-alpha-1"}
    assert client.waited == 1.0
    assert client.downstream.header("X-A") == "1"
    assert client.downstream.header("nothing") is None
    assert client.downstream.misuse == []


def test_leaving_cancels_the_service_and_silences_the_downstream():
    client = served(GOOD, leaves=0.5)
    assert client.verdict == "left"
    assert client.downstream.left_at == 0.5
    assert client.downstream.status is None
    assert not client.served


def test_a_client_with_its_answer_does_not_leave():
    assert served(GOOD, leaves=5.0).verdict == "ok"


def test_a_cancellation_from_outside_is_not_swallowed():
    async def main(rng: Random) -> None:
        async def serve(request: ClientRequest, downstream: Downstream) -> None:
            await asyncio.sleep(100)

        task = asyncio.ensure_future(SimulatedClient(Wish("c1")).ask(serve))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main, seed=0)


@pytest.mark.parametrize(
    ("calls", "misuse"),
    [
        (["write", "finish"], "written to before the start"),
        (["finish"], "finished before the start"),
        (["start", "start"], "started twice"),
        (["start", "finish", "write"], "write after the end"),
        (["start", "finish", "finish"], "finish after the end"),
        (["start 5", "write", "finish"], "promised 5 bytes, sent 1"),
        (["start", "write", "finish", "abort"], None),
    ],
)
def test_misuse_is_noted(calls: list[str], misuse: str | None):
    async def main(rng: Random) -> list[str]:
        down = ScriptedDownstream(asyncio.get_running_loop())
        for call in calls:
            if call.startswith("start"):
                down.start(200, [], int(call[6:]) if call[6:] else None)
            elif call == "write":
                down.write(b"x")
            else:
                getattr(down, call)()
        return down.misuse

    found = run(main, seed=0)
    assert (misuse in found) if misuse else found == []


class Tap:
    """A source that would send 10 kB every 10 ms."""

    def __init__(self, down: ScriptedDownstream) -> None:
        self.down = down
        self.paused = 0
        self.running = True

    def pause(self) -> None:
        self.paused += 1
        self.running = False

    def resume(self) -> None:
        self.running = True

    async def run(self, pieces: int) -> None:
        while pieces:
            if self.running:
                self.down.write(b"x" * 10_000)
                pieces -= 1
            await asyncio.sleep(0.01)


def test_a_slow_reader_pauses_its_source_and_bounds_the_buffer():
    async def main(rng: Random) -> tuple[int, int, int, float]:
        loop = asyncio.get_running_loop()
        down = ScriptedDownstream(loop, reads=50_000)
        tap = Tap(down)
        down.start(200, [], None)
        down.attach(tap)
        await tap.run(50)
        down.attach(None)
        return tap.paused, down.peak, len(down.body), loop.time()

    paused, peak, size, took = run(main, seed=0)
    assert paused > 3
    assert peak < 80_000
    assert size == 500_000
    assert took > 7


def test_a_source_attached_to_a_full_buffer_is_paused_at_once():
    async def main(rng: Random) -> list[bool]:
        down = ScriptedDownstream(asyncio.get_running_loop(), reads=1000)
        first, second = Tap(down), Tap(down)
        down.start(200, [], None)
        down.attach(first)
        down.write(b"x" * 100_000)
        down.attach(second)
        return [first.running, second.running]

    assert run(main, seed=0) == [True, False]


def test_bodies():
    body = json.loads(Wish("c1", wants_usage=True).body(temperature=1))
    assert body["stream_options"] == {"include_usage": True}
    assert (body["user"], body["temperature"], body["stream"]) == ("c1", 1, True)
    assert "stream" not in json.loads(Wish("c", endpoint=Endpoint.EMBEDDINGS).body())
    assert json.loads(Wish("c", endpoint=Endpoint.COMPLETIONS, stream=False).body())["prompt"]


def test_a_crowd_comes_in_time():
    async def main(rng: Random) -> list[tuple[float, str]]:
        async def serve(request: ClientRequest, downstream: Downstream) -> None:
            await asyncio.sleep(5)
            downstream.start(200, [], None)
            downstream.write(GOOD)
            downstream.finish()

        clients = await crowd(serve, [(n * 0.5, Wish(f"c{n}")) for n in range(10)])
        return [(client.asked_at, client.verdict) for client in clients]

    assert run(main, seed=0) == [(n * 0.5, "ok") for n in range(10)]

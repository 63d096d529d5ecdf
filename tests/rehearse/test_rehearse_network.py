import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from proxy.core.exchange import FailureKind, HeaderList, TransportError, UpstreamRequest
from proxy.core.settings import Origin
from proxy.rehearse.behaviour import Behaviour, Mode, constant, uniform
from proxy.rehearse.network import SimulatedNetwork
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.schedule import always
from proxy.rehearse.virtual_loop import run

BASE = Behaviour(latency=constant(0.2), chunks=5, gap=0.1)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer k\r\n\r\n"
BODY = b'{"model":"m","stream":true,"user":"c1"}'


class Recorder:
    """Writes down every call with its time."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str]] = []
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.error: TransportError | None = None
        self.on_data: Callable[[], None] | None = None

    def note(self, word: str) -> None:
        self.calls.append((asyncio.get_running_loop().time(), word))

    def on_head(self, status: int, headers: HeaderList) -> None:
        self.status, self.headers = status, dict(headers)
        self.note("head")

    def on_body(self, data: bytes) -> None:
        self.body += data
        self.note("body")
        if self.on_data is not None:
            self.on_data()

    def on_complete(self) -> None:
        self.note("complete")

    def on_failed(self, error: TransportError) -> None:
        self.error = error
        self.note("failed")


def play(script: Callable[[SimulatedNetwork, Recorder], Awaitable[None]], behaviour: Behaviour = BASE, seed: int = 1):
    """Run `script`, then give (network, recorder)."""

    async def main(rng: Random):
        network = SimulatedNetwork(asyncio.get_running_loop(), rng, {"a": SimulatedProvider("a", always(behaviour))})
        recorder = Recorder()
        await script(network, recorder)
        return network, recorder

    return run(main, seed=seed)


def request(pool: str = "a", connect_timeout: float = 1.0) -> UpstreamRequest:
    return UpstreamRequest(pool, Origin("http", "a.test", 80), HEAD, BODY, connect_timeout)


async def send_and_wait(network: SimulatedNetwork, recorder: Recorder) -> None:
    network.send(request(), recorder)
    assert recorder.calls == []
    await asyncio.sleep(100)


def test_a_healthy_stream_comes_at_its_times():
    network, recorder = play(send_and_wait)
    words = [word for _, word in recorder.calls]
    assert words == ["head", *["body"] * 6, "complete"]
    assert [at for at, _ in recorder.calls] == pytest.approx([0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7])
    contact = network.contacts[0]
    assert (contact.label, contact.key, contact.target, contact.ending, contact.tokens) == ("c1", "k", "a/m", "complete", 5)
    assert contact.content_at == 0.2
    assert network.providers["a"].in_flight == 0
    assert network.providers["a"].bill.tokens(complete=True)[1] == 5
    assert recorder.headers[b"transfer-encoding"] == b"chunked"
    assert network.open_contacts == []


@pytest.mark.parametrize(
    ("behaviour", "at", "kind", "ending"),
    [
        (Behaviour(mode=Mode.REFUSE), 0.0, FailureKind.CONNECT, "refused"),
        (Behaviour(mode=Mode.CONNECT_HANG), 1.0, FailureKind.CONNECT_TIMEOUT, "connect_timeout"),
        (Behaviour(connect=2.0), 1.0, FailureKind.CONNECT_TIMEOUT, "connect_timeout"),
        (Behaviour(mode=Mode.CLOSE, connect=0.5), 0.5, FailureKind.CLOSED, "closed"),
        (Behaviour(mode=Mode.CLOSE, reset=True), 0.0, FailureKind.CLOSED, "reset"),
        (Behaviour(mode=Mode.CUT, reset=True), 0.2, FailureKind.BROKEN, "reset"),
        (Behaviour(mode=Mode.CUT, after=3, gap=0.1), 0.4, FailureKind.BROKEN, "closed"),
        (Behaviour(mode=Mode.BAD_FRAMING), 0.2, FailureKind.GARBAGE, "garbled"),
    ],
)
def test_failures(behaviour: Behaviour, at: float, kind: FailureKind, ending: str):
    network, recorder = play(send_and_wait, behaviour)
    assert recorder.error is not None
    assert recorder.error.kind is kind
    assert recorder.calls[-1] == (pytest.approx(at), "failed")
    assert network.contacts[0].ending == ending
    assert network.providers["a"].in_flight == 0


def test_an_unknown_provider_is_refused():
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        network.send(request("nobody"), recorder)
        network.send(request("nobody"), Recorder()).abort()
        await asyncio.sleep(1)

    network, recorder = play(script)
    assert recorder.error is not None
    assert recorder.error.kind is FailureKind.CONNECT
    assert [contact.ending for contact in network.contacts] == ["refused", "aborted"]


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.STALL])
def test_silence_lasts_until_the_abort(mode: Mode):
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        exchange = network.send(request(), recorder)
        await asyncio.sleep(50)
        assert network.providers["a"].in_flight == 1
        assert len(network.open_contacts) == 1
        exchange.abort()
        exchange.abort()
        exchange.detach()

    network, recorder = play(script, Behaviour(mode=mode))
    assert (network.contacts[0].ended_at, network.contacts[0].ending) == (50.0, "aborted")
    assert network.providers["a"].in_flight == 0
    assert recorder.error is None


@pytest.mark.parametrize("pieces", range(6))
def test_nothing_comes_after_an_abort_at_any_piece(pieces: int):
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        exchange = network.send(request(), recorder)

        def leave() -> None:
            if len(recorder.calls) == 2 + pieces:
                exchange.abort()

        recorder.on_data = leave
        await asyncio.sleep(10)

    network, recorder = play(script)
    assert len(recorder.calls) == 2 + pieces
    assert network.contacts[0].ending == "aborted"
    assert network.providers["a"].bill.entries[0].output == min(5, pieces + 1)


def test_detach_after_the_last_piece_is_a_whole_answer_for_the_vendor():
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        exchange = network.send(request(), recorder)
        recorder.on_data = lambda: exchange.detach() if b"[DONE]" in recorder.body else None
        await asyncio.sleep(10)

    network, _ = play(script)
    assert network.contacts[0].ending == "detached"
    assert network.providers["a"].bill.entries[0].complete


def test_a_paused_exchange_holds_its_pieces_and_its_end():
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        exchange = network.send(request(), recorder)
        await asyncio.sleep(0.35)
        exchange.pause()
        held = len(recorder.calls)
        await asyncio.sleep(10)
        assert len(recorder.calls) == held
        exchange.resume()
        await asyncio.sleep(10)

    _, recorder = play(script)
    assert [word for _, word in recorder.calls][-1] == "complete"
    assert recorder.body.endswith(b"[DONE]\n\n")


def test_equal_seed_equal_history():
    async def script(network: SimulatedNetwork, recorder: Recorder) -> None:
        for _ in range(50):
            network.send(request(), recorder)
            await asyncio.sleep(0.01)
        await asyncio.sleep(10)

    shaky = Behaviour(mode=Mode.STATUS, share=0.3, latency=uniform(0.1, 0.9))
    first, second, other = (play(script, shaky, seed)[0].digest() for seed in (1, 1, 2))
    assert first == second != other

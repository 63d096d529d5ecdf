"""Providers whose bytes a test writes itself, in virtual time, and short ways to ask the real pipeline."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps, loads
from random import Random

from support.simulation import InlineEstimator, Notes, settings

from proxy.assemble import Parts, assemble
from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, HeaderList, Receiver, TransportError, UpstreamRequest
from proxy.core.records import CallRecord
from proxy.core.settings import Settings
from proxy.pipeline.estimation import Estimator
from proxy.rehearse.client import ScriptedDownstream, SimulatedClient, Wish
from proxy.rehearse.virtual_loop import run

JSON = ((b"content-type", b"application/json"),)
STREAM = ((b"content-type", b"text/event-stream"),)
COMPLETION = {
    "id": "chatcmpl-canned-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "lit"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


def chunk(delta: dict[str, object] | None = None, finish: str | None = None, **more: object) -> bytes:
    """One event of a chat stream."""
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return b"data: " + dumps({"id": "chatcmpl-canned-1", "model": "m-2026", "choices": choices, **more}).encode() + b"\n\n"


USAGE = (
    b'data: {"id":"chatcmpl-canned-1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
)
DONE = b"data: [DONE]\n\n"


@dataclass
class Canned:
    """What a provider sends: the head after `wait` seconds (None: never), then pieces (seconds after the one before, bytes),
    then the end in order, an error, or nothing more (`hang`)."""

    status: int = 200
    headers: HeaderList = JSON
    pieces: Sequence[tuple[float, bytes]] = ()
    wait: float | None = 0.1
    error: TransportError | None = None
    hang: bool = False


def whole(value: object = COMPLETION, status: int = 200, **more: object) -> Canned:
    body = value if isinstance(value, bytes) else dumps(value).encode()
    return Canned(status, pieces=((0.0, body),), **more)  # type: ignore[arg-type]


def stream(*pieces: tuple[float, bytes], **more: object) -> Canned:
    return Canned(headers=STREAM, pieces=pieces, **more)  # type: ignore[arg-type]


class CannedExchange:
    def __init__(self, loop: asyncio.AbstractEventLoop, canned: Canned, receiver: Receiver) -> None:
        self.ended = ""
        self.paused = False
        self.pauses = 0
        self.delivered = 0
        self._turn = asyncio.Event()
        self._turn.set()
        self._task = loop.create_task(self._play(canned, receiver))

    async def _play(self, canned: Canned, receiver: Receiver) -> None:
        if canned.wait is not None:
            await asyncio.sleep(canned.wait)
            receiver.on_head(canned.status, canned.headers)
        for after, data in canned.pieces:
            await asyncio.sleep(after)
            await self._turn.wait()
            self.delivered += len(data)
            receiver.on_body(data)
            if self.ended:
                return
        await self._turn.wait()
        if canned.error is not None:
            self.ended = "failed"
            receiver.on_failed(canned.error)
        elif not canned.hang and canned.wait is not None:
            self.ended = "complete"
            receiver.on_complete()

    def pause(self) -> None:
        self.paused = True
        self.pauses += 1
        self._turn.clear()

    def resume(self) -> None:
        self.paused = False
        self._turn.set()

    def abort(self) -> None:
        self._end("aborted")

    def detach(self) -> None:
        self._end("detached")

    def _end(self, word: str) -> None:
        self.ended = self.ended or word
        self._task.cancel()


Script = Callable[[UpstreamRequest], Canned]


class CannedTransport:
    """Implements `Transport`. `script` answers each request; `sent` keeps them in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, script: Script) -> None:
        self._loop = loop
        self.script = script
        self.sent: list[UpstreamRequest] = []
        self.exchanges: list[CannedExchange] = []

    def send(self, request: UpstreamRequest, receiver: Receiver) -> CannedExchange:
        self.sent.append(request)
        self.exchanges.append(CannedExchange(self._loop, self.script(request), receiver))
        return self.exchanges[-1]

    def models(self) -> list[str]:
        """Who was asked for what, in order."""
        return [f"{request.pool}/{loads(request.body)['model']}" if request.body else request.pool for request in self.sent]


@dataclass
class Stage:
    """An assembled proxy in front of canned providers."""

    parts: Parts
    transport: CannedTransport
    notes: Notes
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @property
    def records(self) -> list[CallRecord]:
        return self.notes.calls

    async def ask(
        self, wish: Wish | None = None, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> SimulatedClient:
        client = SimulatedClient(wish or Wish("c", stream=False), body)
        await client.ask(self.parts.gateway.serve, headers)
        await asyncio.sleep(0.01)  # late estimates
        return client

    async def ask_as(self, model: str, routes: frozenset[str] | None, key: str = "team") -> ScriptedDownstream:
        """A whole answer for a client with a key."""
        downstream = ScriptedDownstream(self.loop)
        body = Wish("k", model=model, stream=False).body()
        request = ClientRequest(Endpoint.CHAT, {}, body, key, routes, self.loop.time())
        await self.parts.gateway.serve(request, downstream)
        return downstream


def by_pool(answers: Mapping[str, Canned]) -> Script:
    return lambda request: answers[request.pool]


def in_order(*answers: Canned) -> Script:
    """The n-th answer for the n-th request, the last one for all further ones."""
    waiting = list(answers)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def act(
    script: Script,
    body: Callable[[Stage], Awaitable[None]],
    configured: Settings | None = None,
    make_estimator: Callable[[asyncio.AbstractEventLoop], Estimator] = InlineEstimator,
) -> None:
    """Run `body` on a stage in virtual time."""

    async def main(rng: Random) -> None:
        loop = asyncio.get_running_loop()
        transport = CannedTransport(loop, script)
        notes = Notes()
        clock = loop.time
        parts = assemble(
            configured or settings(), transport, make_estimator(loop), [notes], rng, wall=lambda: 1.0e9 + clock()
        )
        await body(Stage(parts, transport, notes))

    run(main, seed=1)


def make_call(endpoint: Endpoint = Endpoint.CHAT, stream: bool = True) -> Call:
    return Call("call-1", endpoint, Envelope("lamp", stream, False, {}, b"{}"), {})


def error_of(client: SimulatedClient) -> dict[str, object]:
    """The error object of a reply that is no answer: its body, or the last event of a stream."""
    body = bytes(client.downstream.body)
    data = body.rsplit(b"data: ", 1)[-1]
    error: dict[str, object] = loads(data)["error"]
    return error

"""Simulated clients of the proxy: they ask, read fast or slowly, leave when they like, and say what they got.

A `ScriptedDownstream` is the client's side of one request in virtual time; a `SimulatedClient` puts one request to
an application, run as the listener runs it, and may leave before the end, as a real one does: its call is cancelled.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream, HeaderList, Source
from proxy.server.errand import Errand, Work

Serve = Callable[[ClientRequest, Downstream], Work]

HIGH_WATER = 64 * 1024
_FINISHED = re.compile(rb'"finish_reason": ?"')
_IDENTITY = re.compile(rb'"id": ?"((?:chat)?cmpl-[^"]+)"')


class ScriptedDownstream:
    """Implements `Downstream`, keeps everything. `reads`: bytes a second that the client takes, None: at once; what it
    has not taken counts against a 64 KiB buffer, and the attached source is paused while that is full. `misuse` lists calls
    that break the Protocol's order. All times are loop time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reads: float | None = None) -> None:
        self._loop = loop
        self._reads = reads
        self._source: Source | None = None
        self._waiting = 0
        self._paused = False
        self.peak = 0
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.length: int | None = None
        self.body = bytearray()
        self.started_at: float | None = None
        self.first_write_at: float | None = None
        self.finished_at: float | None = None
        self.aborted_at: float | None = None
        self.left_at: float | None = None
        self.misuse: list[str] = []

    @property
    def started(self) -> bool:
        return self.started_at is not None

    @property
    def ended_at(self) -> float | None:
        return self.finished_at if self.finished_at is not None else self.aborted_at

    def start(self, status: int, headers: HeaderList, length: int | None) -> None:
        if self._mute("start"):
            return
        if self.started:
            self.misuse.append("started twice")
        self.status = status
        self.headers = list(headers)
        self.length = length
        self.started_at = self._loop.time()

    def write(self, data: bytes) -> None:
        if self._mute("write"):
            return
        if not self.started:
            self.misuse.append("written to before the start")
        if self.first_write_at is None:
            self.first_write_at = self._loop.time()
        self.body += data
        if self._reads is not None:
            self._fill(len(data))

    def finish(self, data: bytes = b"") -> None:
        if data:
            self.write(data)
        if self._mute("finish"):
            return
        if not self.started:
            self.misuse.append("finished before the start")
        if self.length is not None and self.length != len(self.body):
            self.misuse.append(f"promised {self.length} bytes, sent {len(self.body)}")
        self.finished_at = self._loop.time()

    def abort(self) -> None:
        if not self._mute("abort"):
            self.aborted_at = self._loop.time()

    def attach(self, source: Source | None) -> None:
        if self._paused and self._source is not None and source is not self._source:
            self._source.resume()
        self._source = source
        if self._paused and source is not None:
            source.pause()

    def leave(self) -> None:
        """The client closes its connection; everything after this is let go silently."""
        if self.ended_at is None and self.left_at is None:
            self.left_at = self._loop.time()

    def _mute(self, word: str) -> bool:
        if self.left_at is not None:
            return True
        if self.ended_at is not None:
            if word != "abort":
                self.misuse.append(f"{word} after the end")
            return True
        return False

    def _fill(self, size: int) -> None:
        if self._reads is None:
            return
        idle = self._waiting == 0
        self._waiting += size
        self.peak = max(self.peak, self._waiting)
        if self._waiting > HIGH_WATER and not self._paused:
            self._paused = True
            if self._source is not None:
                self._source.pause()
        if idle:
            self._loop.call_later(min(self._waiting, 4096) / self._reads, self._drain)

    def _drain(self) -> None:
        self._waiting = max(0, self._waiting - 4096)
        if self._paused and self._waiting <= HIGH_WATER // 4:
            self._paused = False
            if self._source is not None:
                self._source.resume()
        if self._waiting and self._reads is not None and self.left_at is None:
            self._loop.call_later(min(self._waiting, 4096) / self._reads, self._drain)

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants. `label` goes into the body as `user`, so that the request can be found again at the
    providers. `key`: name of the client's key. `leaves` and `reads` as in `SimulatedClient`."""

    label: str
    model: str = "lamp"
    stream: bool = True
    endpoint: Endpoint = Endpoint.CHAT
    wants_usage: bool = False
    leaves: float | None = None
    reads: float | None = None
    key: str | None = None

    def body(self, **fields: object) -> bytes:
        """The JSON body; `fields` are added to it."""
        made: dict[str, object] = {"model": self.model, "user": self.label}
        if self.endpoint is Endpoint.CHAT:
            made["messages"] = [{"role": "user", "content": "Keep the light on."}]
        elif self.endpoint is Endpoint.COMPLETIONS:
            made["prompt"] = "Keep the light on."
        elif self.endpoint is Endpoint.RESPONSES:
            made["input"] = "Keep the light on."
        else:
            made["input"] = ["Keep the light on."]
        if self.stream and self.endpoint is not Endpoint.EMBEDDINGS:
            made["stream"] = True
            if self.wants_usage:
                made["stream_options"] = {"include_usage": True}
        return dumps({**made, **fields}, separators=(",", ":")).encode()


class SimulatedClient:
    """One request and what came of it. Leaves by itself `wish.leaves` seconds after it asked, if it has no whole answer
    by then."""

    def __init__(self, wish: Wish, body: bytes | None = None) -> None:
        self.wish = wish
        self.loop = asyncio.get_running_loop()
        self.asked_at = self.loop.time()
        self.body = wish.body() if body is None else body
        self.downstream = ScriptedDownstream(self.loop, wish.reads)
        self.served = False
        self._call: Errand | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<SimulatedClient {self.wish.label}: {self.verdict}>"

    async def ask(self, serve: Serve, headers: dict[str, str] | None = None) -> "SimulatedClient":
        """Have the request served to its end, or until the client leaves. Raises whatever `serve` raises."""
        request = ClientRequest(self.wish.endpoint, headers or {}, self.body, self.wish.key, None, self.asked_at)
        ended: asyncio.Future[BaseException | None] = self.loop.create_future()
        self._call = Errand(serve(request, self.downstream), self.loop, lambda _, error: ended.set_result(error))
        if self.wish.leaves is not None:
            self._leaving = self.loop.call_later(self.wish.leaves, self.leave)
        try:
            self._call.start()
            error = await asyncio.shield(ended)
            if error is not None:
                raise error
            self.served = True
        except asyncio.CancelledError as cancelled:
            if self.downstream.left_at is None:
                self._call.cancel(*cancelled.args)
                raise
        finally:
            if self._leaving is not None:
                self._leaving.cancel()
        return self

    def leave(self) -> None:
        """Close the connection now; does nothing once the answer has ended."""
        if self.downstream.ended_at is None and self._call is not None:
            self.downstream.leave()
            self._call.cancel()

    @property
    def verdict(self) -> str:
        """`ok`, `left`, `pending`, `error` (a status that is not 2xx), `failed` (ended by a typed error event), or
        `cut` (broken off, or ended without what makes an answer whole)."""
        down = self.downstream
        if down.left_at is not None:
            return "left"
        if down.ended_at is None:
            return "pending"
        if down.status is None or not 200 <= down.status < 300:
            return "error"
        return self._read(bytes(down.body)) if self.wish.stream else self._whole()

    def _whole(self) -> str:
        return "ok" if self.downstream.finished_at is not None and self.downstream.body.endswith(b"}") else "cut"

    def _read(self, body: bytes) -> str:
        if self.wish.endpoint is Endpoint.EMBEDDINGS:
            return self._whole()
        if b'data: {"error"' in body or b"event: error" in body:
            return "failed"
        if self.wish.endpoint is Endpoint.RESPONSES:
            whole = b"event: response.completed\n" in body or b"event: response.incomplete\n" in body
        else:
            whole = b"data: [DONE]" in body and _FINISHED.search(body) is not None
        return "ok" if whole and self.downstream.finished_at is not None else "cut"

    @property
    def providers_seen(self) -> set[str]:
        """The ids of the answers whose bytes the client received; more than one is a mixed answer."""
        return {match.decode() for match in _IDENTITY.findall(bytes(self.downstream.body))}

    @property
    def waited(self) -> float | None:
        """Seconds from asking to the first byte of an answer."""
        first = self.downstream.first_write_at
        return None if first is None else first - self.asked_at


async def crowd(serve: Serve, wishes: list[tuple[float, Wish]]) -> list[SimulatedClient]:
    """Let every wish come at its time (seconds from now, ascending) and wait for all of them."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    clients: list[SimulatedClient] = []
    tasks: list[asyncio.Task[SimulatedClient]] = []
    for at, wish in wishes:
        delay = begin + at - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        client = SimulatedClient(wish)
        clients.append(client)
        tasks.append(loop.create_task(client.ask(serve), name=wish.label))
    for task in tasks:
        await task
    return clients

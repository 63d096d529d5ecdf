"""Simulated providers as real HTTP servers on loopback: the same scripts, played on sockets.

One `asyncio.Protocol` per connection, one timer per request. What a connection cannot show is done by the listener: to
refuse, it is closed (and the open connections with it, as when a process dies); to let connecting hang, the port stays
bound with a full backlog that nobody empties. Only loopback addresses are ever bound.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from random import Random
from typing import cast

from proxy.rehearse.answers import Asked, read_head
from proxy.rehearse.behaviour import Behaviour
from proxy.rehearse.bill import BillEntry
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.schedule import Schedule, always
from proxy.rehearse.script import Accept, Ending, Script
from proxy.rehearse.websocket import Session, answer_upgrade, asks_to_upgrade

HOST = "127.0.0.1"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LENGTH_REQUIRED = b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
#: Discards what the kernel holds and sends RST on close.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LoopbackProvider:
    """A simulated provider that listens. `provider` holds its counters and its bill; `connections` is how many clients are
    connected now, `connected` how many ever were. The schedule's second 0 is `start`, or the last `play`."""

    def __init__(self, name: str, schedule: Schedule | None = None, *, seed: int = 0) -> None:
        self.name = name
        self.provider = SimulatedProvider(name, schedule)
        self.rng = Random(seed)
        self.connected = 0
        self.open: set[_Connection] = set()
        self._loop = asyncio.get_running_loop()
        self.epoch = self._loop.time()
        self._port = 0
        self._server: asyncio.Server | None = None
        self._blocked: list[socket.socket] = []
        self._listening = Accept.REFUSE
        self._timer: asyncio.TimerHandle | None = None
        self._turning: asyncio.Task[None] | None = None
        self._stopped = False

    def __repr__(self) -> str:
        return f"<LoopbackProvider {self.name} {self.base_url} {self._listening}: {self.provider.served} served>"

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._port}/v1"

    @property
    def connections(self) -> int:
        return len(self.open)

    async def start(self, port: int = 0) -> str:
        """Listen (port 0: any free one) and begin the schedule. Gives the base URL, with `/v1`."""
        self._port = port or _free_port()
        await self.play(self.provider.schedule)
        return self.base_url

    async def play(self, schedule: Schedule) -> None:
        """Begin a schedule now."""
        self.provider.schedule = schedule
        self.epoch = self._loop.time()
        await self._turn()

    async def set_behaviour(self, behaviour: Behaviour) -> None:
        """Behave so from now on, until told otherwise."""
        await self.play(always(behaviour))

    async def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._turning is not None:
            await self._turning
        await self._listen_as(Accept.REFUSE)

    def now(self) -> float:
        return self._loop.time() - self.epoch

    async def _turn(self) -> None:
        """Bring the listener in line with the schedule, and come back at its next change."""
        if self._timer is not None:
            self._timer.cancel()
        await self._listen_as(self.provider.listens(self.now()))
        wait = self.provider.schedule.next_change(self.now())
        if wait is not None and not self._stopped:
            # A moment late is right, a moment early would see the old behaviour.
            self._timer = self._loop.call_later(wait + 0.001, self._spawn_turn)

    def _spawn_turn(self) -> None:
        self._turning = self._loop.create_task(self._turn())

    async def _listen_as(self, accept: Accept) -> None:
        if accept is self._listening:
            return
        self._listening = accept
        await self._close_listener()
        if accept is Accept.OK:
            self._server = await self._loop.create_server(
                lambda: _Connection(self, self._loop), HOST, self._port, reuse_address=True, backlog=1024
            )
        elif accept is Accept.HANG:
            self._blocked = _full_backlog(self._port)
        else:
            for connection in list(self.open):
                connection.kill()
            # Closing is a callback of its own; whoever awaits us may count on the connections being gone.
            await asyncio.sleep(0)

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for sock in self._blocked:
            sock.close()
        self._blocked = []


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def _full_backlog(port: int) -> list[socket.socket]:
    """A listening socket that accepts nothing, and the connections that fill its queue: the next SYN is dropped."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((HOST, port))
        held.append(sock)
    return held


class _Connection(asyncio.Protocol):
    """One connection: reads a request, plays its script, reads the next."""

    def __init__(self, owner: LoopbackProvider, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._script: Script | None = None
        self._entry: BillEntry | None = None
        self._position = 0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._held: Callable[[], None] | None = None
        self._continued = False
        self._upgrading: dict[bytes, bytes] | None = None
        self._session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._owner.connected += 1
        self._owner.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.open.discard(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._settle(complete=False)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        held, self._held = self._held, None
        if held is not None:
            held()

    def kill(self) -> None:
        """As when the process dies."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._session is not None:
            self._talk(self._session, data)
            return
        self._buffer += data
        if self._script is None:
            self._read()

    def _read(self) -> None:
        """Take one whole request from the buffer, if there is one."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[: end + 4])
        fields = _fields(head)
        self._upgrading = fields if asks_to_upgrade(fields) else None
        if b"transfer-encoding" in fields:
            self._write(LENGTH_REQUIRED)
            self._close()
            return
        size = int(fields.get(b"content-length", b"0"))
        if len(self._buffer) < end + 4 + size:
            if fields.get(b"expect") == b"100-continue" and not self._continued:
                self._continued = True
                self._write(CONTINUE)
            return
        body = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        self._continued = False
        self._begin(read_head(head, body))

    def _begin(self, asked: Asked) -> None:
        owner = self._owner
        script, self._entry = owner.provider.begin(asked, owner.now(), owner.rng)
        self._script = script
        self._position = 0
        if script.accept is Accept.REFUSE:
            self._reset()
        elif script.accept is Accept.OK and script.first_byte is not None:
            self._timer = self._loop.call_later(script.first_byte, self._head)
        elif script.accept is Accept.OK and script.ending is not Ending.HANG:
            self._finish()

    def _talk(self, session: Session, data: bytes) -> None:
        self._write(session.feed(data))
        if session.closed:
            self._settle(complete=True)
            self._close()

    def _head(self) -> None:
        script = self._script
        if script is None:
            return
        if self._upgrading is not None and script.status == 200:
            self._session = Session()
            self._write(answer_upgrade(self._upgrading, self._owner.name))
            return
        lines = [b"HTTP/1.1 %d %s" % (script.status, _reason(script.status))]
        lines += [name + b": " + value for name, value in script.headers]
        framing = b"transfer-encoding: chunked" if script.chunked else b"content-length: %d" % script.length
        self._write(b"\r\n".join([*lines, framing, b"", b""]))
        self._advance()

    def _advance(self) -> None:
        script = self._script
        if script is None or self._transport is None:
            return
        if self._position == len(script.steps):
            if script.ending is not Ending.HANG:
                self._finish()
            return
        after = script.steps[self._position].after
        if after > 0.0:
            self._timer = self._loop.call_later(after, self._body)
        else:
            self._body()

    def _body(self) -> None:
        script, entry = self._script, self._entry
        if script is None or entry is None:
            return
        if self._paused:
            self._held = self._body
            return
        _, data, tokens = script.steps[self._position]
        self._position += 1
        entry.output += tokens
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if script.chunked else data)
        self._advance()

    def _finish(self) -> None:
        script = self._script
        if script is None:
            return
        if script.ending is Ending.COMPLETE:
            if script.chunked:
                self._write(b"0\r\n\r\n")
            self._settle(complete=True)
            self._loop.call_soon(self._read)
        elif script.ending is Ending.RESET:
            self._reset()
        else:
            if script.ending is Ending.GARBLE:
                self._write(b"zz\r\nnot a chunk\r\n")
            self._close()

    def _settle(self, *, complete: bool) -> None:
        self._script = None
        entry, self._entry = self._entry, None
        if entry is not None:
            self._owner.provider.end(entry, complete=complete)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        if self._transport is None:
            return
        # uvloop lends only a part of the socket's interface; a duplicate of its descriptor has all of it.
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()


def _fields(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _reason(status: int) -> bytes:
    return _REASONS.get(status, b"Unknown")


_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 429: b"Too Many Requests"} | {
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}

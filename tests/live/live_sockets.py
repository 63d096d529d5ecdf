"""Bare sockets for the live tests: clients that misbehave on purpose, and a provider that never stops sending."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import cast

#: pytest's `record_property`.
Record = Callable[[str, object], None]

HELLO = [{"role": "user", "content": "Keep the light on."}]


def post(model: str = "lamp", *, stream: bool = True, path: str = "/v1/chat/completions") -> bytes:
    """A request as it goes over the wire."""
    body = json.dumps({"model": model, "messages": HELLO, "stream": stream}).encode()
    return b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        path.encode(),
        len(body),
        body,
    )


class Caller:
    """One client connection; what is not read stays in the kernel. `room`: bytes the kernel may hold for us."""

    def __init__(self, host: str, port: int, room: int | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = host, port
        self.sock = socket.socket()
        self.sock.setblocking(False)
        if room is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)

    async def open(self, data: bytes = b"") -> "Caller":
        try:
            await self._loop.sock_connect(self.sock, self._address)
        except ConnectionError:
            self.close()
            raise
        await self.send(data)
        return self

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def read(self, size: int = 65536) -> bytes:
        """Some bytes; nothing once the other side has closed or reset the connection."""
        try:
            return await self._loop.sock_recv(self.sock, size)
        except ConnectionError:
            return b""

    async def read_until(self, mark: bytes) -> bytes:
        """Everything up to the read in which `mark` came, or to the end."""
        got = b""
        while mark not in got and (data := await self.read()):
            got += data
        return got

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """One request of a keep-alive connection whose answer has a length: status and body."""
        await self.send(data)
        head, _, body = (await self.read_until(b"\r\n\r\n")).partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        while len(body) < length and (data := await self.read()):
            body += data
        return int(head[9:12]), body

    def close(self) -> None:
        self.sock.close()


async def drip(caller: Caller, start: bytes, rest: bytes, every: float) -> bytes:
    """Send the start, then a byte at a time until told off; what was answered. Raises nothing if the other side hangs up."""
    await caller.open(start)
    try:
        for byte in rest:
            await caller.send(bytes([byte]))
            await asyncio.sleep(every)
    except ConnectionError:
        pass
    answer = await caller.read_until(b"\r\n\r\n")
    caller.close()
    return answer


async def settled(count: Callable[[], int], wanted: int, seconds: float = 10.0) -> int:
    """What `count()` says once it has come to `wanted`, or after that time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (value := count()) != wanted and loop.time() < end:
        await asyncio.sleep(0.01)
    return value


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


EVENT = (
    b'data: {"id":"chatcmpl-endless","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"light "},"finish_reason":null}]}\n\n'
)
BLOCK = EVENT * 64


class Endless(asyncio.Protocol):
    """A provider's connection that streams as fast as it is read, forever. The counts are shared by all of them."""

    def __init__(self, everyone: "list[Endless]") -> None:
        self.everyone = everyone
        self.bytes = 0
        self.gone = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Little room in the kernel, so that what was sent is what the proxy has taken.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self._transport.set_write_buffer_limits(0)
        self.everyone.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        self._more()

    def _more(self) -> None:
        if not self._paused and not self.gone:
            self._transport.write(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
            self.bytes += len(BLOCK)
            asyncio.get_running_loop().call_soon(self._more)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._more()

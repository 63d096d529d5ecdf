"""Bytes that came too early: a client that pipelines may send a little ahead, then its socket is left unread."""

import asyncio

MAX_HELD = 64 * 1024


class Backlog:
    """Holds up to `MAX_HELD` bytes and what one further read brings; also counts what a refused client still sends."""

    __slots__ = ("_chunks", "_discarded", "_size", "_transport", "_unread")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._chunks: list[bytes] = []
        self._size = 0
        self._discarded = 0
        self._unread = False

    def __bool__(self) -> bool:
        return self._size > 0

    def hold(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > MAX_HELD:
            self._leave_unread()

    def put_back(self, data: bytes) -> None:
        """`data` came before everything held."""
        if data:
            self._chunks.insert(0, data)
            self._size += len(data)
            if self._size > MAX_HELD:
                self._leave_unread()

    def take(self) -> bytes:
        """Everything held, in order; reading goes on."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._unread:
            self._unread = False
            self._transport.resume_reading()
        return data

    def discard(self, size: int, patience: int) -> None:
        """`size` bytes were thrown away; after `patience` in all no more are read."""
        self._discarded += size
        if self._discarded > patience:
            self._leave_unread()

    def _leave_unread(self) -> None:
        if not self._unread and not self._transport.is_closing():
            self._unread = True
            self._transport.pause_reading()

"""The sending side of a connection: how the next reply must be framed, and whether the client takes what it is sent."""

import asyncio
import socket
import struct

from proxy.core.exchange import HeaderList
from proxy.server.application import Page
from proxy.server.heads import build_framing, build_head
from proxy.server.refusals import Refusal, encode_body, refusal_headers
from proxy.server.roster import Roster

HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024
#: Bytes a second that a client must take of what waits for it, once that is above the high-water mark.
READ_RATE = 1024


class Outlet:
    """`keep`: the connection may serve another request after this reply. `old`: the request was HTTP/1.0. `bodyless`: it was
    HEAD. `stalled`: the transport asked not to be written to."""

    __slots__ = ("_marked_at", "_marked_size", "_roster", "bodyless", "keep", "old", "stalled", "transport")

    def __init__(self, transport: asyncio.Transport, roster: Roster) -> None:
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self.transport = transport
        self._roster = roster
        self._marked_at = 0.0
        self._marked_size = 0
        self.keep = True
        self.old = False
        self.bodyless = False
        self.stalled = False

    def write_whole(self, status: int, headers: HeaderList, body: bytes) -> None:
        framing = build_framing(len(body), keep=self.keep, old=self.old)
        head = build_head(status, headers, framing + self._roster.date.current())
        self.transport.write(head if self.bodyless else head + body)

    def write_page(self, page: Page) -> None:
        headers = [(b"content-type", page.content_type.encode("latin-1", "replace")), (b"cache-control", b"no-store")]
        if page.status == 404:
            headers.append((b"x-should-retry", b"false"))
        self.write_whole(page.status, headers, page.body)

    def write_refusal(self, refusal: Refusal) -> None:
        self._roster.count_refused(refusal.reason)
        self.keep = self.keep and not refusal.close
        self.write_whole(refusal.status, refusal_headers(refusal), encode_body(refusal))

    def mark(self) -> None:
        """Watch from now on what the client takes."""
        self._marked_at = self._roster.loop.time()
        self._marked_size = self.transport.get_write_buffer_size()

    @property
    def stall_due(self) -> float:
        """Loop time at which a client that takes nothing of what waits for it is too slow."""
        return self._marked_at + self._roster.settings.write_timeout

    def drains(self) -> bool:
        """The client took enough since it was last looked at: it is slow, not gone."""
        taken = self._marked_size - self.transport.get_write_buffer_size()
        return taken >= self._roster.settings.write_timeout * READ_RATE

    def spare(self) -> bool:
        """The time to take something is over. True: it took enough, and is watched on; else the client was cut."""
        if self.drains():
            self.mark()
            return True
        self._roster.count_cut("slow_reader")
        self.transport.abort()
        return False

    @property
    def flushed(self) -> bool:
        return self.transport.get_write_buffer_size() == 0

    def reset_on_close(self) -> None:
        """Let the connection end in a reset instead of an orderly close."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

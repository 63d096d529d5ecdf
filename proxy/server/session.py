"""A client's connection after it has switched protocols: bytes to and fro, read by nobody here.

The session takes the connection over from `Connection`, together with the call that serves it, and keeps what must hold for
every client: one that takes nothing for too long is cut, its leaving cancels the call, and while the proxy drains it may go
on until the drain's limit. What the client sent before it was answered comes first.
"""

import asyncio
import math

from proxy.core.tunnel import Peer
from proxy.server.backlog import Backlog
from proxy.server.errand import Errand
from proxy.server.outlet import Outlet
from proxy.server.roster import Roster
from proxy.server.watchdog import Watchdog


class Session(asyncio.Protocol):
    """Implements `core.tunnel.Side` and `roster.Guest`."""

    __slots__ = ("_call", "_early", "_ended", "_outlet", "_peer", "_roster", "_watchdog")

    def __init__(self, outlet: Outlet, roster: Roster, call: Errand | None, peer: Peer, backlog: Backlog) -> None:
        self._outlet = outlet
        self._roster = roster
        self._call = call
        self._peer = peer
        self._ended = False
        self._watchdog = Watchdog(roster.loop, self._due, self._expire)
        self._early: bytes | None = backlog.take()
        roster.connections.add(self)
        outlet.transport.set_protocol(self)
        roster.loop.call_soon(self._catch_up)

    def __repr__(self) -> str:
        return f"<Session {'ended' if self._ended else 'open'}>"

    def _catch_up(self) -> None:
        early, self._early = self._early, None
        if early and not self._ended:
            self._peer.on_bytes(early)

    # -- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
        elif not self._ended:
            self._peer.on_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watchdog.stop()
        self._roster.leave(self)
        call, self._call = self._call, None
        if call is not None and not self._ended:
            self._ended = True
            self._roster.left += 1
            call.cancel()

    def pause_writing(self) -> None:
        self._outlet.stalled = True
        self._outlet.mark()
        self._watchdog.arm()
        self._peer.on_full()

    def resume_writing(self) -> None:
        self._outlet.stalled = False
        self._peer.on_drained()

    # -- Side

    def write(self, data: bytes) -> None:
        if not self._ended:
            self._outlet.transport.write(data)

    def pause(self) -> None:
        if not self._outlet.transport.is_closing():
            self._outlet.transport.pause_reading()

    def resume(self) -> None:
        if not self._outlet.transport.is_closing():
            self._outlet.transport.resume_reading()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._outlet.mark()
            self._outlet.transport.close()
            self._watchdog.arm()

    # -- Guest, and Side again

    def drain(self) -> None:
        """It may go on until the drain's limit."""

    def abort(self) -> None:
        self._ended = True
        self._outlet.transport.abort()

    # -- time

    def _due(self) -> float:
        waits = self._outlet.stalled or (self._ended and not self._outlet.flushed)
        return self._outlet.stall_due if waits else math.inf

    def _expire(self) -> None:
        if self._outlet.spare():
            self._watchdog.arm()

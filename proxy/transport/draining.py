"""Where the body of an answer goes that nobody wants any more."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.transport.limits import TransportLimits


class BodySink(Protocol):
    """Takes body bytes: a receiver, a decoder before it, or one of the two below."""

    def on_body(self, data: bytes) -> None: ...


class Discard:
    """Forgets what it is given."""

    __slots__ = ()

    def on_body(self, data: bytes) -> None:
        """Bytes that the parser still finds after the receiver has left."""


DISCARD = Discard()


class Drain:
    """The rest of a detached answer: read away, but neither for long nor for much, else `give_up` is called."""

    __slots__ = ("_give_up", "_left", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[], None], limits: TransportLimits) -> None:
        self._give_up = give_up
        self._left = limits.drain_bytes
        self._timer = loop.call_later(limits.drain, give_up)

    def on_body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._give_up()

    def stop(self) -> None:
        self._timer.cancel()

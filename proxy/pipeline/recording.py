"""The client's side of a stream that may have to go on after a cut: passes everything through, and remembers it.

What was written is kept as it is and read in bursts, so that a chunk costs one append, and a stream that is short and whole
is never read at all. Refuses to know what the bytes say: a joint does.
"""

from proxy.core.exchange import Downstream, HeaderList, Source
from proxy.wire.joints.joint import Joint

#: Bytes that are kept unread.
BURST = 64 * 1024


class Recorder:
    """Implements `Downstream` over another one."""

    __slots__ = ("_inner", "_joint", "_kept", "_size")

    def __init__(self, inner: Downstream, joint: Joint) -> None:
        self._inner = inner
        self._joint = joint
        self._kept: list[bytes] = []
        self._size = 0

    @property
    def started(self) -> bool:
        return self._inner.started

    def start(self, status: int, headers: HeaderList, length: int | None) -> None:
        self._inner.start(status, headers, length)

    def write(self, data: bytes) -> None:
        self._inner.write(data)
        self._kept.append(data)
        self._size += len(data)
        if self._size > BURST:
            self.read()

    def finish(self, data: bytes = b"") -> None:
        self._inner.finish(data)

    def abort(self) -> None:
        self._inner.abort()

    def attach(self, source: Source | None) -> None:
        self._inner.attach(source)

    def read(self) -> None:
        """Let the joint see all that was written so far."""
        data = b"".join(self._kept)
        self._kept.clear()
        self._size = 0
        self._joint.read(data)

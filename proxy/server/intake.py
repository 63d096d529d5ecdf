"""The body of one admitted request, while it comes in."""

from collections.abc import Mapping
from typing import Protocol

from proxy.core.exchange import ClientRequest
from proxy.core.priorities import NORMAL
from proxy.server.admission import Admission

#: Bytes a second that a body must bring on average, beyond the time it is given at least.
BODY_RATE = 10 * 1024
#: Bytes of framing and of requests behind this one that do not count.
_SLACK = 512 * 1024


class BodyReader(Protocol):
    """Where the parser puts the body it decodes."""

    def read_nowait(self) -> bytes: ...

    def is_eof(self) -> bool: ...


class Intake:
    """Collects what the parser has decoded, emptying its reader at every step so that it never fills. A body of announced
    length can be collected directly instead: what comes from the socket is the body, up to its last byte."""

    __slots__ = ("_began", "_chunks", "_left", "_payload", "_received", "_wire", "admission", "headers")

    def __init__(
        self, admission: Admission, headers: Mapping[str, str], payload: BodyReader | None, began: float, length: int = 0
    ) -> None:
        """`payload` None: the body is collected directly, `length` bytes."""
        self.admission = admission
        self.headers = headers
        self._payload = payload
        self._left = length
        self._began = began
        self._chunks: list[bytes] = []
        self._received = 0
        self._wire = 0

    @property
    def size(self) -> int:
        """Bytes of body so far."""
        return self._received

    @property
    def direct(self) -> bool:
        return self._payload is None

    @property
    def complete(self) -> bool:
        return self._left == 0 if self._payload is None else self._payload.is_eof()

    @property
    def wants_continue(self) -> bool:
        """The client waits for a word from us before it sends its body."""
        return self._received == 0 and "expect" in self.headers

    def take(self, wire: int, limit: int) -> bool:
        """`wire` bytes were fed to the parser; False: the body is over `limit`. Framing counts too, with some slack:
        one-byte chunks cost time and memory far beyond their content."""
        if self._payload is None:
            raise ValueError("this body does not come through the parser")
        data = self._payload.read_nowait()
        if data:
            self._chunks.append(data)
        self._received += len(data)
        self._wire += wire
        return self._received <= limit and self._wire <= limit + _SLACK

    def collect_rest(self) -> bool:
        """From now on collect directly; False: where the body ends is not known beforehand."""
        length = self.headers.get("content-length")
        if length is None:
            return False
        self._left = int(length) - self._received
        self._payload = None
        return True

    def collect(self, data: bytes) -> bytes:
        """Take in what belongs to the body; gives back what does not."""
        surplus = b""
        if len(data) > self._left:
            data, surplus = data[: self._left], data[self._left :]
        self._chunks.append(data)
        self._received += len(data)
        self._left -= len(data)
        return surplus

    def due(self, patience: float) -> float:
        """Loop time at which this body is too slow."""
        return self._began + patience + self._received / BODY_RATE

    def request(self) -> ClientRequest:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return make_request(self.admission, self.headers, body, self._began)


def make_request(admission: Admission, headers: Mapping[str, str], body: bytes, began: float) -> ClientRequest:
    if admission.endpoint is None:
        raise ValueError("a page has no body to take in")
    identity = admission.identity
    request = ClientRequest(admission.endpoint, headers, body, identity.key, identity.routes, began)
    if identity.tags:
        request.tags = identity.tags
    if identity.priority != NORMAL:
        request.priority = identity.priority
    if admission.page:
        request.method, request.path, request.query = admission.method, admission.page, admission.query
    return request

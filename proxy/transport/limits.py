"""What the transport tolerates of a provider before it calls the answer garbage, and how long it keeps things."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bytes, seconds and counts.

    `head`: status line and headers of an answer, interim answers included. `framing`: bytes in a row that carry no body
    (chunk extensions, trailers). `decoded`: one answer after decompression; `ratio`: how many times larger than its
    compressed form it may be, judged beyond `ratio_from` decompressed bytes. `idle`: an unused connection is kept this
    long; `age`: a connection older than this is not reused. `drain`, `drain_bytes`: how much of a detached answer is
    waited for. `stagger`: head start of an address over the next one. `dns_ttl`: how long an answer of the resolver is
    fresh; `dns_patience`: how long to wait for a new one while an older one is at hand; `dns_limit`: when a lookup
    is given up. `connections`: of a pool that was not given a limit of its own.
    """

    head: int = 64 * 1024
    headers: int = 128
    framing: int = 16 * 1024
    decoded: int = 128 * 1024 * 1024
    ratio: int = 200
    ratio_from: int = 1024 * 1024
    idle: float = 55.0
    age: float = 600.0
    drain: float = 1.0
    drain_bytes: int = 64 * 1024
    stagger: float = 0.25
    dns_ttl: float = 30.0
    dns_patience: float = 0.05
    dns_limit: float = 10.0
    connections: int = 1024

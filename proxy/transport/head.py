"""What llhttp leaves open about an answer's head: which are ours to take, and how the body will end."""

from collections.abc import Mapping

from proxy.transport.limits import TransportLimits

#: The headers that framing and decoding depend on.
NOTABLE = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})
#: RFC 9112 section 6.3: these end with their head, whatever the headers say.
BODILESS = frozenset({204, 304})
VERSIONS = frozenset({"1.1", "1.0"})
SWITCHING_PROTOCOLS = 101


def objection(status: int, version: str, count: int, notable: Mapping[bytes, bytes], limits: TransportLimits) -> str | None:
    """What is wrong with a head of `count` headers, for people; None: nothing. llhttp has already refused conflicting and
    repeated lengths, lengths beside a transfer-encoding, folded lines, bare CR or LF and control characters."""
    if version not in VERSIONS:
        return f"unknown version HTTP/{version}"
    if not 100 <= status <= 599 or status == SWITCHING_PROTOCOLS:
        return f"unexpected status {status}"
    if count > limits.headers:
        return f"more than {limits.headers} headers"
    transfer = notable.get(b"transfer-encoding")
    if transfer is not None and transfer.lower() != b"chunked":
        return f"unknown transfer-encoding {transfer.decode('latin-1')[:40]!r}"
    return None


def ends_with_connection(status: int, notable: Mapping[bytes, bytes]) -> bool:
    """Whether only the end of the connection ends this body."""
    return not (b"content-length" in notable or b"transfer-encoding" in notable or status in BODILESS)

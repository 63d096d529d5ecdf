import pytest

from proxy.transport.head import ends_with_connection, objection
from proxy.transport.limits import TransportLimits

LIMITS = TransportLimits()


@pytest.mark.parametrize(
    ("status", "version", "count", "transfer", "words"),
    [
        (200, "1.1", 0, None, None),
        (200, "1.0", 128, b"Chunked", None),
        (599, "1.1", 1, b"chunked", None),
        (200, "2.0", 0, None, "unknown version HTTP/2.0"),
        (101, "1.1", 0, None, "unexpected status 101"),
        (99, "1.1", 0, None, "unexpected status 99"),
        (600, "1.1", 0, None, "unexpected status 600"),
        (200, "1.1", 129, None, "more than 128 headers"),
        (200, "1.1", 1, b"gzip, chunked", "unknown transfer-encoding 'gzip, chunked'"),
        (200, "1.1", 1, b"\xff" * 50, f"unknown transfer-encoding '{'ÿ' * 40}'"),
    ],
)
def test_objection(status: int, version: str, count: int, transfer: bytes | None, words: str | None) -> None:
    notable = {} if transfer is None else {b"transfer-encoding": transfer}
    assert objection(status, version, count, notable, LIMITS) == words


def test_what_ends_a_body() -> None:
    assert ends_with_connection(200, {})
    assert ends_with_connection(200, {b"content-encoding": b"gzip"})
    assert not ends_with_connection(204, {})
    assert not ends_with_connection(304, {})
    assert not ends_with_connection(200, {b"content-length": b"0"})
    assert not ends_with_connection(200, {b"transfer-encoding": b"chunked"})

"""Bodies while they come in."""

import pytest

from proxy.core.endpoints import Endpoint
from proxy.server.admission import Admission
from proxy.server.application import Identity
from proxy.server.intake import Intake


class FakeReader:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.eof = False

    def read_nowait(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def is_eof(self) -> bool:
        return self.eof


def make(reader: FakeReader, **headers: str) -> Intake:
    return Intake(Admission(Identity("k", frozenset({"r"})), Endpoint.CHAT), headers, reader, 100.0)


def test_pieces_become_one_body() -> None:
    reader = FakeReader()
    intake = make(reader)
    reader.pieces = [b"ab", b"", b"cd"]
    assert all(intake.take(4, 10) for _ in range(3))
    assert not intake.complete
    reader.eof = True
    request = intake.request()
    assert intake.complete
    assert (request.body, request.key, request.routes, request.arrived) == (b"abcd", "k", {"r"}, 100.0)


def test_a_single_piece_is_not_copied() -> None:
    reader = FakeReader()
    body = b"x" * 1000
    reader.pieces = [body]
    intake = make(reader)
    assert intake.take(1000, 1000)
    assert intake.request().body is body


def test_the_limit_holds_for_content_and_for_framing() -> None:
    reader = FakeReader()
    intake = make(reader)
    reader.pieces = [b"x" * 10, b"x"]
    assert intake.take(10, 10)
    assert not intake.take(10, 10)
    assert not make(FakeReader()).take(1_000_000, 10)


def test_what_has_come_buys_time() -> None:
    reader = FakeReader()
    intake = make(reader)
    assert intake.due(30.0) == 130.0
    reader.pieces = [b"x" * 102_400]
    intake.take(0, 10**6)
    assert intake.due(30.0) == 140.0


def test_who_waits_for_a_word() -> None:
    assert make(FakeReader(), expect="100-continue").wants_continue
    assert not make(FakeReader()).wants_continue
    reader = FakeReader()
    reader.pieces = [b"x"]
    intake = make(reader, expect="100-continue")
    intake.take(1, 10)
    assert not intake.wants_continue


def test_pages_take_no_body_in() -> None:
    with pytest.raises(ValueError, match="page"):
        Intake(Admission(Identity(), None, "/health"), {}, FakeReader(), 0.0).request()

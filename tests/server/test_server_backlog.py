"""Early bytes: order kept, amount bounded."""

from proxy.server.backlog import MAX_HELD, Backlog


class FakeTransport:
    def __init__(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def is_closing(self) -> bool:
        return False


def test_bytes_come_back_in_order() -> None:
    backlog = Backlog(FakeTransport())
    assert not backlog
    backlog.hold(b"b")
    backlog.hold(b"c")
    backlog.put_back(b"a")
    backlog.put_back(b"")
    assert backlog
    assert (backlog.take(), backlog.take()) == (b"abc", b"")
    assert not backlog


def test_above_the_bound_the_socket_is_left_unread_until_all_is_taken() -> None:
    transport = FakeTransport()
    backlog = Backlog(transport)
    backlog.hold(b"x" * MAX_HELD)
    assert transport.reading
    backlog.hold(b"x")
    backlog.hold(b"x")
    assert not transport.reading
    assert len(backlog.take()) == MAX_HELD + 2
    assert transport.reading


def test_what_is_put_back_counts() -> None:
    transport = FakeTransport()
    backlog = Backlog(transport)
    backlog.put_back(b"x" * (MAX_HELD + 1))
    assert not transport.reading


def test_a_refused_client_is_read_from_up_to_a_limit() -> None:
    transport = FakeTransport()
    backlog = Backlog(transport)
    backlog.discard(60, 100)
    assert transport.reading
    backlog.discard(60, 100)
    backlog.discard(60, 100)
    assert not transport.reading
    assert not backlog

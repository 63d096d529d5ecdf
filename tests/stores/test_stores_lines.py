import io
import threading

import pytest

from proxy.stores.lines import LineWriter


class Failing(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


class Stuck(io.StringIO):
    """A pipe that nobody reads, until somebody does."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.release = threading.Event()

    def write(self, text):
        self.entered.set()
        self.release.wait()
        return super().write(text)


def test_lines_come_out_in_order():
    stream = io.StringIO()
    writer = LineWriter(stream)
    for number in range(1000):
        writer.write(f"line {number}")
    writer.close()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1000)]
    assert writer.dropped == 0
    assert repr(writer) == "<LineWriter 0 waiting, 0 dropped>"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        BrokenPipeError(),
        ValueError("closed"),
        UnicodeEncodeError("ascii", "é", 0, 1, "x"),
    ],
)
def test_a_failing_stream_costs_lines_and_nothing_else(error):
    writer = LineWriter(Failing(error))
    writer.write("one")
    writer.write("two")
    writer.close()
    assert writer.dropped == 2


def test_a_stuck_stream_costs_lines_beyond_the_capacity():
    stream = Stuck()
    writer = LineWriter(stream, capacity=3)
    writer.write("first")
    assert stream.entered.wait(5)
    for number in range(10):
        writer.write(f"{number}")
    assert writer.dropped == 7
    stream.release.set()
    writer.close(5)
    assert stream.getvalue() == "first\n0\n1\n2\n"


def test_closing_does_not_wait_for_a_stuck_stream():
    stream = Stuck()
    writer = LineWriter(stream)
    writer.write("first")
    assert stream.entered.wait(5)
    writer.close(0.01)
    writer.write("late")
    assert writer.dropped == 1
    stream.release.set()


def test_closing_without_lines():
    writer = LineWriter(io.StringIO())
    writer.close()
    writer.close()
    writer.write("late")
    assert writer.dropped == 1

import io

import pytest

from proxy.cli.terminal import Terminal, wants_color


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_only_where_somebody_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wants_color(Screen())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Screen())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_color(Screen())


def test_paint() -> None:
    assert Terminal(Screen()).paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert Terminal(io.StringIO()).paint("x", "red") == "x"


def test_tables_line_up() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.table([("a", "bbb", "c"), ("aaaa", "b", "")])
    terminal.table([])
    assert stream.getvalue() == "  a     bbb  c\n  aaaa  b\n"

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import __version__
from proxy.cli import main as command
from proxy.cli.main import COMMANDS, UNWANTED, main
from proxy.core.errors import ConfigError, ConfigProblem


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_parser(self, commands) -> None:
        commands.add_parser("schema")

    def run(self, args: object) -> int:
        raise self.error


def run_failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(command, "_load", lambda name: Failing(error))
    return main(["schema"])


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"undimmed {__version__}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["check", "--nonsense"], ["explain"], ["explain", "m", "--tokens", "-3"]]
)
def test_wrong_usage_is_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_every_mistake_is_shown_and_the_status_is_1(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    problems = [ConfigProblem("is bad", "f", 1, "a"), ConfigProblem("is worse", "f", 2, "b")]
    assert run_failing(ConfigError(problems), monkeypatch) == 1
    assert capsys.readouterr().err == "error: f:1: a: is bad\nerror: f:2: b: is worse\n2 mistakes\n"


def test_a_bug_is_one_line(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_failing(RuntimeError("sk-secret"), monkeypatch) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "RuntimeError" in shown
    assert "please report" in shown
    assert "sk-secret" not in shown


def test_a_bug_with_its_trace_for_those_who_ask(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("UNDIMMED_DEBUG", "1")
    assert run_failing(RuntimeError("x"), monkeypatch) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_failing(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.live
def test_the_module_is_the_command_and_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-m", "proxy", "schema"]
    done = subprocess.run(words, cwd=root, capture_output=True, check=True)
    assert json.loads(done.stdout)["title"] == "Document"
    script = f"{sys.executable} -m proxy schema | true; exit ${{PIPESTATUS[0]}}"
    piped = subprocess.run(["bash", "-c", script], cwd=root, capture_output=True, check=False)
    assert (piped.returncode, piped.stderr) == (UNWANTED, b"")


@pytest.mark.live
def test_the_command_line_alone_loads_nothing_heavy() -> None:
    heavy = ["pydantic", "rich", "aiohttp", "yaml", "asyncio"]
    check = f"import sys, proxy.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=Path(__file__).parents[2], capture_output=True, check=True, text=True
    )
    assert done.stdout == "[]\n"

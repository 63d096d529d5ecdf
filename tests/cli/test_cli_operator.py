"""What an operator's shell does to the command: standard streams that are closed or full, addresses that are taken."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from proxy.cli import main as command
from proxy.cli import terminal
from proxy.cli.main import INVALID, UNWANTED, main
from proxy.cli.terminal import ClosedStream, OutputLost, Terminal, flush, repair_streams

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
ME = f"{sys.executable} -m proxy"
CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "off", drain: 1s}}
providers: {{a: {{kind: custom, base_url: "http://127.0.0.1:9/v1", probe: {{kind: passive}}}}}}
routes: [{{model: m, targets: [a/x]}}]
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def write_config(folder: Path, port: int) -> Path:
    path = folder / "f.yaml"
    path.write_text(CONFIG.format(port=port))
    return path


def page(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def await_page(process: subprocess.Popen[bytes], port: int, path: str) -> str:
    while process.poll() is None:
        try:
            return page(port, path)
        except (OSError, HTTPException):
            time.sleep(0.02)
    raise AssertionError(f"ended with status {process.returncode}")


class TestRunning:
    @pytest.mark.live
    @pytest.mark.parametrize("how", [">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
    def test_without_streams_to_write_to(self, tmp_path: Path, how: str) -> None:
        port = free_port()
        words = ["bash", "-c", f"exec {ME} run {write_config(tmp_path, port)} {how}"]
        with subprocess.Popen(words, cwd=ROOT) as process:
            assert "live" in await_page(process, port, "/health/live")
            # The line that says that it listens goes nowhere, and is counted.
            while not re.search(r"^undimmed_log_lines_dropped_total [1-9]", page(port, "/metrics"), re.MULTILINE):
                time.sleep(0.02)
            # Nothing that belongs to the proxy may have the number of a stream that others write to.
            for number in (1, 2):
                assert "socket" not in os.readlink(f"/proc/{process.pid}/fd/{number}")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0

    @pytest.mark.live
    @pytest.mark.parametrize("which", ["listen", "admin"])
    def test_an_address_in_use_is_named_with_its_key(self, tmp_path: Path, which: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            words = [*ME.split(), "run", str(write_config(tmp_path, free_port())), f"--{which}", address]
            done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 3
        told = done.stderr.decode().splitlines()[-1]
        assert told == f"undimmed: cannot start: cannot listen on {address} (server.{which}): address already in use"


class TestResults:
    @pytest.mark.live
    @pytest.mark.parametrize("words", ["schema", "check f.yaml", "explain m --config f.yaml"])
    def test_that_cannot_be_written_are_an_error(self, tmp_path: Path, words: str) -> None:
        write_config(tmp_path, free_port())
        script = f"cd {tmp_path}; PYTHONPATH={ROOT} {ME} {words}"
        full = subprocess.run(["bash", "-c", f"{script} > /dev/full"], capture_output=True, check=False)
        assert (full.returncode, full.stderr) == (1, b"error: the output could not be written: No space left on device\n")
        closed = subprocess.run(["bash", "-c", f"{script} >&-"], capture_output=True, check=False)
        assert (closed.returncode, closed.stderr) == (1, b"error: the output could not be written: Bad file descriptor\n")

    @pytest.mark.live
    def test_mistakes_that_nobody_can_be_told_keep_their_status(self, tmp_path: Path) -> None:
        for how in ("2>/dev/full", "2>&-"):
            done = subprocess.run(["bash", "-c", f"{ME} check {tmp_path}/none {how}"], cwd=ROOT, check=False)
            assert done.returncode == 1

    def test_a_disk_that_is_full_without_a_terminal_in_between(self, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        class Full:
            def add_parser(self, commands) -> None:
                commands.add_parser("demo")

            def run(self, args: object) -> int:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(command, "_load", lambda name: Full())
        assert main(["demo"]) == INVALID
        assert capsys.readouterr().err == "error: the output could not be written: No space left on device\n"

    def test_other_system_errors_are_still_bugs(self, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        class Broken:
            def add_parser(self, commands) -> None:
                commands.add_parser("schema")

            def run(self, args: object) -> int:
                raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(command, "_load", lambda name: Broken())
        assert main(["schema"]) == INVALID
        assert "bug" in capsys.readouterr().err


class TestStreams:
    def test_results_are_vital_and_everything_else_is_not(self) -> None:
        Terminal(ClosedStream()).say("nobody hears it")
        with pytest.raises(OutputLost, match="Bad file descriptor"):
            Terminal(ClosedStream(), vital=True).say("a result")

    def test_a_reader_that_has_gone_is_told_from_a_disk_that_is_full(self) -> None:
        assert OutputLost(BrokenPipeError(32, "Broken pipe")).unwanted
        assert not OutputLost(OSError(28, "No space left on device")).unwanted
        assert command._report_lost(OutputLost(BrokenPipeError(32, "Broken pipe"))) == UNWANTED

    def test_what_a_stream_does_not_take_is_thrown_away(self) -> None:
        with FULL.open("w") as stream:
            stream.write("lost")
            error = flush(stream)
            assert error is not None
            assert error.errno == 28
            assert flush(stream) is None

    def test_missing_streams_are_made_up_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(terminal.sys, "stdout", None)
        monkeypatch.setattr(terminal.sys, "stderr", None)
        repair_streams()
        assert not sys.stdout.isatty()
        with pytest.raises(OSError, match="Bad file"):
            print("x", file=sys.stderr)

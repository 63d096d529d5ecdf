"""The proxy as people run it: `python -m proxy run FILE`, in a process of its own."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "off", drain: 5s}}
providers: {{a: {{kind: custom, base_url: "{base_url}", max_connections: 4000}}}}
routes: [{{model: lamp, targets: [a/m], timeout: {{first_content: 60s, idle: 5m}}}}]
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class ProxyProcess:
    """Start it by `with`; it is ready then. `ready_after`: seconds from its start to its listening line."""

    def __init__(self, folder: Path, base_url: str, more: str = "") -> None:
        """`more`: further sections of the configuration."""
        self.host, self.port = "127.0.0.1", free_port()
        self.log = folder / "log"
        self._config = folder / "undimmed.yaml"
        self._config.write_text(CONFIG.format(port=self.port, base_url=base_url) + more)
        self.ready_after = 0.0

    def __enter__(self) -> "ProxyProcess":
        began = time.perf_counter()
        argv = [sys.executable, "-m", "proxy", "run", str(self._config), "--log-format", "json", "--no-access-log"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
        while not self.said("listening"):
            assert self.process.poll() is None, self.log.read_text()
            assert time.perf_counter() < began + 60, self.log.read_text()
            time.sleep(0.005)
        self.ready_after = time.perf_counter() - began
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def said(self, event: str) -> list[dict[str, object]]:
        """The log lines of this event so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def wait_for(self, event: str) -> None:
        """Until there is a log line of this event."""
        began = time.perf_counter()
        while not self.said(event):
            assert time.perf_counter() < began + 60, self.log.read_text()
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def resident(self, readings: int = 5) -> int:
        """Bytes of resident memory: the least of some readings, since what was freed is given back late."""
        least = sys.maxsize
        for _ in range(readings):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            least = min(least, int(line.split()[1]) * 1024)
            time.sleep(0.05)
        return least

"""`undimmed alerts test` against webhooks on loopback."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cli_servers import serving

from proxy.cli.main import main

pytestmark = pytest.mark.live


@contextlib.contextmanager
def hooks(seen: list[tuple[str, dict[str, str], bytes]]) -> Iterator[int]:
    """Takes what is posted; `/gone` answers 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(404 if self.path == "/gone" else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield http.server_address[1]
        finally:
            http.shutdown()
            thread.join()


def write(folder: Path, alerts: str) -> None:
    (folder / "undimmed.yaml").write_text(f"providers: {{a: {{kind: vllm, direct: true}}}}\nalerts: [{alerts}]\n")


def test_each_webhook_gets_one_message_and_says_what_came_back(folder: Path, capsys) -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []
    with hooks(seen) as port:
        base = f"http://127.0.0.1:{port}"
        write(
            folder,
            f"{{webhook: '{base}/token-9a', name: ops, secret: {'s' * 30}, when: target}}, "
            f"{{webhook: '{base}/gone', format: slack}}",
        )
        assert main(["alerts", "test"]) == 1
    shown = capsys.readouterr().out
    first, second = shown.splitlines()
    assert first.split() == ["webhook", "ops", "json,", "signed", "took", "it"]
    assert second.split() == ["webhook", "2", "slack,", "not", "signed", "answered", "404"]
    assert "token-9a" not in shown
    bodies = {path: (headers, json.loads(body)) for path, headers, body in seen}
    headers, message = bodies["/token-9a"]
    assert headers["webhook-signature"].startswith("v1,")
    assert message["type"] == "alert.test"
    assert message["data"]["text"] == "This is a test: messages about target will come here"
    assert bodies["/gone"][1]["blocks"][0]["text"]["text"] == "Test of Undimmed's alerts"


def test_a_file_by_name_and_status_0(folder: Path, capsys) -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []
    with hooks(seen) as port:
        write(folder, f"{{webhook: 'http://127.0.0.1:{port}/'}}")
        (folder / "undimmed.yaml").rename(folder / "other.yaml")
        assert main(["alerts", "test", "other.yaml"]) == 0
    assert "took it" in capsys.readouterr().out


def test_nobody_there(folder: Path, capsys) -> None:
    with serving(lambda *_: (200, {}, b"")) as port:
        pass
    write(folder, f"{{webhook: 'http://127.0.0.1:{port}/'}}")
    assert main(["alerts", "test"]) == 1
    assert "cannot be reached: connection refused" in capsys.readouterr().out


def test_no_webhooks(folder: Path, file: Path, capsys) -> None:
    assert main(["alerts", "test"]) == 1
    assert "undimmed.yaml has no webhooks" in capsys.readouterr().err

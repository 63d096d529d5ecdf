import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from proxy.config.local_servers import list_models

pytestmark = pytest.mark.live


@contextlib.contextmanager
def server(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[tuple[int, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {self.headers.get('authorization')}")
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield http.server_address[1], seen
        finally:
            http.shutdown()
            thread.join()


LIST = json.dumps({"data": [{"id": "a"}, {"id": "b"}, {"id": 3}, "x"]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "headers", "models"),
    [
        (200, LIST, {}, ("a", "b")),
        (200, b'{"data": null}', {}, ()),
        (401, b"", {}, ()),
        (404, b"", {}, None),
        (200, b"<html>", {}, None),
        (200, b"[]", {}, None),
        (200, b'{"hello": 1}', {}, None),
        (302, b"", {"location": "http://example.com/"}, None),
        (200, LIST, {"X-Undimmed-Request-Id": "1"}, None),
    ],
)
def test_what_a_model_server_is(status: int, body: bytes, headers: dict[str, str], models: tuple[str, ...] | None) -> None:
    with server(status, body, headers) as (port, seen):
        assert list_models(port) == models
        assert seen == ["/v1/models None"]


def test_the_key_is_shown_where_there_is_one() -> None:
    with server(200, LIST) as (port, seen):
        list_models(port, "k")
    assert seen == ["/v1/models Bearer k"]


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert list_models(unused.getsockname()[1]) is None

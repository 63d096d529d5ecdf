import socket
import ssl
from pathlib import Path

import pytest
from cli_servers import serving

from proxy.cli import check
from proxy.cli.check import ask, judge_status
from proxy.cli.main import main
from proxy.core.exchange import UpstreamRequest
from proxy.core.settings import Origin
from proxy.stores.price_file import bundled


def test_a_valid_file(file: Path, capsys) -> None:
    assert main(["check"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "undimmed.yaml is valid: 2 providers, 1 route, 3 targets"
    assert second == f"prices: {bundled()}"
    assert str(bundled().date) in second


def test_every_mistake_and_status_1(folder: Path, capsys) -> None:
    (folder / "f.yaml").write_text("providers: {a: {kind: vlm}}\nroutes:\n  - {model: m, targets: [b/x], strategy: fast}\n")
    assert main(["check", "f.yaml"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split(": ")[1] for line in shown.err.splitlines()[:-1]] == ["f.yaml:1", "f.yaml:3", "f.yaml:3"]


def test_the_environment_can_be_checked(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("XAI_API_KEY", "k")
    assert main(["check"]) == 0
    assert "environment is valid: 1 provider" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "ok", "words"),
    [(200, True, "ok"), (302, False, "redirects"), (401, False, "not accepted"), (404, None, "no free call"),
     (429, None, "rate"), (500, False, "status 500")],
)  # fmt: skip
def test_what_a_status_means(status: int, ok: bool | None, words: str) -> None:
    found, text = judge_status(status)
    assert found is ok
    assert words in text


@pytest.mark.live
def test_online_asks_once_per_credential_and_never_shows_a_key(folder: Path, capsys) -> None:
    asked: list[tuple[str, str]] = []

    def answer(path: str, key: str) -> tuple[int, dict[str, str], bytes]:
        asked.append((path, key))
        return (200 if key == "Bearer sk-good" else 401), {}, b"{}"

    with serving(answer) as port:
        (folder / "f.yaml").write_text(
            f"providers: {{p: {{kind: openai, base_url: 'http://127.0.0.1:{port}/v1', direct: true, "
            "credentials: [sk-good, sk-bad]}}\n"
        )
        assert main(["check", "f.yaml", "--online"]) == 1
        shown = capsys.readouterr().out
        assert sorted(asked) == [("/v1/models", "Bearer sk-bad"), ("/v1/models", "Bearer sk-good")]
        assert "p#1  ok (200)" in shown
        assert "p#2  the key is not accepted (401)" in shown
        assert "sk-" not in shown
        (folder / "f.yaml").write_text((folder / "f.yaml").read_text().replace(", sk-bad", ""))
        assert main(["check", "f.yaml", "--online"]) == 0


@pytest.mark.live
def test_online_fetches_a_token_first(folder: Path, capsys) -> None:
    asked: list[str] = []

    def answer(path: str, key: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(key)
        return 200, {}, b"{}"

    with serving(answer) as port:
        (folder / "f.yaml").write_text(
            f"providers: {{p: {{kind: openai, base_url: 'http://127.0.0.1:{port}/v1', direct: true, credentials: ["
            '{command: [echo, sk-printed]}, {command: ["false"]}, '
            f"{{oauth2: {{token_url: 'http://127.0.0.1:{port}/token', client_id: me, client_secret: sk-secret}}}}]}}}}\n"
        )
        assert main(["check", "f.yaml", "--online"]) == 1
    shown = capsys.readouterr().out
    assert asked == ["Bearer sk-printed"]
    assert "p#1  has a token; ok (200)" in shown
    assert "p#2  no token: the command false ended with status 1" in shown
    assert f"p#3  no token: 127.0.0.1:{port} answered 501" in shown
    assert "sk-" not in shown


@pytest.mark.live
def test_redirects_are_not_followed(folder: Path, capsys) -> None:
    asked: list[str] = []

    def answer(path: str, key: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return 302, {"location": "/elsewhere"}, b""

    with serving(answer) as port:
        (folder / "f.yaml").write_text(
            f"providers: {{p: {{kind: openai, base_url: 'http://127.0.0.1:{port}/v1', direct: true}}}}\n"
        )
        assert main(["check", "f.yaml", "--online"]) == 1
    assert asked == ["/v1/models"]
    assert "p  redirects elsewhere" in capsys.readouterr().out


@pytest.mark.live
def test_a_provider_that_cannot_be_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert ask(UpstreamRequest("p", Origin("http", "127.0.0.1", port), b"")) == (
            False,
            f"nothing listens at 127.0.0.1:{port}",
        )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "cannot be resolved"),
        (TimeoutError(), "no answer within"),
        (ssl.SSLError(1, "sk-secret"), "no TLS connection"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (check.http.client.BadStatusLine("sk-secret"), "not HTTP"),
    ],
)
def test_why_a_call_came_to_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    ok, text = ask(UpstreamRequest("p", Origin("https", "x.example", 443), b"sk-secret"))
    assert ok is False
    assert words in text
    assert "sk-secret" not in text

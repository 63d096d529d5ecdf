import json
from pathlib import Path

import pytest
from cli_servers import serving

from proxy.cli.explain import find_route, show_price, static_rows
from proxy.cli.main import main
from proxy.config.load import parse
from proxy.core.call import Needs
from proxy.core.usage import Price

TEXT = """
providers: {a: {kind: vllm, direct: true}, b: {kind: ollama}}
routes:
  - {model: "m*", targets: [b/glob]}
  - model: [m, n]
    targets: [{to: a/x, context_window: 8k, price: {input: 2.5, output: 10}}, [b/y, {to: b/z, when: {images: true}}]]
  - {model: w, targets: [[a/x, b/y]], strategy: fastest}
  - {model: picky, targets: [{to: a/p, when: {tools: true}}]}
"""
SETTINGS = parse(TEXT, "f.yaml", {})


def notes(model: str, needs: Needs) -> dict[str, str]:
    route = find_route(SETTINGS, model)
    assert route is not None
    return {target: note for _, target, _, note in static_rows(route, needs)}


def test_routes_are_found_as_the_running_proxy_finds_them() -> None:
    found = {
        model: route.name for model in ("m", "n", "mx", "a/any", "b/any", "zzz") if (route := find_route(SETTINGS, model))
    }
    assert found == {"m": "m", "n": "m", "mx": "m*", "a/any": "direct"}


def test_which_target_in_which_order_and_which_are_skipped() -> None:
    assert notes("m", Needs()) == {"a/x": "asked first", "b/y": "", "b/z": "skipped: it is for requests with images"}
    long = notes("m", Needs(tokens=9000, images=True))
    assert long["a/x"] == "skipped: the request has about 9000 tokens, its context holds 8000"
    assert (long["b/y"], long["b/z"]) == ("asked first", "")
    assert notes("w", Needs()) == {"a/x": "asked first if fastest picks it", "b/y": "asked first if fastest picks it"}


def test_unknown_prices_are_unknown() -> None:
    assert show_price(None) == "unknown"
    assert show_price(Price(2_500_000_000, 10**10, None, 5_000_000)) == "$2.5 in, $10 out, $0.005 a request"
    assert show_price(Price(0, 0)) == "$0 in, $0 out"


def test_prices_are_shown_with_what_they_depend_on() -> None:
    price = Price(3 * 10**9, 15 * 10**9, 3 * 10**8, tiers=((200_000, Price(6 * 10**9, 22_500_000_000)),))
    assert show_price(price) == "$3 in, $0.3 cached, $15 out, above 200,000 tokens $6 in, $22.5 out"


def test_bundled_prices_are_shown() -> None:
    text = "providers: {o: {kind: openai, credentials: k, direct: true}}\nroutes: [{model: m, targets: [o/gpt-4o]}]"
    settings = parse(text, "f.yaml", {})
    for name in ("m", "o/gpt-4o"):
        route = find_route(settings, name)
        assert route is not None
        assert [price for _, _, price, _ in static_rows(route, Needs())] == ["$2.5 in, $1.25 cached, $10 out"]


@pytest.fixture
def config(folder: Path) -> Path:
    # Nobody listens at port 1, so that nothing on this machine answers for the proxy.
    path = folder / "undimmed.yaml"
    path.write_text("server: {admin: 127.0.0.1:1}\n" + TEXT)
    return path


@pytest.mark.live
def test_without_a_running_proxy_the_file_speaks(config: Path, capsys) -> None:
    assert main(["explain", "n", "--tokens", "9000"]) == 0
    shown = capsys.readouterr().out
    assert "No running proxy" in shown
    assert "n: route m, strategy ordered, up to 3 attempts" in shown
    assert "1     a/x     $2.5 in, $10 out   skipped: the request has about 9000 tokens" in shown


@pytest.mark.live
def test_what_fits_nothing_is_said_so(config: Path, capsys) -> None:
    assert main(["explain", "picky"]) == 0
    assert "it would be refused" in capsys.readouterr().out


@pytest.mark.live
def test_an_unknown_model_has_neighbours(config: Path, capsys) -> None:
    assert main(["explain", "pickyy"]) == 1
    assert 'no route for "pickyy"; did you mean picky?' in capsys.readouterr().err


VIEW = {
    "model": "m",
    "route": "m",
    "goes_to": "b/y",
    "targets": [
        {
            "target": "a/x",
            "tier": 1,
            "price": {"input": "2", "output": "8", "from": "file"},
            "why": "open: 5 failures in a row",
            "status_page": "status page: major",
        },
        {"target": "b/y", "tier": 2, "why": "goes here"},
    ],
}


@pytest.mark.live
def test_the_running_proxy_is_asked_first(folder: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setenv("UNDIMMED_KEY", "k")

    def answer(path: str, key: str) -> tuple[int, dict[str, str], bytes]:
        asked.append((path, key))
        return 200, {}, json.dumps(VIEW).encode()

    with serving(answer) as port:
        assert main(["explain", "m", "--tools", "--tokens", "5", "--admin", f"http://127.0.0.1:{port}"]) == 0
        (folder / "undimmed.yaml").write_text(f"server: {{admin: 127.0.0.1:{port}}}\n" + TEXT)
        assert main(["explain", "m&x=1"]) == 0
    assert asked == [("/explain?model=m&tools=1&tokens=5", "Bearer k"), ("/explain?model=m%26x%3D1", "Bearer k")]
    shown = capsys.readouterr().out
    assert "m: route m, goes to b/y" in shown
    rows = [line.split() for line in shown.splitlines()[2:4]]
    assert rows[0][:7] == ["1", "a/x", "$2", "in,", "$8", "out", "(file)"]
    assert "open: 5 failures in a row" in shown
    assert rows[1][:3] == ["2", "b/y", "unknown"]
    assert "a: status page: major" in shown


@pytest.mark.live
@pytest.mark.parametrize(
    ("status", "body", "words", "code"),
    [
        (404, b'{"error": {"message": "There is no model m."}}', "error: There is no model m.", 1),
        (401, b"{}", "wants a client key in UNDIMMED_KEY", 0),
        (200, b"<html>", "", 0),
        (404, b"{}", "", 0),
    ],
)
def test_other_answers(config: Path, capsys, status: int, body: bytes, words: str, code: int) -> None:
    with serving(lambda path, key: (status, {}, body)) as port:
        assert main(["explain", "m", "--admin", f"127.0.0.1:{port}"]) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert ("No running proxy" in shown.out) is (code == 0)

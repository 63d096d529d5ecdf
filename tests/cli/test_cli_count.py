import io
import json
from pathlib import Path

import pytest

from proxy.cli.main import main

CONFIG = """
providers: {o: {kind: openai, credentials: k}, v: {kind: vllm, base_url: "http://localhost:9"}}
routes:
  - model: lamp
    targets: [{to: v/own, price: {input: 2, output: 8}, context_window: 100}, o/gpt-4o, v/free]
"""
BODY = {"model": "lamp", "max_tokens": 90, "messages": [{"role": "user", "content": "Keep the light on."}]}


@pytest.fixture
def request_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "undimmed.yaml").write_text(CONFIG)
    path = tmp_path / "request.json"
    path.write_text(json.dumps(BODY))
    return path


def test_a_table(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["count", str(request_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lamp: route lamp, read as chat"
    assert lines[2].split() == ["v/own", "12", "$0.000024", "90", "$0.00072", "$0.000744", "no"]
    assert lines[3].split()[:3] == ["o/gpt-4o", "12", "$0.00003"]
    assert lines[4].split()[:4] == ["v/free", "12", "unknown", "90"]


def test_json_from_standard_input(
    request_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps({"input": "light", "instructions": "on"}).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main(["count", "-", "--model", "lamp", "--format", "json"]) == 0
    view = json.loads(capsys.readouterr().out)
    assert (view["model"], view["endpoint"]) == ("lamp", "responses")
    assert [row["target"] for row in view["targets"]] == ["v/own", "o/gpt-4o", "v/free"]
    assert view["targets"][1]["price"]["from"].startswith("list of 20")
    assert view["targets"][0]["output_tokens"] == 1000


def test_a_lower_bound_says_so(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    request_file.write_text(json.dumps({**BODY, "messages": [{"role": "user", "content": [image]}]}))
    assert main(["count", str(request_file)]) == 0
    assert "at least" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        ("nonsense", [], "has to be a JSON object"),
        (json.dumps({**BODY, "model": "other"}), [], 'has no route for "other"'),
        (json.dumps(BODY), ["--model", "other"], 'has no route for "other"'),
    ],
)
def test_what_is_wrong_is_said(
    request_file: Path, capsys: pytest.CaptureFixture[str], body: str, options: list[str], words: str
) -> None:
    request_file.write_text(body)
    assert main(["count", str(request_file), *options]) == 1
    assert words in capsys.readouterr().err


def test_a_file_that_is_not_there(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["count", "gone.json"]) == 1
    assert "gone.json cannot be read" in capsys.readouterr().err

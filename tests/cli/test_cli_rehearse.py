"""`undimmed rehearse`: what it prints, what it writes, and what it tells a pipeline by its exit status."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from proxy.cli.main import main
from proxy.cli.rehearse_text import show_seconds, show_share
from proxy.rehearse.findings import Figures

SOUND = """
providers:
  openai: {kind: openai, credentials: ["${NOBODY_HAS_SET_THIS}", two]}
  anthropic: {kind: anthropic, credentials: [one, two]}
routes: [{model: m, targets: [openai/gpt-5, anthropic/claude-sonnet-4-5], timeout: {first_content: 6s}}]
"""
BARE = """
providers: {openai: {kind: openai, credentials: [one, two]}}
routes: [{model: "<m>", targets: [openai/gpt-5, "openai/gpt-5&mini"], timeout: {first_content: 6s}}]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "u.yaml"
    path.write_text(text)
    return str(path)


def test_a_table_and_exit_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", write(tmp_path, SOUND), "--outage", "d4", "--outage", "D7", "--duration", "2m"]) == 0
    text = capsys.readouterr().out
    assert "u.yaml through 2 outages, directly and proxied" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert re.search(r"openai +[45]\d\.\d% +100% ", lines["D4"])
    assert "nobody here" in lines["D7"]
    assert lines["D7"].endswith("no key here is a token that ends")
    assert "passed faster than they did in reality" in text


def test_lost_requests_are_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """D24 cuts streams in their middle, which this route does not let anybody go on with."""
    assert main(["rehearse", write(tmp_path, SOUND), "--outage", "D24", "--duration", "10m"]) == 1
    text = capsys.readouterr().out
    assert re.search(r"D24 .* \d+ lost", text)
    assert "Requests were lost although another provider was healthy: D24" in text


def test_json_holds_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["rehearse", write(tmp_path, SOUND), "--outage", "D4", "--rps", "2", "--duration", "1m", "--seed", "7"]
    assert main([*args, "--mix", "m=1,stream=1", "--format", "json"]) == 0
    view = json.loads(capsys.readouterr().out)
    [found] = view["findings"]
    assert found["hit"] == ["openai"]
    assert found["rps"] == 2
    assert found["direct"]["errors"].keys() == {"status 403"}
    assert sum(piece["requests"] for piece in found["slices"]) == found["proxied"]["requests"]
    assert view["advice"] == []


class Strict(HTMLParser):
    """Elements balance, nothing is loaded from elsewhere, and every drawing says what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.unnamed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert tag not in ("script", "link", "img", "iframe", "object")
        assert not {"src", "srcset", "style", "onclick"} & named.keys()
        if "id" in named:
            assert named["id"] not in self.ids
            self.ids.add(named["id"] or "")
        if tag == "a" and (named["href"] or "").startswith("#"):
            self.links.add((named["href"] or "")[1:])
        if tag == "svg" and "aria-hidden" not in named:
            self.unnamed += "aria-label" not in named or named.get("role") != "img"
        if tag not in ("meta", "br", "rect", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag


def test_the_page_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    status = main(
        ["rehearse", write(tmp_path, BARE), "--outage", "D4", "--outage", "D7", "--duration", "90s", "--html", str(page)]
    )
    assert status == 0
    text = page.read_text()
    reader = Strict()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    assert reader.unnamed == 0
    assert reader.links <= reader.ids
    assert {"D4", "D7"} <= reader.ids
    assert "@import" not in text
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "<m>" not in text, "names from the file are escaped"
    assert "&lt;m&gt; goes down with one vendor" in text
    assert "routes[0].targets" in text
    assert "no other provider for &lt;m&gt;" in text
    assert "$" not in re.sub(r"\$\d", "", text), "every place of the template is filled"


def test_an_incident_becomes_an_outage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"t": 0, "target": "openai/gpt-5", "outcomes": {"server_error": 9}}
    incident = tmp_path / "i.json"
    incident.write_text(json.dumps({"id": "i", "started": 0, "ended": 120, "timeline": [line], "targets": ["openai/gpt-5"]}))
    assert main(["rehearse", "--record", str(incident)]) == 0
    assert capsys.readouterr().out.startswith("title: ")
    made = tmp_path / "i.yaml"
    assert main(["rehearse", "--record", str(incident), "-o", str(made)]) == 0
    assert f"undimmed rehearse --outage {made}" in capsys.readouterr().err
    assert main(["rehearse", write(tmp_path, SOUND), "--outage", str(made), "--rps", "2"]) == 0
    assert main(["rehearse", "--record", str(tmp_path / "none.json")]) == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--outage", "D99"], "there are D1, D2"),
        (["--mix", "q=1"], "is no route"),
        (["--outage", "none.yaml"], "none.yaml: cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", write(tmp_path, SOUND), *args]) == 1
    assert words in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = str(tmp_path / "no" / "page.html")
    assert main(["rehearse", write(tmp_path, SOUND), "--outage", "D4", "--duration", "1m", "--html", page]) == 1
    assert f"error: {page}: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["--rps", "0"], ["--duration", "soon"], ["--all", "--outage", "D1"]])
def test_wrong_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rehearse", *args])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("answered", "text"), [(1000, "100%"), (9999, "99.99%"), (99999, "99.99%"), (530, "53.0%"), (0, "0.0%")]
)
def test_shares_are_never_rounded_up(answered: int, text: str) -> None:
    whole = {1000: 1000, 9999: 10000, 99999: 100000, 530: 1000, 0: 7}[answered]
    assert show_share(Figures(whole, answered, None, None, None)) == text


def test_seconds_are_short() -> None:
    assert [show_seconds(at) for at in (None, 0.534, 12.4, 240.0, 9000.0)] == ["–", "0.53s", "12s", "4m", "2.5h"]

"""`undimmed incidents`: from a running proxy, from beside the ledger, and what is said when there is neither."""

import json
from pathlib import Path

import msgspec
import pytest
from cli_servers import serving

from proxy.cli.explain import _thoughts
from proxy.cli.incidents import show_length
from proxy.cli.main import main
from proxy.core.incidents import Happening, Incident

ONE = Incident("20260309-140211", 1000.0, "a/m: 5 calls failed", ["a/m"], ended=4720.0, rerouted=3, extra_cost=2_000_000_000)
ONE.happenings = [Happening(1000.0, "a/m", "open", "5 calls failed")]
CONFIG = "server: {admin: 'off'}\nproviders: {a: {kind: vllm}}\nroutes: [{model: m, targets: [a/m]}]\n"


def answer(path: str, _: str) -> tuple[int, dict[str, str], bytes]:
    if path == "/incidents":
        return 200, {}, msgspec.json.encode({"incidents": [{**msgspec.to_builtins(ONE), "timeline": []}]})
    if path == f"/incidents/{ONE.id}":
        return 200, {}, msgspec.json.encode(ONE)
    return 404, {}, b'{"error":{"message":"no"}}'


def test_from_a_running_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answer) as port:
        admin = ["--admin", f"http://127.0.0.1:{port}"]
        assert main(["incidents", *admin]) == 0
        listed = capsys.readouterr().out
        assert main(["incidents", ONE.id, *admin]) == 0
        told = capsys.readouterr().out
        assert main(["incidents", ONE.id, "--format", "markdown", *admin]) == 0
        assert capsys.readouterr().out.startswith(f"# Incident {ONE.id}")
        assert main(["incidents", "--format", "json", *admin]) == 0
        assert json.loads(capsys.readouterr().out)[0]["id"] == ONE.id
        assert main(["incidents", ONE.id, "--format", "json", *admin]) == 0
        assert json.loads(capsys.readouterr().out)["rerouted"] == 3
        assert main(["incidents", "other", *admin]) == 1
        assert 'there is no incident "other"' in capsys.readouterr().err
    assert "1 h 2 min" in listed
    assert "$2.0000" in listed
    assert "5 calls failed" in told


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "wants a client key"),
        (200, b"[]", "is not the admin address"),
        (200, b'{"incidents":3}', "does not know"),
    ],
)
def test_what_is_no_answer(status: int, body: bytes, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda path, key: (status, {}, body)) as port:
        assert main(["incidents", "--admin", f"http://127.0.0.1:{port}"]) == 1
    assert said in capsys.readouterr().err


def test_without_a_proxy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "undimmed.yaml"
    file.write_text(CONFIG)
    assert main(["incidents"]) == 1
    assert "names no ledger" in capsys.readouterr().err
    assert main(["incidents", "--admin", "http://127.0.0.1:1"]) == 1
    assert "no proxy answers at http://127.0.0.1:1" in capsys.readouterr().err
    file.write_text(CONFIG + "ledger: {url: 'sqlite:u.db'}\n")
    assert main(["incidents"]) == 0
    assert "no incident was noticed" in capsys.readouterr().out
    (folder / "u.db.incidents.jsonl").write_bytes(msgspec.json.encode(ONE) + b"\n")
    assert main(["incidents"]) == 0
    assert ONE.id in capsys.readouterr().out
    assert main(["incidents", "other"]) == 1


def test_lengths() -> None:
    made = {seconds: show_length(Incident("x", 0.0, "", [], ended=seconds)) for seconds in (None, 5.0, 65.0, 3700.0)}
    assert list(made.values()) == ["lasts", "5 s", "1 min 5 s", "1 h 1 min"]


def test_what_detectors_think_in_one_line() -> None:
    seen = {"verdict": "ejected", "said": "why", "usual_ttft_ms": 200, "slow_to_begin": 0.5, "flawed": {"bad_json": 0.1}}
    assert _thoughts(seen) == "ejected: why; usually 200 ms to begin; now 50% slow to begin, 10% bad json"
    assert _thoughts(None) == ""

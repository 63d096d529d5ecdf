"""The proxy as people run it: keys that come and go while it serves, and budgets that outlive it."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from live_process import ProxyProcess

from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.rehearse.server import LoopbackProvider

pytestmark = [pytest.mark.live, pytest.mark.slow]

STORE = "\nkey_store: keys.json\n"
BUDGET = """
keys: [{name: ci, hash: %s, budget: {tokens: 1000, per: month}}]
ledger: {url: "sqlite:undimmed.db"}
"""
BODY = json.dumps({"model": "lamp", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16}).encode()


def ask(process: ProxyProcess, key: str) -> tuple[int, dict[str, object]]:
    """Status and body of a call."""
    url = f"http://{process.host}:{process.port}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, BODY, headers), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def keys(folder: Path, *words: str) -> str:
    """`undimmed keys`; what it printed."""
    argv = [sys.executable, "-m", "proxy", "keys", *words, "--config", str(folder / "undimmed.yaml")]
    return subprocess.run(argv, capture_output=True, check=True, text=True, timeout=60).stdout.strip()


def becomes(process: ProxyProcess, key: str, status: int) -> None:
    end = time.perf_counter() + 30
    while ask(process, key)[0] != status:
        assert time.perf_counter() < end, process.log.read_text()
        time.sleep(0.1)


async def beside_a_provider(play: Callable[[str], None]) -> None:
    provider = LoopbackProvider("a")
    url = await provider.start()
    await provider.set_behaviour(Behaviour(latency=Latency(0.01, 0.01), chunks=3, gap=0.002))
    try:
        await asyncio.to_thread(play, url)
    finally:
        await provider.stop()


def test_keys_come_and_go_while_the_proxy_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDIMMED_KEY_PEPPER", "f00f" * 16)
    made: list[str] = []

    def play(url: str) -> None:
        with ProxyProcess(tmp_path, url, STORE) as process:
            assert ask(process, "anything")[0] == 401, "an empty store lets nobody in"
            made.append(keys(tmp_path, "create", "ci", "--rpm", "1000"))
            becomes(process, made[0], 200)
            made.append(keys(tmp_path, "rotate", "ci"))
            becomes(process, made[1], 200)
            assert ask(process, made[0])[0] == 200, "the old one has its time"
            assert ask(process, f"{made[1]}x")[0] == ask(process, made[1][:-1])[0] == 401
            keys(tmp_path, "revoke", "ci")
            becomes(process, made[1], 401)
            assert ask(process, made[0])[0] == 401
            assert not process.said("config_rejected")
            (tmp_path / "keys.json").write_text("{")
            process.wait_for("config_rejected")
            assert process.stop() == 0

        (tmp_path / "keys.json").unlink()
        with ProxyProcess(tmp_path, url, STORE) as process:
            made.append(keys(tmp_path, "create", "ci"))
            becomes(process, made[-1], 200)
            (tmp_path / "keys.json").unlink()
            process.wait_for("config_rejected")
            assert ask(process, made[-1])[0] == 200, "a file that is gone revokes nothing"
            assert process.stop() == 0

    asyncio.run(beside_a_provider(play))
    for path in tmp_path.iterdir():
        for key in made:
            assert key.encode() not in path.read_bytes(), path


def test_a_budget_outlives_the_proxy(tmp_path: Path) -> None:
    from proxy.core.keys import digest_plain

    used: list[int] = []

    def spend(process: ProxyProcess) -> int:
        status, body = ask(process, "sk-ci")
        if status != 200:
            error = body["error"]
            assert isinstance(error, dict)
            assert (status, error["code"]) == (429, "insufficient_quota")
            return 0
        usage = body["usage"]
        assert isinstance(usage, dict)
        used.append(usage["total_tokens"])
        return used[-1]

    def page(process: ProxyProcess) -> int:
        request = urllib.request.Request(f"http://{process.host}:{process.port}/limits", headers={"x-api-key": "sk-ci"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            spent = json.loads(answer.read())["limits"][0]["budgets"][0]["spent"]
        assert isinstance(spent, int)
        return spent

    def play(url: str) -> None:
        with ProxyProcess(tmp_path, url, BUDGET % digest_plain("sk-ci")) as process:
            for _ in range(3):
                assert spend(process)
            process.process.kill()  # most likely before the ledger has booked all three
        with ProxyProcess(tmp_path, url, BUDGET % digest_plain("sk-ci")) as process:
            assert page(process) == sum(used)
            while spend(process):
                assert sum(used) <= 1000
            assert page(process) == sum(used)
            assert process.stop() == 0
        with ProxyProcess(tmp_path, url, BUDGET % digest_plain("sk-ci")) as process:
            assert page(process) == sum(used)
            assert not spend(process)

    asyncio.run(beside_a_provider(play))

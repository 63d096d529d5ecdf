"""Streams of a real model, cut by killing its server in mid-answer, and gone on with by a second server: by splice, since
two servers with one model and no dice say the same, and by continuing from what was sent.

Set up as `test_real_model.py` says.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import openai
import pytest
from test_real_model import MODEL, Llama, free_port, wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not MODEL, reason="UNDIMMED_REAL_MODEL is not set: no real model here (.ci/run sets it up)"),
]

CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "off"}}
providers:
  left: {{kind: llamacpp, base_url: "http://127.0.0.1:{left}/v1", probe: {{kind: passive}}}}
  right: {{kind: llamacpp, base_url: "http://127.0.0.1:{right}/v1", probe: {{kind: passive}}}}
routes:
  - {{model: splice, targets: [left/smollm2, right/smollm2], resume: splice}}
  - {{model: continue, targets: [left/smollm2, right/smollm2], resume: continue}}
defaults:
  timeout: {{connect: 1s, first_content: 30s, idle: 10s, total: 90s}}
"""
ASKED = {
    "messages": [{"role": "user", "content": "Explain in a few sentences what a lighthouse is for."}],
    "temperature": 0,
    "seed": 1,
    "max_tokens": 80,
    "stream": True,
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[str, Llama, Llama]]:
    left, right = Llama(), Llama()
    port = free_port()
    config = tmp_path / "undimmed.yaml"
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


async def read(url: str, model: str, kill: Llama | None) -> tuple[str, dict[str, object]]:
    """The text, and what the closing comment says. `kill`: after the tenth word."""
    text, words, closing = "", 0, {}
    async with (
        httpx.AsyncClient(timeout=90) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=ASKED | {"model": model}) as reply,
    ):
        async for line in reply.aiter_lines():
            if line.startswith(": undimmed {"):
                closing = json.loads(line.removeprefix(": undimmed "))
            if not line.startswith("data: {"):
                continue
            event = json.loads(line[6:])
            assert "error" not in event, event
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
                words += 1
            if kill is not None and words == 10:
                kill.signal(signal.SIGKILL)
    return text, closing


@pytest.mark.parametrize("model", ["splice", "continue"])
def test_a_server_that_is_killed_in_mid_answer_is_not_missed(stack: tuple[str, Llama, Llama], model: str) -> None:
    url, left, _ = stack
    whole, _ = asyncio.run(read(url, model, None))
    text, closing = asyncio.run(read(url, model, left))
    parts = closing["parts"]
    assert isinstance(parts, list)
    assert [part["target"] for part in parts] == ["left/smollm2", "right/smollm2"]
    assert sum(part["characters"] for part in parts) == len(text)
    sent = parts[0]["characters"]
    assert 0 < sent < len(text)
    assert text[:sent] == whole[:sent]
    if model == "splice":
        assert text == whole
    else:
        # Other tokens go on from a prompt that ends inside a word: the text is a whole one, if not the same one.
        assert not text[sent:].startswith(text[:20])
        assert abs(len(text) - len(whole)) < len(whole)


def test_the_sdk_sees_one_answer(stack: tuple[str, Llama, Llama]) -> None:
    url, left, _ = stack

    async def ask() -> tuple[set[str], list[str]]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=90) as client:
            names, finishes, count = set(), [], 0
            async for chunk in await client.chat.completions.create(model="splice", **ASKED):  # type: ignore[call-overload]
                names.add(chunk.id)
                count += 1
                if count == 10:
                    left.signal(signal.SIGKILL)
                finishes += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
            return names, finishes

    names, finishes = asyncio.run(ask())
    assert len(names) == 1
    assert len(finishes) == 1

"""Programs and addresses that judge answers: what they are told, what counts as a no, and that silence is none."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from proxy.core.escalation import Escalation, Examined
from proxy.transport.judging import OutsideJudge, schema_test

ANSWER = Examined("lamp", "a/m", "Grüße", "stop", logprob=-0.5)


def judge(escalation: Escalation) -> str | None:
    async def body() -> str | None:
        outside = OutsideJudge()
        try:
            return await outside.judge(escalation, ANSWER)
        finally:
            await outside.aclose()

    return asyncio.run(body())


def program(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "judge.py"
    path.write_text(text)
    return (sys.executable, str(path))


def test_a_program_is_given_the_answer_and_says_why(tmp_path: Path) -> None:
    text = "import json, sys\na = json.load(sys.stdin)\nprint('bad:', a['text'], a['target'])\nsys.exit(3)"
    assert judge(Escalation(command=program(tmp_path, text))) == "bad: Grüße a/m"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("import sys; sys.exit(4)", "ended with status 4"),
        ("import time; time.sleep(60)", None),
    ],
)
def test_what_a_programs_end_means(tmp_path: Path, text: str, expected: str | None) -> None:
    found = judge(Escalation(command=program(tmp_path, text), timeout=1.0 if "sleep" in text else 30.0))
    assert found is None if expected is None else found is not None and found.endswith(expected)


def test_a_program_that_is_not_there_lets_it_pass() -> None:
    assert judge(Escalation(command=("/nowhere/judge",))) is None


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (204, "", None),
        (422, "too short\nmore", "too short"),
        (400, "", "the webhook answered 400"),
        (503, "no", None),
        (302, "", None),
    ],
)
def test_a_webhook(status: int, said: str, expected: str | None) -> None:
    told: list[dict[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(json.loads(await request.read()))
        return web.Response(status=status, text=said, headers={"location": "/elsewhere"} if status == 302 else {})

    assert asyncio.run(ask(answer)) == expected
    assert told == [
        {
            "route": "lamp",
            "target": "a/m",
            "text": "Grüße",
            "finish": "stop",
            "tools": False,
            "refused": False,
            "logprob": -0.5,
        }
    ]


async def ask(answer: Callable[[web.Request], Awaitable[web.Response]]) -> str | None:
    app = web.Application()
    app.router.add_post("/judge", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    outside = OutsideJudge()
    try:
        return await outside.judge(Escalation(webhook=f"http://127.0.0.1:{port}/judge"), ANSWER)
    finally:
        await outside.aclose()
        await runner.cleanup()


def test_a_webhook_that_nobody_answers_lets_it_pass() -> None:
    assert judge(Escalation(webhook="http://127.0.0.1:9/judge")) is None


def test_schemas() -> None:
    fits = schema_test({"type": "object", "required": ["a"]})
    assert fits({"a": 1})
    assert not fits({"b": 1})
    assert schema_test({"type": "nonsense"})(5), "no schema: nothing to hold it against"
    assert schema_test({"$ref": "http://127.0.0.1:9/schema.json"})(5), "nothing is fetched"
    assert not schema_test({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}})(["x"])

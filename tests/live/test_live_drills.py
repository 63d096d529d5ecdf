"""A fire drill on a real proxy: ordered from the command line, felt by clients of real sockets, gone with a reload."""

import asyncio
import json
from http.client import HTTPConnection

import pytest
from support.live import SERVER, Stack, running
from support.simulation import replace, settings

from proxy.cli.main import main
from proxy.core.drill import DrillOrder, Fault, FaultKind
from proxy.rehearse.behaviour import Behaviour, constant

pytestmark = pytest.mark.live

QUICK = Behaviour(latency=constant(0.0), chunks=3, gap=0.0)
BOTH = {"a": QUICK, "b": QUICK}


def call(port: int) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"model": "lamp", "messages": [{"role": "user", "content": "hi"}]})
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("x-undimmed-provider", "")
    finally:
        connection.close()


def get(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_ordered_from_the_shell_felt_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    async def body() -> None:
        async with running(BOTH, server=replace(SERVER, admin_port=0)) as stack:
            admin = stack.proxy._admin
            assert admin is not None
            assert admin._runner is not None
            port = admin._runner.addresses[0][1]
            url = f"http://127.0.0.1:{port}"
            loop = asyncio.get_running_loop()

            async def shell(*args: str) -> int:
                return await loop.run_in_executor(None, main, ["drill", *args, "--admin", url])

            assert await shell("start", "--provider", "a", "--fault", "down", "--for", "1m", "--share", "100%") == 0
            assert await loop.run_in_executor(None, call, stack.port) == (200, "b")
            assert await shell("status") == 0
            metrics = await loop.run_in_executor(None, get, port, "/metrics")
            assert 'undimmed_drill_active{provider="a"} 1.0' in metrics
            assert 'undimmed_drill_faults_total{provider="a",fault="down"} 1' in metrics
            health = json.loads(await loop.run_in_executor(None, get, port, "/health"))
            assert health["drills"][0] | {"since": 0, "ends_in_s": 0} == {
                "provider": "a",
                "fault": "down",
                "share": 1.0,
                "since": 0,
                "ends_in_s": 0,
                "by": "",
                "hit": 1,
            }
            assert await shell("start", "--provider", "nobody", "--fault", "down") == 1
            assert await shell("start", "--provider", "a") == 1
            assert await shell("stop") == 0
            assert await shell("stop", "--provider", "a") == 1
            assert await shell("status") == 0
            assert await loop.run_in_executor(None, call, stack.port) == (200, "a")
            assert stack.calls("a") == 1
            assert stack.calls("b") == 1

    asyncio.run(body())
    said = capsys.readouterr()
    assert "a         down   100%   0 requests  60s" in said.out
    assert "no drill runs" in said.out
    assert "there is no provider 'nobody'; there are a, b" in said.err
    assert "a drill needs --provider and --fault" in said.err


def test_where_no_proxy_answers_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "status", "--admin", "http://127.0.0.1:9"]) == 1
    assert "no proxy answers at http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["reload", "stop"])
def test_a_drill_does_not_outlive_its_configuration_or_its_process(how: str) -> None:
    async def body() -> None:
        async with running(BOTH) as stack:
            drills = stack.proxy.parts.drills
            drills.start(DrillOrder("a", Fault(FaultKind.DOWN), share=1.0))
            await end(stack, how)
            assert drills.active == {}

    async def end(stack: Stack, how: str) -> None:
        if how == "stop":
            await stack.proxy.stop(0.0)
        else:
            stack.proxy.reload(lambda: replace(settings(), server=SERVER))

    asyncio.run(body())

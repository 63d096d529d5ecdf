"""Time limits and the commit point on real sockets: each limit fires, and nothing is sent again after the commit."""

import asyncio
import json

import pytest
from live_sockets import Caller, post, settled
from support.live import Stack, running
from support.simulation import replace, settings

from proxy.core.outcome import OutcomeKind
from proxy.rehearse.behaviour import Behaviour, Latency, Mode, Style

pytestmark = pytest.mark.live

CONNECT, FIRST, IDLE, TOTAL = 0.3, 0.4, 0.4, 1.2
LIMITS = replace(settings().timeouts, connect=CONNECT, first_content=FIRST, idle=IDLE, total=TOTAL)
ONCE = replace(settings().retry, attempts=1)
NOW = Latency(0.01)
#: What the provider does, what that is called, after how many seconds it is cut off.
FAULTS = {
    "connect hang": (Behaviour(Mode.CONNECT_HANG), OutcomeKind.CONNECT_TIMEOUT, CONNECT),
    "no first byte": (Behaviour(Mode.BLACK_HOLE), OutcomeKind.FIRST_CONTENT_TIMEOUT, FIRST),
    "no first content": (
        Behaviour(Mode.STALL, latency=NOW, role_first=True),
        OutcomeKind.FIRST_CONTENT_TIMEOUT,
        FIRST,
    ),
    "silence in mid-stream": (Behaviour(Mode.STALL, latency=NOW, after=2, gap=0.021), OutcomeKind.IDLE_TIMEOUT, IDLE),
    "drip below the idle limit": (
        Behaviour(latency=NOW, chunks=1000, gap=IDLE / 4),
        OutcomeKind.DEADLINE_EXCEEDED,
        TOTAL,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_14_each_limit_fires(name: str) -> None:
    """Not before its time; how soon after it is shown in virtual time, where a busy machine doesn't blur it."""
    fault, kind, seconds = FAULTS[name]

    async def body() -> None:
        async with running({"a": fault}, settings((("a/m",),), timeouts=LIMITS, retry=ONCE)) as live:
            caller = await Caller(live.host, live.port).open(post())
            reply = await caller.read_until(b'"attempts":[{')
            caller.close()
            start = reply.rindex(b'{"error"')
            error, _ = json.JSONDecoder().raw_decode(reply[start:].decode())
            (attempt,) = error["error"]["attempts"]
            assert attempt["outcome"] == kind.value
            # The total counts from the call's arrival, and a busy machine may take a while to its attempt.
            early = 200 if kind is OutcomeKind.DEADLINE_EXCEEDED else 2
            assert seconds * 1000 - early <= attempt["duration_ms"] <= seconds * 1000 + 5000
            committed = kind in (OutcomeKind.IDLE_TIMEOUT, OutcomeKind.DEADLINE_EXCEEDED)
            assert reply.startswith(b"HTTP/1.1 200 " if committed else b"HTTP/1.1 504 ")
            assert b"[DONE]" not in reply
            # The provider is let go of, not left working.
            assert await settled(lambda: live.providers["a"].provider.in_flight, 0) == 0
            assert live.proxy.gateway.routing.states()
            assert all(state.in_flight == 0 for state in live.proxy.gateway.routing.states())

    asyncio.run(body())


BREAKS = {
    "cut": Behaviour(Mode.CUT, latency=NOW, after=3, gap=0.02),
    "reset": Behaviour(Mode.CUT, latency=NOW, after=3, gap=0.02, reset=True),
    "silence": Behaviour(Mode.STALL, latency=NOW, after=3, gap=0.02),
    "error event": Behaviour(Mode.ERROR_EVENT, latency=NOW, after=3, gap=0.02),
    "garbage": Behaviour(Mode.GARBAGE, latency=NOW, after=3, gap=0.02),
    "bad framing": Behaviour(Mode.BAD_FRAMING, latency=NOW, after=3, gap=0.02),
}


@pytest.mark.parametrize("style", [Style.TOOL, Style.TEXT])
@pytest.mark.parametrize("name", BREAKS)
def test_13_one_request_upstream_after_the_commit(name: str, style: Style) -> None:
    async def one(live: Stack) -> bytes:
        caller = await Caller(live.host, live.port).open(post())
        reply = await caller.read_until(b"\r\n0\r\n\r\n")
        caller.close()
        return reply

    async def body() -> None:
        fault = replace(BREAKS[name], style=style)
        async with running({"a": fault, "b": Behaviour()}, settings(timeouts=LIMITS)) as live:
            replies = await asyncio.gather(*(one(live) for _ in range(4)))
            committed = [reply for reply in replies if b'data: {"error":' in reply]
            for reply in committed:
                assert b'"tool_calls"' in reply if style is Style.TOOL else b'"content":"When' in reply
                assert b"[DONE]" not in reply
                assert not reply.endswith(b"0\r\n\r\n"), "the message was ended as if it were whole"
            assert committed
            assert live.calls("a") == 4
            # A fault that arrived in one piece with the first word came before the commit, and went elsewhere.
            assert live.calls("b") == 4 - len(committed)

    asyncio.run(body())

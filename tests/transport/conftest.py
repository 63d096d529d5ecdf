import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

Run = Callable[[Coroutine[object, object, None]], None]


def _runner(factory: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    def run(scenario: Coroutine[object, object, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):  # a hang fails instead of blocking the run
                await scenario

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end, once on each kind of loop."""
    return _runner(uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop)


@pytest.fixture
def run_uvloop() -> Run:
    """Only on the loop that is used in production."""
    return _runner(uvloop.new_event_loop)

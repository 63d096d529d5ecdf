"""Frameworks that know nothing of this proxy, pointed at it: in every API they speak, while the first provider fails.

They live in an environment of their own, since each wants its own versions of the SDKs; `.ci/run` makes it. The provider
that answers speaks chat only, so that what is asked in other APIs is translated there and back.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.clients.frameworks import FRAMEWORKS
from support.chat_vendor import CITY, Vendor
from support.live import running
from support.raw_server import RawServer
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin
from proxy.rehearse.behaviour import Behaviour, Mode, constant

PYTHON = os.environ.get("UNDIMMED_CLIENTS")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(PYTHON is None, reason="UNDIMMED_CLIENTS names no Python with the frameworks (.ci/run makes one)"),
]
#: What the first provider does instead of answering.
FAILURES = {
    "an error": Behaviour(Mode.STATUS, latency=constant(0.0)),
    "a cut before the first word": Behaviour(Mode.CUT, latency=constant(0.0), role_first=True),
}


async def run_framework(name: str, url: str) -> dict[str, Any]:
    script = Path(__file__).with_name("frameworks.py")
    # Nothing of this process's environment: no proxies, no keys, no other search path.
    process = await asyncio.create_subprocess_exec(
        PYTHON or sys.executable, str(script), name, url, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"HOME": "/"}
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_notices_nothing(name: str, failure: str) -> None:
    async def body() -> None:
        vendor = Vendor()
        async with RawServer(vendor.serve) as server:
            place = replace(provider("b"), origin=Origin("http", "127.0.0.1", server.port, "/v1"))
            configured = settings(providers={"a": provider("a"), "b": place})
            async with running({"a": FAILURES[failure]}, configured) as live:
                found = await run_framework(name, live.url)
                assert live.calls("a") > 0
        for answers in found["answers"].values():
            assert answers["schema"] == CITY
            assert all("Höllo 🎉" in answers[kind] for kind in ("plain", "streamed", "tool") if kind in answers)
        assert all(seen == list(CITY.values()) for seen in found["seen"])
        assert bool(found["seen"]) is any("tool" in answers for answers in found["answers"].values())

    asyncio.run(body())

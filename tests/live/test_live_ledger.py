"""Promise 30: kill -9 at random moments under 100 requests a second. Of the calls whose last byte reached the client none is
missing in the ledger, and none is there twice. `UNDIMMED_KILLS=100` for the whole promise."""

import asyncio
import os
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from live_process import ProxyProcess
from live_sockets import Caller, Record, post

from proxy.core.settings import LedgerSettings
from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.rehearse.server import LoopbackProvider
from proxy.stores.ledger.contract import Span
from proxy.stores.ledger.place import open_reader
from proxy.stores.ledger.reading import waiting

pytestmark = [pytest.mark.live, pytest.mark.slow]

KILLS = int(os.environ.get("UNDIMMED_KILLS", "10"))
RATE = 100
ID = re.compile(rb"\r\nx-undimmed-request-id: ([0-9a-f]+)\r\n", re.IGNORECASE)


LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n", re.IGNORECASE)


async def read_whole(caller: Caller) -> bytes | None:
    """Everything of a stream or a plain answer; None: it broke off."""
    got = await caller.read_until(b"\r\n\r\n")
    length = LENGTH.search(got)
    size = None if length is None else got.find(b"\r\n\r\n") + 4 + int(length[1])
    while (b"\r\n0\r\n\r\n" not in got) if size is None else len(got) < size:
        more = await caller.read()
        if not more:
            return None
        got += more
    return got


async def one(process: ProxyProcess, stream: bool, delivered: list[str]) -> None:
    """A call; notes its id once its last byte is here."""
    try:
        caller = await Caller(process.host, process.port).open(post(stream=stream))
    except OSError:
        return  # killed before
    got = await read_whole(caller)
    caller.close()
    if got is not None and got.startswith(b"HTTP/1.1 200"):
        identity = ID.search(got)
        assert identity is not None
        delivered.append(identity[1].decode())


async def load(process: ProxyProcess, rng: Random, delivered: list[str], seconds: float) -> None:
    """So many seconds at the rate, then death in the middle of it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    calls = []
    while loop.time() < end:
        calls.append(asyncio.ensure_future(one(process, rng.random() < 0.5, delivered)))
        await asyncio.sleep(1 / RATE)
    process.process.kill()
    await asyncio.gather(*calls)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerSettings:
    if request.param == "sqlite":
        return LedgerSettings(str(tmp_path / "undimmed.db"))
    return LedgerSettings(str(tmp_path / "undimmed-ledger"), url=request.getfixturevalue("postgres").url)


def test_no_delivered_call_is_missing_and_none_is_there_twice(
    place: LedgerSettings, tmp_path: Path, record_property: Record
) -> None:
    rng = Random(30)
    section = f"\nledger: {{url: '{place.url or 'sqlite:undimmed.db'}'}}\n"
    delivered: list[str] = []
    ready: list[float] = []

    async def body() -> None:
        provider = LoopbackProvider("a")
        url = await provider.start()
        await provider.set_behaviour(Behaviour(latency=Latency(0.01, 0.01), chunks=3, gap=0.002))
        for _ in range(KILLS):
            with ProxyProcess(tmp_path, url, section) as process:
                ready.append(process.ready_after)
                await load(process, rng, delivered, rng.uniform(0.05, 1.0))
        with ProxyProcess(tmp_path, url, section) as process:
            await one(process, True, delivered)
            assert process.stop() == 0
        await provider.stop()

    asyncio.run(body())
    assert waiting(Path(place.path)) == []
    with open_reader(place) as reader:
        assert list(reader.verify()) == []
        kept = Counter(row["id"] for row in reader.query("SELECT id FROM calls"))
        lost = {row["id"] for row in reader.query("SELECT id FROM calls WHERE outcome = ?", ("lost",))}
        [whole] = reader.sums(Span(), ())
    figures = {"kills": KILLS, "delivered": len(delivered), "rows": len(kept), "lost": len(lost), "start_s": max(ready)}
    figures["delivered_but_lost"] = len(lost & set(delivered))
    for name, value in figures.items():
        record_property(name, round(value, 2))
    print(figures)
    assert len(delivered) > KILLS
    if KILLS >= 100:  # on a machine that has nothing else to do
        assert sorted(ready)[len(ready) // 2] <= 2.0, "seconds until it serves again"
    assert [identity for identity in delivered if not kept[identity]] == [], "delivered, and not in the ledger"
    assert max(kept.values()) == 1
    assert whole["calls"] == len(kept), "sums and rows agree"

"""Promise 34, its simulated part: weeks of traffic at 0.05 requests a second through all outages of the library, one
after the other, leave nothing behind: no task, no permit, no queue, no open exchange, and no more objects than after the
first days.

A quarter of a day in the usual run (1,080 requests); UNDIMMED_SOAK_DAYS=30 plays the month.
"""

import asyncio
import gc
import os
import sys
from collections import Counter
from random import Random

from sim_library import TEXT

from proxy.core.records import CallRecord, ProbeRecord, StateChange
from proxy.rehearse.casting import Cast, Clock, cast
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.issuer import IssuerPlan, IssuerSpan
from proxy.rehearse.outage import load, shipped
from proxy.rehearse.stage import Stage
from proxy.rehearse.twin import Original, read_twin
from proxy.rehearse.vendors import Part
from proxy.rehearse.virtual_loop import run

DAYS = float(os.environ.get("UNDIMMED_SOAK_DAYS", "0.25"))
RPS = 0.05
SAMPLES = 10
#: Between outages, and how long each lasts at most; all of them fit into the days.
SLOT = DAYS * 86400 / 25
LONGEST = SLOT * 0.7


class Tally:
    """A sink that keeps numbers only."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def call_finished(self, record: CallRecord) -> None:
        self.seen[f"call {record.outcome}"] += 1

    def state_changed(self, change: StateChange) -> None:
        self.seen["change"] += 1

    def probed(self, record: ProbeRecord) -> None:
        self.seen["probe"] += 1


def mixed() -> Cast:
    """All outages in their order, each in its slot."""
    twin = read_twin(Original(TEXT, "month.yaml"), {})
    parts: dict[str, Part] = {}
    plans: dict[str, list[IssuerSpan]] = {}
    hit: dict[str, None] = {}
    for number, name in enumerate(shipped()):
        outage = load(name)
        length = min(outage.length, LONGEST)
        played = cast(twin, outage, Clock(number * SLOT + 600, length, 0.0, outage.length / length), 20)
        hit |= dict.fromkeys(played.hit)
        for provider, part in played.parts.items():
            before = parts[provider].strikes if provider in parts else ()
            parts[provider] = Part(part.kind, part.healthy, (*before, *part.strikes), part.models, part.keys)
        for issuer, plan in played.plans.items():
            plans.setdefault(issuer, []).extend(plan.spans)
    issuers = {issuer: IssuerPlan(3600.0, tuple(spans)) for issuer, spans in plans.items()}
    return Cast(parts, tuple(hit), False, issuers, Clock(0.0, DAYS * 86400, 0.0, 1.0))


def census() -> Counter[str]:
    """Our own objects that the collector knows, by type."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    return Counter(f"{kind.__module__}.{kind.__name__}" for kind in kinds if str(kind.__module__).startswith("proxy."))


def test_34_a_month_of_outages_leaves_nothing_behind() -> None:
    twin = read_twin(Original(TEXT, "month.yaml"), {})
    models = [route.name for route in twin.settings.routes]
    tally, blocks, people = Tally(), [], []
    failed: Counter[str] = Counter()

    async def month(rng: Random) -> None:
        stage = Stage(twin, mixed(), rng, tally)
        stage._refresher.follow(stage.parts.gateway.routing.rings.values())
        loop = stage.loop
        probing = loop.create_task(stage.parts.prober.run())
        await asyncio.sleep(10)
        total, size = round(DAYS * 86400 * RPS), round(DAYS * 86400 * RPS) // SAMPLES
        tasks: set[asyncio.Task[None]] = set()

        async def visit(number: int) -> None:
            wish = Wish(f"r{number}", rng.choice(models), stream=number % 2 == 0, key=f"k{number % 8}")
            client = await SimulatedClient(wish).ask(stage.parts.gateway.serve)
            failed[client.verdict] += 1

        for number in range(total):
            await asyncio.sleep(rng.expovariate(RPS))
            task = loop.create_task(visit(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if (number + 1) % size == 0:
                while tasks:
                    await asyncio.wait(tasks)
                await asyncio.sleep(30)
                stage.network.contacts.clear()
                for vendor in stage.vendors.values():
                    vendor.bill.entries.clear()
                    vendor.requests.clear()
                for issuer in stage._issuers._issuers.values():
                    issuer.calls.clear()
                    issuer.lives.clear()
                people.append(census())
                blocks.append(sys.getallocatedblocks())
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        await stage._refresher.aclose()
        await asyncio.sleep(1)
        # Nothing is left of all that.
        assert stage.network.open_contacts == []
        assert all(state.in_flight == 0 for state in stage.parts.gateway.routing.states())
        assert stage.parts.accounting.open == 0
        assert all(vendor.in_flight == 0 for vendor in stage.vendors.values())
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    run(month, seed=34)
    assert sum(failed.values()) == round(DAYS * 86400 * RPS)
    print(f"{DAYS:g} days: {dict(failed)}, {dict(tally.seen)}, blocks {blocks}")
    # What is made for a call is gone when it ends; what a target or a model needs is made once.
    early, late = people[SAMPLES // 2 - 1], people[-1]
    grown = {kind: late[kind] - early[kind] for kind in late if late[kind] > early[kind] + 40}
    assert grown == {}, f"more of them at the end: {grown}"
    assert blocks[-1] <= blocks[SAMPLES // 2 - 1] * 1.02
    assert failed["ok"] >= 0.98 * sum(failed.values())

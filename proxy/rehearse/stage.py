"""The stage of a rehearsal: the real proxy of a configuration between simulated clients and simulated vendors, on virtual
time.

Everything between the client's request and the vendor's bytes is what serves in production: routing, breakers, retries,
credentials, probes, accounting. What it makes known (records, changes of state, probes) is kept in `Notes`; the rest of the
world ends at the stage's edge.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from msgspec import Raw

from proxy.assemble import Parts, assemble
from proxy.core.records import CallRecord, ProbeRecord, Sink, StateChange
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob
from proxy.rehearse.answers import FOREIGN
from proxy.rehearse.casting import Cast
from proxy.rehearse.client import SimulatedClient
from proxy.rehearse.issuer import IssuerNetwork, SimulatedIssuer
from proxy.rehearse.network import SimulatedNetwork
from proxy.rehearse.traffic import Ask
from proxy.rehearse.twin import Twin
from proxy.rehearse.vendors import SimulatedVendor
from proxy.rehearse.visit import ANSWERED, WORDS, Visit
from proxy.transport.credentials.refresher import Refresher
from proxy.transport.credentials.surroundings import Surroundings

#: Unix time at which every rehearsal begins: prices depend on it, and equal seeds are to give equal figures.
EPOCH = 1.78e9
#: Seconds for first tokens to come, before anybody asks.
BEFORE = 5.0
#: Seconds for late estimates and endings.
AFTER = 2.0
_MARKS = tuple(word.encode() for word in FOREIGN)


class LengthEstimator:
    """Estimates by length alone, on the loop's next turn: fast, deterministic, and near enough for a rehearsal's waste."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
        given = sum(len(bytes(value)) for value in job.fields.values() if isinstance(value, bytes | Raw)) // 4
        written = sum(len(text) for text in job.texts or ()) // 4
        self._loop.call_soon(done, Usage(input=given, output=written, source=UsageSource.ESTIMATE))


@dataclass(slots=True)
class Notes:
    """A sink that keeps what the proxy makes known."""

    calls: list[CallRecord] = field(default_factory=list)
    changes: list[StateChange] = field(default_factory=list)
    probes: list[ProbeRecord] = field(default_factory=list)

    def call_finished(self, record: CallRecord) -> None:
        self.calls.append(record)

    def state_changed(self, change: StateChange) -> None:
        self.changes.append(change)

    def probed(self, record: ProbeRecord) -> None:
        self.probes.append(record)


@dataclass(slots=True)
class History:
    """What a rehearsal left behind. Times of `notes` are loop time, which began at `epoch`."""

    visits: list[Visit]
    notes: Notes
    epoch: float


class Stage:
    """Build inside of a virtual loop; `play` once. `sink`: who hears of what happened, in place of the notes."""

    def __init__(self, twin: Twin, cast: Cast, rng: Random, sink: Sink | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.vendors = {name: SimulatedVendor(name, part) for name, part in cast.parts.items()}
        self.network = SimulatedNetwork(loop, Random(rng.getrandbits(64)), self.vendors)
        self.notes = Notes()
        self.parts: Parts = assemble(
            twin.settings, self.network, LengthEstimator(loop), [sink or self.notes], rng, wall=self._wall
        )
        issuers = {issuer: SimulatedIssuer(issuer, plan) for issuer, plan in cast.plans.items()}
        self._issuers = IssuerNetwork(loop, Random(rng.getrandbits(64)), issuers)
        self._refresher = Refresher(Surroundings(loop, self._issuers, rng, wall=self._wall))

    def _wall(self) -> float:
        return EPOCH + self.loop.time()

    async def play(self, traffic: Sequence[Ask], seconds: float) -> History:
        """Serve the traffic, and go on until `seconds` are over."""
        self._refresher.follow(self.parts.gateway.routing.rings.values())
        await asyncio.sleep(BEFORE)
        # The outage is told in seconds from here on.
        self.network.epoch = self._issuers.epoch = epoch = self.loop.time()
        probing = self.loop.create_task(self.parts.prober.run())
        visits = await self._serve(traffic, epoch)
        rest = epoch + seconds - self.loop.time()
        await asyncio.sleep(max(AFTER, rest))
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        await self._refresher.aclose()
        return History(visits, self.notes, epoch)

    async def _serve(self, traffic: Sequence[Ask], epoch: float) -> list[Visit]:
        visits: list[Visit] = []
        under_way: set[asyncio.Task[None]] = set()
        for ask in traffic:
            delay = epoch + ask.at - self.loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            task = self.loop.create_task(self._visit(ask, epoch, visits), name=ask.wish.label)
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        while under_way:
            await asyncio.wait(under_way)
        return visits

    async def _visit(self, ask: Ask, epoch: float, visits: list[Visit]) -> None:
        client = await SimulatedClient(ask.wish, ask.body).ask(self.parts.gateway.serve)
        down, verdict = client.downstream, client.verdict
        answered = verdict == ANSWERED
        visits.append(
            Visit(
                at=ask.at,
                route=ask.route.name,
                stream=ask.wish.stream,
                verdict=verdict,
                ended=self.loop.time() - epoch,
                waited=client.waited if answered else None,
                call=down.header("x-undimmed-request-id") or "",
                reason="" if answered else f"status {down.status}" if verdict == "error" else WORDS[verdict],
                wrong=answered and any(mark in down.body for mark in _MARKS),
            )
        )

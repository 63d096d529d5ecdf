"""One outage against one configuration, from the file to the findings."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random

from proxy.rehearse import virtual_loop
from proxy.rehearse.casting import Cast, cast, set_clock
from proxy.rehearse.direct import DirectClient
from proxy.rehearse.findings import Findings
from proxy.rehearse.measure import Takes, measure
from proxy.rehearse.outage import Outage
from proxy.rehearse.stage import History, Stage
from proxy.rehearse.traffic import Ask, Crowd, Mix, make_traffic
from proxy.rehearse.twin import Twin, confine
from proxy.rehearse.vendors import dice

#: How many requests a rehearsal makes of its own accord.
REQUESTS = 2000
#: Seconds that an outage lasts at least where the rate is given and the length is not: breakers need time to act.
SHORTEST = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `rps` None: about 2,000 requests, whatever the length. `duration`: seconds that each outage is to
    last; None: as long as it did, or, at a given rate, as long as 2,000 requests take."""

    mix: Mix = field(default_factory=Mix)
    rps: float | None = None
    duration: float | None = None
    seed: int = 1


def rehearse(twin: Twin, outage: Outage, plan: Plan) -> Findings:
    """Play the outage twice, with the proxy and without, and compare. Equal plans give equal findings."""
    twin = confine(twin, plan.mix.routes)
    wanted = plan.rps if plan.rps is not None else outage.rps
    targets = len({target.id for route in twin.settings.routes for target in route.targets})
    clock = set_clock(outage, _duration(outage, plan.duration, wanted), targets)
    rps = wanted if wanted is not None else REQUESTS / clock.seconds
    roles = cast(twin, outage, clock, plan.mix.output)
    routes = twin.settings.routes
    crowd = Crowd(plan.mix, rps, twin.clients)
    traffic = make_traffic(routes, crowd, clock.seconds, dice(plan.seed, f"traffic {outage.name}"))
    history = virtual_loop.run(_player(twin, roles, traffic), seed=dice(plan.seed, f"proxy {outage.name}").getrandbits(32))
    client = DirectClient(twin.settings, roles, dice(plan.seed, f"direct {outage.name}"), twin.issuers)
    return measure(Takes(twin.settings, outage, roles, rps, history, list(client.play(traffic))))


def _duration(outage: Outage, wanted: float | None, rps: float | None) -> float | None:
    if wanted is not None or rps is None:
        return wanted
    return min(outage.length, max(SHORTEST, REQUESTS / rps))


def _player(twin: Twin, roles: Cast, traffic: list[Ask]) -> Callable[[Random], Coroutine[object, object, History]]:
    async def play(rng: Random) -> History:
        return await Stage(twin, roles, rng).play(traffic, roles.clock.seconds)

    return play

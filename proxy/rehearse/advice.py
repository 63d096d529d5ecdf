"""What to change in the file: weak spots that the configuration shows by itself, with what the rehearsals saw of them.

Each rule looks at the settings and the findings and says a sentence with a key to change, or nothing. A rule speaks only of
what it can show: a number from the runs, or two values of the file that do not fit each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from proxy.core.continuity import Resume
from proxy.core.settings import Provider, Route, Settings, Target
from proxy.providers.presets import PRESETS
from proxy.rehearse.findings import Findings
from proxy.rehearse.measure import SILENT
from proxy.rehearse.twin import Twin
from proxy.rehearse.vendors import profile_of
from proxy.rehearse.visit import WORDS

#: Requests were lost; requests may be lost or suffer; worth a thought.
GRAVE, SERIOUS, MILD = 3, 2, 1
#: Two silent attempts should fit into the time of a call.
ATTEMPTS_THAT_FIT = 2
#: Seconds to the first content above which a limit is worth a word even if nothing ran into it.
LONG = 20.0
#: A silence of so many seconds is the limit's doing, however slow a vendor may be.
TELLING = 15.0
#: Times the first choice's price, from which an outage is felt on the bill.
DEAR = 3.0
#: Client keys that have to agree before a rejection is taken for the provider's fault.
CLIENTS = 5
#: Reasons of visits whose answers broke off.
BROKEN = frozenset((WORDS["failed"], WORDS["cut"]))
CONDITIONS = ("tools", "images", "audio", "documents", "json_schema", "reasoning", "stream")


class Advice(Struct, frozen=True):
    """`key`: the place in the file. `weight`: 3 requests were lost, 2 they may be, 1 worth a thought. `outages` that showed
    it."""

    weight: int
    key: str
    text: str
    outages: list[str] = []


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules judge by. `places`: the path of each route in the file."""

    twin: Twin
    findings: Sequence[Findings]

    @property
    def settings(self) -> Settings:
        return self.twin.settings

    @property
    def routes(self) -> Iterator[tuple[str, Route]]:
        """Routes that have targets, with their place in the file."""
        for number, route in enumerate(self.settings.routes):
            if route.targets:
                yield f"routes[{number}]", route

    def provider(self, target: Target) -> Provider:
        return self.settings.providers[target.provider]

    def lost(self, route: Route) -> Mapping[str, int]:
        """Requests of a route that failed, by outage."""
        counts = {found.name: sum(found.failures.get(route.name, {}).values()) for found in self.findings}
        return {name: count for name, count in counts.items() if count}


def advise(twin: Twin, findings: Sequence[Findings]) -> list[Advice]:
    """The gravest first."""
    case = Case(twin, findings)
    told = [advice for rule in RULES for advice in rule(case)]
    return sorted(told, key=lambda advice: -advice.weight)


def one_domain(case: Case) -> Iterator[Advice]:
    """Routes that fail as a whole when one host or one vendor does."""
    for place, route in case.routes:
        hosts = {case.provider(target).origin.host for target in route.targets}
        vendors = {case.provider(target).preset for target in route.targets}
        known = len(vendors) == 1 and vendors != {"custom"}
        if len(hosts) > 1 and not known:
            continue
        lost = {name: count for name, count in case.lost(route).items() if route.name in _bare(case, name)}
        host, vendor = min(hosts), min(vendors)
        if len(route.targets) == 1:
            what = f"has one target, {route.targets[0].id}, and no fallback"
        elif len(hosts) == 1:
            what = f"has one failure domain: all {len(route.targets)} targets are at {host}"
        else:
            what = f"has one vendor: all {len(route.targets)} targets are {vendor}'s, so what fails there fails everywhere"
        seen = f" {_tell(lost)} it lost {sum(lost.values()):,} requests." if lost else ""
        # Several regions of one vendor are something; one host is nothing.
        weight = GRAVE if lost else SERIOUS if len(hosts) == 1 else MILD
        yield Advice(
            weight,
            f"{place}.targets",
            f"route {route.name} {what}.{seen} Add a target at another vendor{_suggest(case, route, vendors)}.",
            list(lost),
        )


def _suggest(case: Case, route: Route, vendors: set[str]) -> str:
    """A target of this very file that is elsewhere, if there is one."""
    others = (target for _, other in case.routes for target in other.targets if other is not route)
    found = next((target for target in others if case.provider(target).preset not in vendors), None)
    return "" if found is None else f", such as `{found.id}`, which this file already has"


def _bare(case: Case, outage: str) -> list[str]:
    return next((found.uncovered_routes for found in case.findings if found.name == outage), [])


def _tell(lost: Mapping[str, int]) -> str:
    names = sorted(lost, key=lambda name: -lost[name])
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"In {', '.join(names[:4])}{more}"


def no_time_left(case: Case) -> Iterator[Advice]:
    """Routes with no time left for anybody else."""
    for place, route in case.routes:
        limits = route.timeouts
        if limits.total < ATTEMPTS_THAT_FIT * limits.first_content and len(route.targets) > 1:
            left = max(0.0, limits.total - limits.first_content)
            yield Advice(
                SERIOUS,
                f"{place}.timeout.total",
                f"route {route.name}: after a silent first target ({limits.first_content:g}s) {left:g}s of "
                f"{limits.total:g}s are left for its fallback. Raise it to {3 * limits.first_content:g}s.",
            )


def long_silence(case: Case) -> Iterator[Advice]:
    """Limits that let people wait for nothing."""
    for place, route in case.routes:
        heard = {found.name: found.silences[route.name] for found in case.findings if route.name in found.silences}
        target = route.targets[0]
        limit = route.timeouts.first_content if target.first_content is None else target.first_content
        usual = profile_of(case.provider(target).preset).p99
        caused = {
            name: silence for name, silence in heard.items() if silence.longest >= max(SILENT, min(0.6 * limit, TELLING))
        }
        if limit <= max(SILENT, 3 * usual):
            continue
        if not caused:
            if target.first_content is None and limit > LONG:
                yield Advice(
                    MILD,
                    f"{place}.timeout.first_content",
                    f"route {route.name}: first_content {limit:g}s means that long a silence for each request to a target "
                    f"that accepts and does not answer, until ten wait. If healthy answers of {target.model} begin "
                    f"within {_round(3 * usual)}s, say so.",
                )
            continue
        name, worst = max(caused.items(), key=lambda item: item[1].longest)
        count = sum(silence.count for silence in caused.values())
        yield Advice(
            SERIOUS if limit > LONG else MILD,
            f"{place}.timeout.first_content",
            f"route {route.name}: first_content {limit:g}s meant up to {worst.longest:.0f} s of silence in {name} until the "
            f"breaker of {target.id} opened ({_requests(count)} of more than {SILENT:g} s in all). If healthy answers of "
            f"{target.model} begin within {_round(3 * usual)}s, say so.",
            list(caused),
        )


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _round(seconds: float) -> int:
    return max(5, int(seconds + 0.99))


def single_credential(case: Case) -> Iterator[Advice]:
    """First choices that are lost with one key."""
    first = dict.fromkeys(route.tiers[0][0].provider for _, route in case.routes)
    names = [
        name
        for name in first
        if len((known := case.settings.providers[name]).credentials) == 1 and not PRESETS[known.preset].keyless
    ]
    if not names:
        return
    shown = [found for found in case.findings if found.name in ("D1", "D23") and set(found.hit) & set(names)]
    seen = "".join(f" In {f.name} {_requests(f.rerouted)} had to leave {', '.join(f.hit)} for it." for f in shown)
    have = "has" if len(names) == 1 else "each have"
    yield Advice(
        MILD,
        f"providers.{names[0]}.credentials" if len(names) == 1 else "providers.*.credentials",
        f"{', '.join(f'`{name}`' for name in names)} {have} only one credential: a refused, exhausted or unlucky key takes "
        f"the whole provider out.{seen} A key of a second project keeps it serving.",
        [found.name for found in shown],
    )


def smaller_context(case: Case) -> Iterator[Advice]:
    """Fallbacks that long requests do not fit into."""
    for place, route in case.routes:
        first, others = route.tiers[0], [t for tier in route.tiers[1:] for t in tier]
        takes = max((_window(target) or 0 for target in first), default=0)
        known = [(window, target) for target in others if (window := _window(target)) is not None]
        if not others or not takes or len(known) < len(others):
            continue
        largest, target = max(known, key=lambda pair: pair[0])
        if largest * 2 < takes:
            yield Advice(
                SERIOUS,
                f"{place}.targets",
                f"route {route.name}: its largest fallback, {target.id}, takes {largest:,} tokens and its first choice "
                f"{takes:,}: longer requests have no fallback. Add one with a larger context window, or say context_window "
                "where this one is not right.",
            )


def _window(target: Target) -> int | None:
    return target.context_window or target.facts.context_window


def small_fallback(case: Case) -> Iterator[Advice]:
    """Fallbacks whose places do not suffice for what is diverted to them."""
    for place, route in case.routes:
        for row, tier in enumerate(route.tiers[1:], start=1):
            for target in tier:
                if target.max_in_flight is None:
                    continue
                profile = profile_of(case.provider(target).preset)
                seconds = profile.median + 60 / profile.rate
                rate = target.max_in_flight / seconds
                queued = {f.name: f.queued for f in case.findings if f.queued and target.id in f.loads}
                seen = f" {_requests(sum(queued.values()))} waited for a place in the runs." if queued else ""
                yield Advice(
                    SERIOUS if queued or rate < 5 else MILD,
                    f"{place}.targets[{row}].max_in_flight",
                    f"route {route.name}: {target.id} takes {target.max_in_flight} at a time, which is about {rate:.1f} "
                    f"short answers a second; diverted load beyond that waits or is refused.{seen} Raise it, or add a "
                    "fallback without a limit behind it; `--rps` rehearses your own rate.",
                    list(queued),
                )


def unmet_conditions(case: Case) -> Iterator[Advice]:
    """Requests of a kind that only the first choice takes."""
    for place, route in case.routes:
        others = [target for tier in route.tiers[1:] for target in tier]
        if not others:
            continue
        for name in CONDITIONS:
            refused = [t for t in others if t.when is not None and getattr(t.when, name) is False]
            if len(refused) == len(others):
                yield Advice(
                    SERIOUS,
                    f"{place}.targets",
                    f"route {route.name}: no fallback takes requests with {name} (`when: {{{name}: false}}` on all), "
                    "so these fail with the first choice. Add a target without that condition.",
                )


def dear_fallback(case: Case) -> Iterator[Advice]:
    """Fallbacks that are felt on the bill."""
    for place, route in case.routes:
        first = route.tiers[0][0].price
        for target in (target for tier in route.tiers[1:] for target in tier):
            price = target.price
            if first is None or price is None or not first.output or price.output < DEAR * first.output:
                continue
            yield Advice(
                MILD,
                f"{place}.targets",
                f"route {route.name}: what {target.id} generates costs {price.output / first.output:.1f} times as much as "
                f"at {route.tiers[0][0].id}. An outage of a day is on the bill.",
            )


def cut_streams(case: Case) -> Iterator[Advice]:
    """Routes that leave a broken answer broken."""
    for place, route in case.routes:
        if route.resume is not Resume.OFF or len({target.provider for target in route.targets}) < 2:
            continue
        lost = {found.name: _cut(found.failures.get(route.name, {})) for found in case.findings}
        lost = {name: count for name, count in lost.items() if count}
        if lost:
            yield Advice(
                GRAVE,
                f"{place}.resume",
                f"route {route.name}: {_requests(sum(lost.values()))} broke off after the first word, and nobody may go on "
                "unless the route says so. With `resume: auto` another target finishes the text.",
                list(lost),
            )


def _cut(reasons: Mapping[str, int]) -> int:
    return sum(count for reason, count in reasons.items() if reason in BROKEN)


def unheard_clients(case: Case) -> Iterator[Advice]:
    """A model that rejects everybody is told apart from a client's mistake by the number of clients."""
    lost = [f for f in case.findings if any("400" in reason for why in f.failures.values() for reason in why)]
    if lost and len(case.twin.clients) < CLIENTS and case.settings.key_store is None:
        have = len(case.twin.clients)
        count = sum(n for f in lost for why in f.failures.values() for reason, n in why.items() if "400" in reason)
        yield Advice(
            SERIOUS,
            "keys",
            f"{count:,} requests that a broken model rejected with 400 were passed on as the clients' own mistakes. "
            f"That is told apart from {CLIENTS} client keys on, and this file has {have}: give each application its own.",
            [f.name for f in lost],
        )


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (
    one_domain,
    no_time_left,
    long_silence,
    smaller_context,
    small_fallback,
    unmet_conditions,
    cut_streams,
    unheard_clients,
    single_credential,
    dear_fallback,
)

"""From a model name to the route that serves it.

Names are looked up exactly first, then as globs in the order of the file, then as `provider/model` where that provider
may be addressed directly. A `Routing` never changes: a reload builds another one, and calls under way keep theirs. The
live state of a target is not part of it; routes hold references to states that outlive every reload.
"""

import difflib
import fnmatch
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Provider, Route, Settings, Target
from proxy.policy.abilities import ANYTHING, Ability, is_plain
from proxy.policy.credentials import CredentialRing
from proxy.policy.hedges import HedgeBudget
from proxy.policy.strategies import STRATEGIES, Candidate, Strategy
from proxy.policy.targets import TargetState
from proxy.providers.contract import ProviderKind
from proxy.providers.model_facts import facts_of

UNBOUNDED = 2**62
#: Fields in which requests say how long the answer may be.
_LIMITS = frozenset(("max_tokens", "max_completion_tokens", "max_output_tokens"))
#: Directly addressed models are named by clients, so their number must be bounded.
MAX_DIRECT = 256
DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a target of a route gets: to a stream's first content (`stream`), to the end of a whole answer (`whole`,
    generated text takes its time)."""

    stream: float
    whole: float


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route with the live states of its targets.

    `weighs_needs`: endpoints for which not every target can do the same, or take in as much, so that a request's needs have
    to be looked at before choosing. `first`: the candidate that is chosen whenever nothing speaks against it; None: the
    strategy decides. `easy`: bytes of body up to which nothing in a request to this endpoint can speak against `first`.
    `headers`: the reply headers that say who answered, `patience`: the time limits, both by target id and made once, since
    every call needs them. `hedges`: how many second copies may be sent, None: none."""

    route: Route
    tiers: tuple[tuple[Candidate, ...], ...]
    strategy: Strategy
    weighs_needs: frozenset[Endpoint]
    first: Candidate | None
    easy: Mapping[Endpoint, int]
    headers: Mapping[str, tuple[tuple[bytes, bytes], ...]]
    patience: Mapping[str, Patience]
    hedges: HedgeBudget | None = None

    @property
    def candidates(self) -> Iterator[Candidate]:
        return (candidate for tier in self.tiers for candidate in tier)

    def is_easy(self, envelope: Envelope, endpoint: Endpoint) -> bool:
        """Whatever this request needs, `first` can be asked."""
        if self.first is None or len(envelope.body) > self.easy[endpoint]:
            return False
        return self.first.target.facts.max_output is None or _LIMITS.isdisjoint(envelope.fields)


def bind_route(
    route: Route, state_of: Callable[[Target], TargetState], ability_of: Callable[[Target], Ability] = lambda _: ANYTHING
) -> RouteState:
    """Tie a configured route to the live states of its targets."""
    tiers = tuple(tuple(Candidate(target, state_of(target), ability_of(target)) for target in tier) for tier in route.tiers)
    candidates = [candidate for tier in tiers for candidate in tier]
    in_order = route.strategy == "ordered" or len(tiers[0]) == 1
    return RouteState(
        route=route,
        tiers=tiers,
        strategy=STRATEGIES[route.strategy],
        weighs_needs=frozenset(e for e in Endpoint if not all(takes_everything(each, e) for each in candidates)),
        first=candidates[0] if in_order else None,
        easy={endpoint: easy_size(candidates[0], endpoint) for endpoint in Endpoint},
        headers={target.id: served_by(route, target) for target in route.targets},
        patience={target.id: patience_with(route, target) for target in route.targets},
        hedges=None if route.hedge is None else HedgeBudget(route.hedge.share),
    )


def takes_everything(candidate: Candidate, endpoint: Endpoint) -> bool:
    """Whatever a request to this endpoint needs, this target is as good for it as any, or as bad: it may not serve it."""
    serves = candidate.ability.serves
    if serves is not None and endpoint not in serves:
        return True
    return easy_size(candidate, endpoint) >= UNBOUNDED and candidate.target.facts.max_output is None


def easy_size(candidate: Candidate, endpoint: Endpoint) -> int:
    """Bytes of body up to which nothing about a request can speak against this target; -1: there is none."""
    target = candidate.target
    if not is_plain(target, candidate.ability, endpoint):
        return -1
    window = target.context_window or target.facts.context_window
    # The estimate of a request's tokens is a quarter of its bytes at most.
    return UNBOUNDED if window is None else window * 4


def patience_with(route: Route, target: Target) -> Patience:
    """The route's limits, or the target's own where it is a slow starter."""
    timeouts = route.timeouts
    if target.first_content is not None:
        timeouts = replace(timeouts, first_content=target.first_content)
    return Patience(timeouts.first_content, timeouts.whole)


def served_by(route: Route, target: Target) -> tuple[tuple[bytes, bytes], ...]:
    """Reply headers that name route and target."""
    return (
        (b"x-undimmed-route", route.name.encode()),
        (b"x-undimmed-target", target.id.encode()),
        (b"x-undimmed-provider", target.provider.encode()),
        (b"x-undimmed-model", target.model.encode()),
    )


def compile_glob(name: str) -> re.Pattern[str]:
    """A public name in which only `*` is special. fnmatch's translation never backtracks, which matters for names that
    clients make up."""
    return re.compile(fnmatch.translate(name.replace("[", "[[]").replace("?", "[?]")))


def bind_candidates(route: Route, tiers: tuple[tuple[Candidate, ...], ...]) -> RouteState:
    """A route whose targets are there already, for requests that need nothing of a model."""
    targets = [candidate.target for tier in tiers for candidate in tier]
    return RouteState(
        route=route,
        tiers=tiers,
        strategy=STRATEGIES[route.strategy],
        weighs_needs=frozenset(),
        first=None,
        easy={},
        headers={target.id: served_by(route, target) for target in targets},
        patience={target.id: patience_with(route, target) for target in targets},
    )


def prefer(state: RouteState, target_id: str) -> RouteState | None:
    """The route with its tiers in another order: that of this target and those behind it, then those before it; those of
    last resort stay last. None: it is the first already, or not among the targets (of a route bound to an account)."""
    usual = tuple(tier for tier in state.tiers if not tier[0].target.last_resort)
    places = [n for n, tier in enumerate(usual) if any(each.target.id == target_id for each in tier)]
    place = places[0] if places else 0
    if not place:
        return None
    tiers = (*usual[place:], *usual[:place], *state.tiers[len(usual) :])
    chosen = tiers[0][0]
    return replace(
        state,
        tiers=tiers,
        first=chosen if state.route.strategy == "ordered" or len(tiers[0]) == 1 else None,
        easy={endpoint: easy_size(chosen, endpoint) for endpoint in Endpoint},
    )


def narrow(state: RouteState, keep: Callable[[Candidate], bool]) -> RouteState | None:
    """The route with some of its targets only; None: none is left."""
    tiers = tuple(kept for tier in state.tiers if (kept := tuple(filter(keep, tier))))
    return replace(state, tiers=tiers, first=None) if tiers else None


class Routing:
    """One configuration, ready to be asked. `rings`: the credentials of every provider, by its name."""

    def __init__(
        self,
        settings: Settings,
        kinds: Mapping[str, ProviderKind],
        state_of: Callable[[Target], TargetState],
        rings: Mapping[str, CredentialRing] | None = None,
        ability_of: Callable[[Target], Ability] = lambda _: ANYTHING,
    ) -> None:
        self.settings = settings
        self.kinds = kinds
        self.rings: Mapping[str, CredentialRing] = rings or {}
        self.routes: Sequence[RouteState] = [bind_route(route, state_of, ability_of) for route in settings.routes]
        self._state_of = state_of
        self._ability_of = ability_of
        self._exact: dict[str, RouteState] = {}
        self._globs: list[tuple[re.Pattern[str], RouteState]] = []
        for state in self.routes:
            for name in state.route.models:
                if "*" in name:
                    self._globs.append((compile_glob(name), state))
                else:
                    self._exact.setdefault(name, state)
        #: Tags that belong to keys: a request cannot give them to itself.
        self.reserved_tags = frozenset(tag for key in settings.keys for tag in key.tags)
        self._direct: OrderedDict[str, RouteState] = OrderedDict()
        self._accounts: dict[str, Candidate] = {}

    def find(self, model: str) -> RouteState | None:
        """The route for a model name, None if there is none."""
        found = self._exact.get(model)
        if found is not None:
            return found
        for pattern, state in self._globs:
            if pattern.match(model):
                return state
        return self._address(model)

    def _address(self, model: str) -> RouteState | None:
        known = self._direct.get(model)
        if known is not None:
            self._direct.move_to_end(model)
            return known
        name, slash, upstream = model.partition("/")
        provider = self.settings.providers.get(name)
        if not slash or not upstream or provider is None or not provider.direct:
            return None
        state = bind_route(self._direct_route(provider, upstream), self._state_of, self._ability_of)
        self._direct[model] = state
        if len(self._direct) > MAX_DIRECT:
            self._direct.popitem(last=False)
        return state

    def _direct_route(self, provider: Provider, upstream: str) -> Route:
        settings = self.settings
        known = (target for route in settings.routes for target in route.targets)
        same = next((t for t in known if t.provider == provider.name and t.model == upstream), None)
        tariff = provider.pricing.tariff(upstream) if same is None and provider.pricing is not None else None
        target = Target(
            provider=provider.name,
            model=upstream,
            max_in_flight=same.max_in_flight if same else None,
            context_window=same.context_window if same else None,
            price=same.price if same else None,
            tariff=same.tariff if same else tariff,
            first_content=provider.first_content,
            facts=same.facts if same else facts_of(upstream),
        )
        return Route(name=DIRECT, models=(target.id,), tiers=((target,),), timeouts=settings.timeouts, retry=settings.retry)

    def account(self, provider: str, credential: str) -> Candidate:
        """One credential of a provider as a target of its own, for what names no model."""
        known = self._accounts.get(credential)
        if known is None:
            settings = self.settings.providers[provider]
            target = Target(provider, credential.removeprefix(provider), first_content=settings.first_content)
            known = self._accounts[credential] = Candidate(target, self._state_of(target), self._ability_of(target))
        return known

    def reach(self, allowed: frozenset[str] | None) -> frozenset[str]:
        """The providers that a key with these routes may use."""
        if allowed is None:
            return frozenset(self.settings.providers)
        routes = [state.route for state in self.routes if self.allows(state, state.route.name, allowed)]
        reached = {target.provider for route in routes for target in route.targets}
        if DIRECT in allowed:
            reached |= {provider.name for provider in self.settings.providers.values() if provider.direct}
        return frozenset(reached)

    def allows(self, state: RouteState, model: str, allowed: frozenset[str] | None) -> bool:
        """May a key with these routes use this one? A direct address counts under its own name or `direct`."""
        return allowed is None or state.route.name in allowed or model in allowed

    def names(self, allowed: frozenset[str] | None = None) -> list[str]:
        """Public model names without globs, in the order of the file."""
        return [
            name
            for state in self.routes
            if self.allows(state, state.route.name, allowed)
            for name in state.route.models
            if "*" not in name
        ]

    def nearest(self, model: str, allowed: frozenset[str] | None) -> list[str]:
        """Up to three names that somebody who asked for `model` may have meant, best first."""
        names = self.names(allowed)
        lowered = {name.lower(): name for name in names}
        close = difflib.get_close_matches(model.lower()[:128], list(lowered), n=3, cutoff=0.6)
        return [lowered[name] for name in close]

    def states(self) -> Iterable[TargetState]:
        """Every live target state of this configuration, each once, in order of first mention; accounts that were asked for
        something come last."""
        seen: dict[str, TargetState] = {}
        for route in [*self.routes, *self._direct.values()]:
            for candidate in route.candidates:
                seen.setdefault(candidate.target.id, candidate.state)
        for candidate in self._accounts.values():
            if candidate.state.endpoints:
                seen.setdefault(candidate.target.id, candidate.state)
        return seen.values()

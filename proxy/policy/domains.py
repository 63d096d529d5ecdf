"""Failure domains: what targets have in common that can fail under all of them at once.

Decides when a host, a region, a vendor or an account is suspect as a whole. Two models behind one dead host need not each be
found out by a breaker of their own: when members of a domain fail one after the other within seconds, and nothing of it
succeeds in between, all of it goes out of favour (as by a detector: passed over while others can serve, asked when none
can), and one trial brings it back. A region's and a vendor's members are hosts, so that one dead host is not taken for
all of its vendor; a host's are targets and endpoints, an account's the credentials that were refused.

Within one call, a target that could not be reached, or whose server failed, is no recommendation for its neighbours:
failover asks those first who live elsewhere.

Invariants: a success forgives what failed before it was asked; one member alone, however often it fails, makes no domain
suspect.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from weakref import WeakValueDictionary

from proxy.core.outcome import OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings, Provider
from proxy.policy.breaker import Breaker, Standing, Ticket
from proxy.policy.suspicion import doubt

#: Failures count together if they are no more than this many seconds apart from the first to the last.
WITHIN = 5.0
#: Members that failed, and failures in all, that make a domain suspect.
MEMBERS = 2
FAILURES = 4
#: What a dead or failing server looks like from here. Refusals (429, 400) come from one that lives.
SIGNS = frozenset(
    {
        OutcomeKind.CONNECT_FAILED,
        OutcomeKind.CONNECT_TIMEOUT,
        OutcomeKind.SERVER_ERROR,
        OutcomeKind.FIRST_CONTENT_TIMEOUT,
        OutcomeKind.STALLED,
    }
)
#: Those of a host of which nothing was heard at all.
SILENT = SIGNS - {OutcomeKind.SERVER_ERROR}
#: Failures within `WITHIN` seconds, and nothing else, that make a host's neighbours a poor choice for the same call.
SHAKY = 3
#: Presets that stand for no vendor: any number of unrelated servers have them.
_NOBODY = frozenset({"custom", "ollama", "vllm", "llamacpp", "lmstudio", "sglang", "max"})

MakeDoubt = Callable[[str], Breaker]


class Domain:
    """One thing that can fail as a whole. `name` is shown: `host api.openai.com`."""

    __slots__ = ("__weakref__", "_failures", "_make", "doubt", "name")

    def __init__(self, name: str, make: MakeDoubt) -> None:
        self.name = name
        self.doubt: Breaker | None = None
        self._make = make
        self._failures: list[tuple[float, str]] = []

    def __repr__(self) -> str:
        return f"<Domain {self.name} {self.doubt!r}>"

    def failed(self, member: str, why: str, now: float) -> None:
        """A member failed in a way that looks like the end of its server."""
        recent = [(at, who) for at, who in self._failures if now - at <= WITHIN]
        recent.append((now, member))
        self._failures = recent[-64:]
        members = {who for _, who in recent}
        if len(members) >= MEMBERS and len(recent) >= FAILURES:
            self.suspect(f"{_list(members)} failed within {now - recent[0][0]:.1f} s: {why}", now)

    def shaky(self, now: float) -> bool:
        """Has it only failed in these seconds?"""
        return sum(now - at <= WITHIN for at, _ in self._failures) >= SHAKY

    def succeeded(self, started: float) -> None:
        """Something of it answered that was asked at `started`: what failed before that is forgiven."""
        self._failures = [(at, who) for at, who in self._failures if at > started]

    def suspect(self, cause: str, now: float) -> None:
        """All of it, from now on."""
        if self.doubt is None:
            self.doubt = self._make(self.name)
        self.doubt.trip(now, f"{self.name}: {cause}")
        self._failures.clear()

    def standing(self, now: float) -> Standing | None:
        """None while nothing speaks against it."""
        return None if self.doubt is None or self.doubt.flows(now) else self.doubt.look(now)


class Territory:
    """The domains of one provider: its host, region, vendor and account."""

    __slots__ = ("account", "domains", "host", "wider")

    def __init__(self, host: Domain, wider: Sequence[Domain], account: Domain) -> None:
        self.host = host
        self.wider = tuple(wider)
        self.account = account
        self.domains = (host, *wider, account)

    def calm(self, now: float) -> bool:
        """Nothing speaks against any of them."""
        for domain in self.domains:  # noqa: SIM110 (on the path of every request)
            if domain.doubt is not None and not domain.doubt.flows(now):
                return False
        return True

    def standing(self, now: float) -> Standing | None:
        """Of the first domain that is suspect."""
        return next((standing for domain in self.domains if (standing := domain.standing(now)) is not None), None)

    def trials(self, now: float) -> list[Ticket]:
        """The trials that are due: whoever is sent now takes them."""
        tickets = []
        for domain in self.domains:
            standing = domain.standing(now)
            if standing is not None and standing.fraction == 0.0:
                assert domain.doubt is not None  # it has a standing
                ticket = domain.doubt.acquire(now)
                if ticket is not None:
                    tickets.append(ticket)
        return tickets

    def failed(self, member: str, kind: OutcomeKind, why: str, now: float) -> None:
        """An attempt on one endpoint of a target failed."""
        if kind in SIGNS:
            self.host.failed(member, why, now)
            for domain in self.wider:
                domain.failed(self.host.name, why, now)

    def succeeded(self, started: float) -> None:
        """An attempt that began then was answered."""
        for domain in self.domains:
            if domain._failures:
                domain.succeeded(started)

    def refused(self, credentials: int, now: float) -> None:
        """The provider refuses several credentials: its authentication is down, or the account is."""
        self.account.suspect(f"{credentials} credentials were refused within a minute", now)


class Domains:
    """The domains of all providers, shared by those that have them in common. They live as long as a territory does."""

    def __init__(self, settings: BreakerSettings, rng: Random, on_change: Callable[[StateChange], None]) -> None:
        self._make: MakeDoubt = lambda name: doubt(name, None, settings, rng, on_change)
        self._known: WeakValueDictionary[str, Domain] = WeakValueDictionary()

    def territory(self, provider: Provider) -> Territory:
        """Where a provider lives."""
        wider = [self._domain(name) for name in wider_domains(provider)]
        return Territory(self._domain(host_of(provider)), wider, self._domain(f"account {provider.name}"))

    def _domain(self, name: str) -> Domain:
        known = self._known.get(name)
        if known is None:
            known = Domain(name, self._make)
            self._known[name] = known
        return known


def host_of(provider: Provider) -> str:
    return f"host {provider.origin.authority}"


def wider_domains(provider: Provider) -> Iterable[str]:
    """The region and the vendor of a provider, where it has one."""
    if provider.preset in _NOBODY:
        return
    if provider.region:
        yield f"region {provider.preset} {provider.region}"
    yield f"vendor {provider.preset}"


def _list(members: Iterable[str]) -> str:
    names = sorted(members)
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"

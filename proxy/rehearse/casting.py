"""Who plays whom: which of a configuration's providers an outage hits, and what each vendor is given to play.

An outage of OpenAI hits the providers of preset `openai`. Where a configuration has no such vendor, the provider that most
routes prefer is hit in its place, "as if": the question is what one's own configuration would do. An outage of a token
endpoint touches nobody whose keys last, as it did not in reality; if there are tokens elsewhere, those are hit as if.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.core.settings import Settings
from proxy.rehearse.issuer import IssuerPlan, IssuerSpan
from proxy.rehearse.outage import Outage, Strike
from proxy.rehearse.twin import Twin, key_of
from proxy.rehearse.vendors import Part, profile_of

#: Seconds of virtual time that an outage lasts at most: longer ones are compressed, or probes alone would take minutes.
LONGEST = 6 * 3600.0
#: With more targets than so many it is less, but never less than an hour.
MANY, LEAST_LONG = 12, 3600.0
#: Healthy time before an outage, and after it, as shares of its length, and in seconds at most.
LEAD, LEAD_MOST = 0.15, 900.0
TAIL, TAIL_MOST = 0.25, 1800.0
LEAST = 60.0


@dataclass(frozen=True, slots=True)
class Clock:
    """How an outage lies in a rehearsal: it begins after `lead` seconds, lasts `length`, and `tail` follows. `squeeze`: how
    many seconds of the real one pass in one of ours."""

    lead: float
    length: float
    tail: float
    squeeze: float

    @property
    def seconds(self) -> float:
        return self.lead + self.length + self.tail

    def place(self, at: float) -> float:
        """A moment of the outage in seconds of the rehearsal."""
        return self.lead + at / self.squeeze


def set_clock(outage: Outage, duration: float | None = None, targets: int = 1) -> Clock:
    """`duration`: seconds that the outage is to last; None: as long as it did, up to what so many targets allow."""
    longest = max(LEAST_LONG, LONGEST * min(1.0, MANY / targets))
    length = min(outage.length, longest) if duration is None else duration
    lead = max(LEAST, min(length * LEAD, LEAD_MOST))
    tail = max(LEAST, min(length * TAIL, TAIL_MOST))
    return Clock(lead, length, tail, outage.length / length)


@dataclass(frozen=True, slots=True)
class Cast:
    """`parts` by provider; `hit`: the providers that are hit. `as_if`: none of them is of the vendor it happened to.
    `plans`: what each simulated issuer does, by its name."""

    parts: Mapping[str, Part]
    hit: tuple[str, ...]
    as_if: bool
    plans: Mapping[str, IssuerPlan]
    clock: Clock


def cast(twin: Twin, outage: Outage, clock: Clock, tokens: int) -> Cast:
    """Give out the parts. `tokens`: how long answers are."""
    hit, as_if = find_hit(twin, outage)
    strikes = tuple(replace(s, start=clock.place(s.start), end=clock.place(s.end)) for s in outage.strikes)
    settings = twin.settings
    parts = {name: _part(settings, name, strikes if name in hit else (), tokens) for name in settings.providers}
    plans = {issuer: _plan(outage, name in hit, clock) for name, issuer in twin.issuers.items()}
    return Cast(parts, hit, as_if, plans, clock)


def find_hit(twin: Twin, outage: Outage) -> tuple[tuple[str, ...], bool]:
    """The providers that are hit, and whether that is "as if". Nobody: none of them could be touched."""
    used = dict.fromkeys(target.provider for route in twin.settings.routes for target in route.targets)
    names = [name for name in used if _is_of(twin.settings, name, outage)]
    if not outage.strikes:
        holders = [name for name in names if name in twin.issuers]
        elsewhere = [name for name in used if name in twin.issuers]
        if holders or not elsewhere:
            return _some(holders, outage), False
        return (elsewhere[0],), True
    if names:
        return _some(names, outage), False
    return preferred(twin.settings)[:1], True


def _some(names: list[str], outage: Outage) -> tuple[str, ...]:
    return tuple(names[:1] if outage.one else names)


def _is_of(settings: Settings, name: str, outage: Outage) -> bool:
    return name in outage.vendors or settings.providers[name].preset in outage.vendors


def preferred(settings: Settings) -> tuple[str, ...]:
    """Providers by how many routes ask them first."""
    counts = Counter(route.tiers[0][0].provider for route in settings.routes if route.targets)
    return tuple(name for name, _ in counts.most_common())


def _part(settings: Settings, name: str, strikes: tuple[Strike, ...], tokens: int) -> Part:
    provider = settings.providers[name]
    models = dict.fromkeys(target.model for route in settings.routes for target in route.targets if target.provider == name)
    keys = [key_of(credential.id) for credential in provider.credentials if credential.source is None]
    return Part(provider.kind, profile_of(provider.preset).healthy(tokens), strikes, tuple(models), tuple(keys))


def _plan(outage: Outage, hit: bool, clock: Clock) -> IssuerPlan:
    plan = outage.issuer
    if plan is None or not hit:
        return IssuerPlan()
    spans = tuple(IssuerSpan(clock.place(s.start), clock.place(s.end), s.behaviour) for s in plan.spans)
    return IssuerPlan(plan.life / clock.squeeze, spans)

"""The gate in front of the attempt loop: who may pass, what each attempt sets aside, and that all of it is given back.

One `Gate` per proxy keeps the allowances of everything that is limited; a reload changes their limits, not what was used. A
call that something limits gets a `Passage`: let in once, charged for each attempt at that target's own price, left when the
client has its reply, closed when the last of its tokens are known. The attempt loop asks it whether a target can be afforded
(`bar`) just as it asks the target's breaker.

Invariants: nothing here waits, so what was found to fit is set aside before anybody else can look; a passage that was
entered is left once and closed once, on every way out, since both hang on the end of the call itself. Where nothing is
limited, a call costs one look at `idle`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from proxy.core.limits import BudgetEvent, BudgetStanding, Limits, Scope, Subject
from proxy.core.outcome import OutcomeKind
from proxy.core.problem import Problem
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.settings import Settings, Target
from proxy.pipeline.demand import Demand, quantity_of
from proxy.pipeline.journey import Journey
from proxy.pipeline.routing import RouteState, prefer
from proxy.policy.allowances import Allowance, Charge, Moment, Quantity, Shortage, later
from proxy.policy.spending import Spending
from proxy.policy.strategies import Candidate

#: What `CallRecord.degraded` says of a call that went to a cheaper target for want of money.
LOW_BUDGET = "budget"
#: Seconds that the official SDKs wait when they are told to; longer, and they come back at once instead.
LONGEST_WAIT = 60.0
#: Limited subjects from which on unused budgets are not worth showing.
MANY = 1000
HeaderLines = list[tuple[bytes, bytes]]
_RATE_HEADERS: Mapping[str, tuple[bytes, ...]] = {
    what: tuple(f"x-ratelimit-{part}-{what}".encode() for part in ("limit", "remaining", "reset"))
    for what in ("requests", "tokens")
}


def limits_of(settings: Settings) -> dict[Subject, Limits]:
    """Everything that this configuration limits."""
    named: list[tuple[Scope, str, Limits]] = [
        *((Scope.KEY, key.name, key.limits) for key in settings.keys),
        *((Scope.TAG, name, limits) for name, limits in settings.tags.items()),
        *((Scope.ROUTE, route.name, route.limits) for route in settings.routes),
        *((Scope.PROVIDER, provider.name, provider.limits) for provider in settings.providers.values()),
    ]
    return {(scope, name): limits for scope, name, limits in named if limits}


class Gate:
    """`idle`: nothing is limited. `blank`: the budgets that the last `use` brought, which know nothing of the time before
    it. `refusals` counts by scope, name and limit. `now` and `wall`: loop time and Unix time. `tell` hears of budgets that
    reach a level."""

    def __init__(self, now: Callable[[], float], wall: Callable[[], float], tell: Callable[[BudgetEvent], None]) -> None:
        self._now = now
        self._wall = wall
        self._tell = tell
        self._allowances: dict[Subject, Allowance] = {}
        self._thrifty: dict[str, tuple[RouteState, RouteState | None]] = {}
        self.demand = Demand(wall)
        self.providers: Mapping[str, Allowance] = {}
        self.blank: list[tuple[Subject, Spending]] = []
        self.refusals: dict[tuple[str, str, str], int] = {}
        self.idle = True

    def __repr__(self) -> str:
        return f"<Gate of {len(self._allowances)} subjects>"

    def use(self, settings: Settings) -> None:
        """Hold the next calls against the limits of these settings."""
        wall = self._wall()
        fresh: dict[Subject, Allowance] = {}
        before = {spending for allowance in self._allowances.values() for spending in allowance.budgets}
        for subject, limits in limits_of(settings).items():
            allowance = self._allowances.get(subject)
            if allowance is None:
                allowance = Allowance(subject, limits, wall)
            elif allowance.limits is not limits:
                allowance.renew(limits, wall)
            fresh[subject] = allowance
        self._allowances = fresh
        self._thrifty = {}
        self.providers = {name: allowance for (scope, name), allowance in fresh.items() if scope is Scope.PROVIDER}
        self.idle = not fresh
        spendings = [(subject, spending) for subject, allowance in fresh.items() for spending in allowance.budgets]
        self.blank = [(subject, spending) for subject, spending in spendings if spending not in before]

    @property
    def allowances(self) -> Iterable[Allowance]:
        return self._allowances.values()

    def moment(self) -> Moment:
        return Moment(self._now(), self._wall())

    def admit(self, journey: Journey) -> Journey | Problem:
        """Let a call in, or say why not. Call only while not `idle`."""
        record = journey.record
        own = self._find(record)
        if not own and not self.providers:
            return journey
        at = self.moment()
        short = None
        for allowance in own:
            short = later(short, allowance.lacks_room(at.loop))
        if short is not None:
            problem = self.refuse([short], at.loop)
            problem.headers = rate_headers(own, at.loop)
            return problem
        for allowance in own:
            allowance.enter(at.loop)
        journey.booking.passage = Passage(self, journey, own, at)
        self._economise(journey, at.wall)
        return journey

    def refuse(self, shortages: Sequence[Shortage], now: float) -> Problem:
        """What to tell a client whom one limit of each of its targets keeps out: the one that ends first counts. A client
        may ask again by itself where a rate is short and will not be for long, and not where money is."""
        short = min(shortages, key=lambda shortage: float("inf") if shortage.until is None else shortage.until)
        retry_after = None if short.until is None else max(short.until - now, 0.0)
        scope, name = short.subject or ("", "")
        counted = (str(scope), name, short.limit)
        self.refusals[counted] = self.refusals.get(counted, 0) + 1
        rated = short.kind is OutcomeKind.RATE_LIMITED
        return Problem(
            429,
            f"{short.cause[:1].upper()}{short.cause[1:]}.",
            "rate_limit_error" if rated else "insufficient_quota",
            "rate_limit_exceeded" if rated else "insufficient_quota",
            retry_after=retry_after,
            should_retry=rated and retry_after is not None and retry_after <= LONGEST_WAIT,
            extra={"limit": {"scope": str(scope), "name": name, "limit": short.limit, "amount": short.amount}},
        )

    def _find(self, record: CallRecord) -> list[Allowance]:
        """The allowances of a call: of its key (first), its tags and its route."""
        found = self._allowances.get
        subjects: list[Subject] = [] if record.key is None else [(Scope.KEY, record.key)]
        subjects += [(Scope.TAG, tag) for tag in record.tags]
        subjects.append((Scope.ROUTE, record.route))
        return [allowance for subject in subjects if (allowance := found(subject)) is not None]

    def _economise(self, journey: Journey, wall: float) -> None:
        """Prefer the cheaper targets of a route whose budget runs low."""
        state = journey.route
        allowance = self._allowances.get((Scope.ROUTE, state.route.name))
        for spending in allowance.budgets if allowance is not None else ():
            target = spending.budget.to
            if target is None or not spending.is_low(wall):
                continue
            known = self._thrifty.get(state.route.name)
            if known is None or known[0] is not state:
                known = self._thrifty[state.route.name] = (state, prefer(state, target))
            if known[1] is not None:
                journey.route = known[1]
                journey.record.degraded = LOW_BUDGET
            return

    def settle(self, charges: Sequence[Charge], target: Target, record: AttemptRecord) -> None:
        """What an attempt has set aside has come to what its record says."""
        usage = record.usage
        used = None if usage is None else quantity_of(usage, record.cost)
        if usage is not None:
            self.demand.note(target.id, usage.output)
        now = self._now()
        for charge in charges:
            for level, standing in charge.allowance.settle(charge, used, now):
                self._tell(BudgetEvent(self._wall(), level, standing))

    def standings(self, now: float) -> list[BudgetStanding]:
        """Every budget as it stands at `now` (Unix time); where there are very many, those of which something is used."""
        used = len(self._allowances) > MANY
        return [standing for allowance in self._allowances.values() for standing in allowance.standings(now, used)]


class Passage:
    """One call's way through the limits. `own`: those of its key, tags and route, entered already, at the moment `at`."""

    __slots__ = ("_at", "_charges", "_demands", "_gate", "_guests", "_journey", "_left", "_metered", "_own")

    def __init__(self, gate: Gate, journey: Journey, own: list[Allowance], at: Moment) -> None:
        self._gate = gate
        self._journey = journey
        self._own = own
        self._metered = [allowance for allowance in own if allowance.metered]
        self._left = False
        self._guests: list[tuple[Allowance, AttemptRecord]] = []  # at providers
        self._charges: list[tuple[AttemptRecord, Target, list[Charge]]] = []
        self._demands: dict[str, Quantity] = {}
        self._at = at

    def __repr__(self) -> str:
        return f"<Passage of {self._journey.record.id}, {len(self._charges)} charges>"

    def bar(self, candidate: Candidate) -> Shortage | None:
        """Why this target cannot be afforded now; changes nothing."""
        target = candidate.target
        at = self._at = self._gate.moment()
        provider = self._gate.providers.get(target.provider)
        short = None if provider is None else provider.lacks_room(at.loop)
        for allowance in self._meters(provider):
            short = later(short, allowance.lacks_means(self._quantity(target), at))
        return short

    def charge(self, target: Target, record: AttemptRecord) -> None:
        """Set aside what an attempt may use, which `bar` has found to fit in this very turn of the loop."""
        at = self._at
        provider = self._gate.providers.get(target.provider)
        if provider is not None:
            provider.enter(at.loop)
            self._guests.append((provider, record))
        charges = [allowance.charge(self._quantity(target), at) for allowance in self._meters(provider)]
        if charges:
            self._charges.append((record, target, charges))

    def settle(self, record: AttemptRecord) -> None:
        """An attempt is over. If what it used has yet to be estimated, what it has set aside stands for it until then."""
        for provider, guest in self._guests:
            if guest is record:
                provider.leave()
        self._guests = [entry for entry in self._guests if entry[1] is not record]
        if record.usage is not None or not record.possibly_billed:
            self._settle([entry for entry in self._charges if entry[0] is record])
            self._charges = [entry for entry in self._charges if entry[0] is not record]

    def leave(self) -> None:
        """The client has its reply, or is gone."""
        if not self._left:
            self._left = True
            for allowance in self._own:
                allowance.leave()
            for provider, _ in self._guests:
                provider.leave()
            self._guests = []

    def close(self) -> None:
        """All that will ever be known of the call's tokens is known."""
        charges, self._charges = self._charges, []
        self._settle(charges)

    def refuse(self, shortages: Sequence[Shortage], now: float) -> Problem:
        """What to tell the client where no target can be afforded."""
        return self._gate.refuse(shortages, now)

    def headers(self) -> HeaderLines:
        """What is left of the key's rates."""
        return rate_headers(self._own, self._at.loop)

    def _meters(self, provider: Allowance | None) -> list[Allowance]:
        return self._metered if provider is None or not provider.metered else [*self._metered, provider]

    def _quantity(self, target: Target) -> Quantity:
        known = self._demands.get(target.id)
        if known is None:
            known = self._demands[target.id] = self._gate.demand.measure(self._journey, target)
        return known

    def _settle(self, entries: list[tuple[AttemptRecord, Target, list[Charge]]]) -> None:
        for record, target, charges in entries:
            self._gate.settle(charges, target, record)


def rate_headers(own: Sequence[Allowance], now: float) -> HeaderLines:
    """`x-ratelimit-*` as OpenAI sends them, of a call's key if that is limited."""
    if not own or own[0].subject[0] is not Scope.KEY:
        return []
    lines: HeaderLines = []
    for what, (limit, left, reset) in own[0].rate_view(now).items():
        names = _RATE_HEADERS[what]
        lines += zip(names, (b"%d" % limit, b"%d" % left, show_wait(reset)), strict=True)
    return lines


def show_wait(seconds: float) -> bytes:
    """A duration in Go's notation, which is OpenAI's here: `12ms`, `1s`, `6m0s`; rounded up."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return b"%dms" % max(milliseconds, 0)
    whole = -(-milliseconds // 1000)
    return b"%dm%ds" % divmod(whole, 60) if whole >= 60 else b"%ds" % whole

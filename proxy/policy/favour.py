"""What detectors think of one endpoint of a target, all of them together: of itself, and of the domains it lives in.

Gives the soft part of an admission: out of favour, due for a trial, or on the way back. Nothing here refuses.

Invariant: looking changes nothing; where nobody watches, or all is well, asking is one comparison per domain.
"""

from proxy.policy.breaker import CLOSED, HALF_OPEN, OPEN, Standing
from proxy.policy.domains import Territory
from proxy.policy.suspicion import EJECTED, ON_TRIAL, TRUSTED, Suspicion, Trials


class Favour:
    """`suspicion` None: answers are not watched; `territory` None: domains are not."""

    __slots__ = ("suspicion", "territory")

    def __init__(self, suspicion: Suspicion | None, territory: Territory | None) -> None:
        self.suspicion = suspicion
        self.territory = territory

    def __repr__(self) -> str:
        return f"<Favour {self.suspicion!r} {self.territory!r}>"

    def flows(self, now: float) -> bool:
        """Nothing speaks against it."""
        suspicion, territory = self.suspicion, self.territory
        if suspicion is not None and suspicion.doubt is not None and not suspicion.calm(now):
            return False
        return territory is None or territory.calm(now)

    def standings(self, now: float) -> list[Standing]:
        """Whatever speaks against it, its own case first."""
        suspicion, territory = self.suspicion, self.territory
        own = None if suspicion is None else suspicion.standing(now)
        shared = None if territory is None else territory.standing(now)
        return [standing for standing in (own, shared) if standing is not None]

    def trials(self, now: float) -> Trials:
        """The trials that are due: whoever is sent now takes them."""
        suspicion, territory = self.suspicion, self.territory
        own = None if suspicion is None else suspicion.trial(now)
        return Trials(suspicion, own, [] if territory is None else territory.trials(now))

    def doubted(self, now: float) -> bool:
        """Is its own work what speaks against it, and nothing else? That rests on comparison, and all may be wrong together;
        what speaks against a domain are failures."""
        suspicion, territory = self.suspicion, self.territory
        own = None if suspicion is None else suspicion.standing(now)
        return own is not None and own.state != CLOSED and (territory is None or territory.calm(now))

    # Views.

    def suspected(self, now: float) -> bool:
        """Out of favour: ejected or on trial."""
        return any(standing.state != CLOSED for standing in self.standings(now))

    def state(self, now: float) -> str:
        """`trusted`, `on_trial` or `ejected`."""
        states = {standing.state for standing in self.standings(now)}
        return EJECTED if OPEN in states else ON_TRIAL if HALF_OPEN in states else TRUSTED

    def objection(self, now: float) -> str | None:
        """What was said against it, in a sentence; None: nothing."""
        return next((standing.cause for standing in self.standings(now)), None)

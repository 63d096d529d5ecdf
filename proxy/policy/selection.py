"""From the tiers of a route to one candidate: who fits, who is admitted, and why not the others.

Tiers are walked in order; the strategy chooses inside the first tier that has somebody. A target that is coming back and
should have less traffic, or against which detectors speak, is passed over while another can serve, in a later tier too,
and taken if none can; where detectors speak against more than half of a route, they are not believed. A target whose
model probably cannot do what is asked is passed over if the route has another one. Nothing is acquired here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.policy.abilities import OVERSIZED, UNSERVED, doubt, misfit
from proxy.policy.strategies import Candidate, Choice, Strategy
from proxy.policy.targets import Admission, Verdict

TRIED = "this call has tried it already"
#: A target with one of these cannot be asked, whether it could be afforded or not.
_OUT = frozenset({Verdict.HELD, Verdict.OPEN})
_NO_DOUBTS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Selection:
    """`candidate`: the one to ask, None: nobody now. `skipped`: who was passed over on the way, in order, and why: the
    admission, or a sentence (it does not fit, it was tried). `full`: those who only lack a free place."""

    candidate: Candidate | None = None
    skipped: list[tuple[str, Admission | str]] = field(default_factory=list)
    full: list[Candidate] = field(default_factory=list)

    @property
    def refused(self) -> list[tuple[str, Admission]]:
        """Those who fit but were not admitted."""
        return [(target, why) for target, why in self.skipped if isinstance(why, Admission)]

    @property
    def unserved(self) -> bool:
        """Nobody has the endpoint."""
        return bool(self.skipped) and all(isinstance(why, str) and why.startswith(UNSERVED) for _, why in self.skipped)

    @property
    def unfit(self) -> bool:
        """Nobody could ever carry this request, however well all of them are."""
        return bool(self.skipped) and all(isinstance(why, str) and why != TRIED for _, why in self.skipped)

    @property
    def oversized(self) -> bool:
        """Nobody can take a request of this length."""
        return self.unfit and all(isinstance(why, str) and why.startswith(OVERSIZED) for _, why in self.skipped)

    def causes(self) -> list[str]:
        """One sentence per target, with its name."""
        return [f"{target}: {why}" for target, why in self.reasons()]

    def reasons(self) -> list[tuple[str, str]]:
        """Target and sentence, for people."""
        return [(target, why if isinstance(why, str) else why.cause or why.verdict.value) for target, why in self.skipped]


def select(
    route_tiers: Sequence[Sequence[Candidate]],
    strategy: Strategy,
    choice: Choice,
    tried: Collection[str],
    tried_credentials: Mapping[str, Collection[str]],
    needs: Needs,
) -> Selection:
    """Choose for one attempt. `tried`: target ids out for this call; `tried_credentials`: per target id, credentials that
    are. Somebody else may take the candidate's last place before it is acquired: then select again."""
    selection = Selection()
    returning: Candidate | None = None
    ejected: Candidate | None = None
    neighbours: list[Candidate] = []
    doubts = find_doubts(route_tiers, choice.endpoint, needs)
    for tier in route_tiers:
        admitted = []
        for candidate in tier:
            why = doubts.get(candidate.state.id) or _why_not(candidate, choice, tried, tried_credentials, needs)
            if why is None or _is_disbelieved(why, candidate, choice, route_tiers):
                admitted.append(candidate)
                continue
            selection.skipped.append((candidate.state.id, why))
            if not isinstance(why, str):
                if why.verdict is Verdict.FULL:
                    selection.full.append(candidate)
                elif why.verdict is Verdict.RAMPING and returning is None:
                    returning = candidate
                elif why.verdict is Verdict.EJECTED and ejected is None:
                    ejected = candidate
        if admitted and choice.shunned:
            admitted, aside = _ask_elsewhere(admitted, choice.shunned)
            neighbours = neighbours or aside
        if admitted:
            selection.candidate = strategy(admitted, choice)
            return selection
    neighbour = strategy(neighbours, choice) if neighbours else None
    selection.candidate = returning or neighbour or ejected
    return selection


def _ask_elsewhere(admitted: list[Candidate], shunned: Mapping[str, bool]) -> tuple[list[Candidate], list[Candidate]]:
    """Of a tier, those who live elsewhere than where this call has just failed, if there are any; else, all of them: to be
    asked now (their host answers, if badly), or only when nobody is left (it does not)."""
    elsewhere = [candidate for candidate in admitted if candidate.state.host not in shunned]
    if elsewhere:
        return elsewhere, []
    reached = [candidate for candidate in admitted if not shunned[candidate.state.host]]
    return reached, [] if reached else admitted


def panics(route_tiers: Sequence[Sequence[Candidate]], choice: Choice) -> bool:
    """Do detectors speak against more than half of a route's targets? Then it is more likely that they are wrong (the
    requests have changed, our own line is slow), and the rest could hardly carry all of the traffic anyway."""
    favours = [candidate.state.favour(choice.endpoint) for tier in route_tiers for candidate in tier]
    doubted = sum(favour is not None and favour.doubted(choice.now) for favour in favours)
    return doubted * 2 > len(favours)


def _is_disbelieved(
    why: Admission | str, candidate: Candidate, choice: Choice, route_tiers: Sequence[Sequence[Candidate]]
) -> bool:
    """Is nothing but a detector against this candidate, and are detectors against too many?"""
    if isinstance(why, str) or why.verdict is not Verdict.EJECTED:
        return False
    favour = candidate.state.favour(choice.endpoint)
    return favour is not None and favour.doubted(choice.now) and panics(route_tiers, choice)


def find_doubts(route_tiers: Sequence[Sequence[Candidate]], endpoint: Endpoint, needs: Needs) -> Mapping[str, str]:
    """Target ids that are passed over because the route has, in whatever state, one whose model can do this; and why."""
    doubts: dict[str, str] = {}
    sure = False
    for candidate in (candidate for tier in route_tiers for candidate in tier):
        why = doubt(candidate.target, needs)
        if why is not None:
            doubts[candidate.state.id] = why
        elif misfit(candidate.target, candidate.ability, endpoint, needs) is None:
            sure = True
    return doubts if sure else _NO_DOUBTS


def _why_not(
    candidate: Candidate,
    choice: Choice,
    tried: Collection[str],
    tried_credentials: Mapping[str, Collection[str]],
    needs: Needs,
) -> Admission | str | None:
    state = candidate.state
    if state.id in tried:
        return TRIED
    unfit = misfit(candidate.target, candidate.ability, choice.endpoint, needs)
    if unfit is not None:
        return unfit
    exclude = tried_credentials.get(state.id, ()) if tried_credentials else ()
    admission = state.admission(choice.endpoint, choice.now, exclude)
    if choice.bar is not None and admission.verdict not in _OUT:
        barred = choice.bar(candidate)
        if barred is not None:
            return barred
    return None if admission.verdict is Verdict.READY or admission.verdict is Verdict.TRIAL else admission

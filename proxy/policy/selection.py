"""From the tiers of a route to one candidate: who fits, who is admitted, and why not the others.

Tiers are walked in order; the strategy chooses inside the first tier that has somebody. A target that is coming back and
should have less traffic is passed over while another can serve, in a later tier too, and taken if none can. Nothing is
acquired here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.core.call import Needs
from proxy.core.settings import Target, When
from proxy.policy.strategies import Candidate, Choice, Strategy
from proxy.policy.targets import Admission, Verdict

TRIED = "this call has tried it already"
UNSERVED = "its provider has no such endpoint"


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
        return bool(self.skipped) and all(why == UNSERVED for _, why in self.skipped)

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
    for tier in route_tiers:
        admitted = []
        for candidate in tier:
            why = _why_not(candidate, choice, tried, tried_credentials, needs)
            if why is None:
                admitted.append(candidate)
                continue
            selection.skipped.append((candidate.state.id, why))
            if not isinstance(why, str):
                if why.verdict is Verdict.FULL:
                    selection.full.append(candidate)
                elif why.verdict is Verdict.RAMPING and returning is None:
                    returning = candidate
        if admitted:
            selection.candidate = strategy(admitted, choice)
            return selection
    selection.candidate = returning
    return selection


def eligible(target: Target, needs: Needs) -> str | None:
    """None: the target fits these needs; else the reason it is skipped, as a sentence without a full stop."""
    window = target.context_window
    if window is not None and needs.tokens > window:
        return f"the request has about {needs.tokens} tokens, its context holds {window}"
    return None if target.when is None else _unmet(target.when, needs)


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
    if state.serves is not None and choice.endpoint not in state.serves:
        return UNSERVED
    unfit = eligible(candidate.target, needs)
    if unfit is not None:
        return unfit
    exclude = tried_credentials.get(state.id, ()) if tried_credentials else ()
    admission = state.admission(choice.endpoint, choice.now, exclude)
    return None if admission.verdict is Verdict.READY or admission.verdict is Verdict.TRIAL else admission


def _unmet(when: When, needs: Needs) -> str | None:
    """The first condition of `when` that is not met."""
    wanted = (
        ("tools", when.tools, needs.tools),
        ("images", when.images, needs.images),
        ("stream", when.stream, needs.stream),
    )
    for name, condition, need in wanted:
        if condition is not None and condition is not need:
            return f"it is for requests {'with' if condition else 'without'} {name}"
    if when.min_tokens is not None and needs.tokens < when.min_tokens:
        return f"it is for requests of at least {when.min_tokens} tokens, this has about {needs.tokens}"
    if when.max_tokens is not None and needs.tokens > when.max_tokens:
        return f"it is for requests of at most {when.max_tokens} tokens, this has about {needs.tokens}"
    return None

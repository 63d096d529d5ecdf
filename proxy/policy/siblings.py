"""Which targets do the same work, so that one can be compared with the others.

Siblings are the targets of one tier of a route, and those of any tier, in any route, whose upstream model has the same name
(whatever stands before its last slash: `meta-llama/llama-4` and `llama-4` are one model). What all of them show comes from
the requests; what one shows alone is its own.

Invariant: siblings know each other weakly, so none keeps another alive when a configuration is gone.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from weakref import ref

from proxy.policy.targets import TargetState

Tiers = Sequence[Sequence[TargetState]]


def relate(routes: Iterable[Tiers]) -> None:
    """Tell every target who its siblings are."""
    groups: dict[str, dict[str, TargetState]] = {}
    for number, tiers in enumerate(routes):
        for level, tier in enumerate(tiers):
            for state in tier:
                groups.setdefault(f"{number} {level}", {})[state.id] = state
                groups.setdefault(f"model {model_of(state)}", {})[state.id] = state
    found: dict[str, dict[str, TargetState]] = {}
    everybody: dict[str, TargetState] = {}
    for group in groups.values():
        for state in group.values():
            everybody[state.id] = state
            found.setdefault(state.id, {}).update(group)
    for name, state in everybody.items():
        state.siblings = _remember([other for other in found[name].values() if other is not state])


def model_of(state: TargetState) -> str:
    return state.model.rpartition("/")[2].lower()


def _remember(states: Sequence[TargetState]) -> Callable[[], Collection[TargetState]]:
    known = [ref(state) for state in states]
    return lambda: [state for one in known if (state := one()) is not None]

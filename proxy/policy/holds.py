"""A time during which something is not asked: how long, and how it grows.

Decides until when a credential or a target is left alone after an outcome, by its row of the failure table. A provider's
hint is obeyed up to the row's limit; without one the hold doubles from repeat to repeat. A failure without a hint that
comes in while the same hold lasts is an old call's and changes nothing.

Invariants: a hold never gets shorter and, up to the row's limit, never ends before the provider's reset; jitter is only
ever added (up to `JITTER`, and never beyond the limit), so that several proxies that were given the same reset don't come
back as one. A success ends the growth, not the hold.
"""

from random import Random

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.policy.outcomes import Rule, describe

JITTER = 0.2


class Holding:
    """One hold. `until` is loop time; 0 or past: not held. `kind` is what caused it."""

    __slots__ = ("_next", "cause", "kind", "since", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self.since = 0.0
        self.cause = ""
        self.kind: OutcomeKind | None = None
        self._next = 0.0

    def extend(self, outcome: Outcome, rule: Rule, now: float, rng: Random) -> bool:
        """Hold, or hold longer, because of `outcome`; True: it was not held before and is now."""
        held = now < self.until
        # A hint of 0 together with a refusal tells nothing; obeyed, such a provider would be asked in a tight loop.
        hint = outcome.retry_after if rule.hint_cap else None
        limit = rule.hint_cap if hint else rule.hold_cap
        seconds = hint or self._grown(outcome, rule, held)
        if seconds <= 0:
            return False
        until = now + min(seconds * (1 + JITTER * rng.random()), limit)
        if until > self.until:
            self.until = until
            self.cause = describe(outcome)
            self.kind = outcome.kind
        if not held:
            self.since = now
        return not held

    def ease(self) -> None:
        """A success: the next hold starts small again."""
        self._next = 0.0

    def release(self) -> None:
        """What caused it is gone: not held from now on, and the next hold starts small again."""
        self.until = 0.0
        self._next = 0.0

    def _grown(self, outcome: Outcome, rule: Rule, held: bool) -> float:
        """Seconds without a hint."""
        if held:
            return 0.0 if self.kind is outcome.kind else rule.hold_for
        seconds = max(rule.hold_for, self._next)
        self._next = min(rule.hold_cap, seconds * 2)
        return seconds

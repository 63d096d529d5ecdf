"""What about hedges and the like could never take effect, or cannot be meant."""

from collections.abc import Iterator

from proxy.config.conversion import fit_timeouts, overlay
from proxy.config.source import Path
from proxy.config.units import show_duration
from proxy.config.validation import Draft
from proxy.core.settings import RetrySettings

Findings = Iterator[tuple[Path, str]]


def check_hedge(draft: Draft) -> Findings:
    """A second copy needs a second target, an attempt that is left, and a moment before the first one is given up."""
    defaults = draft.document.defaults
    for index, route in draft.routes:
        hedge = route.hedge
        if hedge is None:
            continue
        here: Path = ("routes", index, "hedge")
        if sum(len(tier) for tier in route.targets) < 2:
            yield here, "has no effect with one target: the second copy of a request goes to another one"
        elif overlay(RetrySettings(), defaults.retry, route.retry).attempts < 2:
            yield here, "has no effect with retry.attempts: 1; a second copy is a second attempt"
        limits = fit_timeouts(defaults.timeout, route.timeout)
        longest = max(limits.first_content, limits.whole)
        if hedge.after is not None and hedge.after >= longest:
            yield (
                (*here, "after"),
                f"{show_duration(hedge.after)} is not below the limit at which an attempt is given up"
                f" ({show_duration(longest)}), so it can never be reached",
            )

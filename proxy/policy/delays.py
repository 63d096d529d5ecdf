"""How long to wait before a further attempt.

Another target costs no wait: it has done nothing wrong. The same target is asked again at the time it named, if that is
soon, else after full jitter, so that callers who failed together do not return together.
"""

from random import Random

from proxy.core.outcome import Outcome
from proxy.core.settings import RetrySettings


def wait_before(same_target: bool, outcome: Outcome, attempt: int, settings: RetrySettings, rng: Random) -> float:
    """Seconds. `outcome` is the failed attempt's, `attempt` how many were made so far (1: the first one failed)."""
    if not same_target:
        return 0.0
    named = outcome.retry_after
    if named is not None and 0 < named <= settings.cap:
        return named
    # The exponent is bounded only so that a silly number of attempts cannot overflow a float.
    ceiling = min(settings.cap, settings.base * 2.0 ** min(max(attempt - 1, 0), 60))
    return rng.random() * ceiling

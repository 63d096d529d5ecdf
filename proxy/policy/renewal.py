"""When to fetch the next token: well before the old one ends, and after failures seldom enough to let an outage heal.

A token is renewed when four fifths of its life are over, or when its issuer says (`refresh_in`), up to a tenth earlier, so
that many proxies that began together don't stay together. After a failure the wait doubles; an issuer that refused us (a
wrong secret, a revoked grant) is asked again once a minute, since only people can mend that. Token endpoints have been
kept down by those who asked too often: a `retry-after` is obeyed.
"""

from random import Random

#: Part of a token's life after which it is renewed.
SHARE = 0.8
#: Seconds until a token whose life is unknown is renewed; it is used for as long as it is accepted.
UNKNOWN_LIFE = 1800.0
#: Part of a wait that is random.
JITTER = 0.1
SHORTEST = 5.0
#: Seconds between two refreshes that refusals asked for: a provider that takes a token now and then must not cost its issuer
#: a request each time.
DOUBT_EVERY = 30.0

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
REFUSED_WAIT = 60.0
#: No `retry-after` keeps us from asking for longer than this.
LONGEST_HINT = 600.0


def renew_after(life: float | None, hint: float | None, rng: Random) -> float:
    """Seconds until the next refresh, after one that succeeded. `life`: of the token, None: unknown."""
    if hint is not None and (life is None or hint < life):
        planned = hint
    elif life is not None:
        planned = life * SHARE
    else:
        planned = UNKNOWN_LIFE
    return max(SHORTEST, planned * (1.0 - JITTER * rng.random()))


class Backoff:
    """The waits after failures in a row."""

    __slots__ = ("_next", "_rng")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._next = FIRST_WAIT

    def wait(self, refused: bool, retry_after: float | None) -> float:
        """Seconds until the next try, after another failure. `retry_after` as the issuer said it."""
        planned = REFUSED_WAIT if refused else self._next
        self._next = min(self._next * 2.0, LONGEST_WAIT)
        if retry_after is not None:
            planned = max(planned, min(retry_after, LONGEST_HINT))
        return planned * (1.0 + JITTER * self._rng.random())

    def reset(self) -> None:
        """A refresh has succeeded."""
        self._next = FIRST_WAIT

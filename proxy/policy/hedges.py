"""How many second copies a route may send.

A hedge helps against the few slow answers among many quick ones. When everything is slow it would double the load, so hedges
are a share of the route's calls: each call earns a part of one, each hedge spends a whole one, and not much can be saved up.

Invariant: hedges never exceed `share` of the calls counted before them.
"""

#: Hedges that may be saved up, for a burst of slow calls.
MOST_SAVED = 5.0


class HedgeBudget:
    """The budget of one route."""

    __slots__ = ("_saved", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 0.0

    def called(self) -> None:
        """A call that could be hedged was begun."""
        self._saved = min(MOST_SAVED, self._saved + self._share)

    def take(self) -> bool:
        """Ask for one hedge; True: granted."""
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved -= 1.0
        return True

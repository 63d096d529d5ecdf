"""The 400-storm rule: when a model suddenly rejects what everybody asks, the fault is not the clients'.

A 400 is the client's, and nobody else is asked: usually. But a broken model has rejected every request with 400 for twenty
hours (Azure OpenAI, 2026-03-09). So rejections of one target are watched over a minute: more than a fifth of its calls, from
at least five clients, where hardly any were rejected in the ten minutes before, is a *suspicion*; then a rejected call may
ask one other target. If those others accept four out of five, it is proven: a rejection is a *fault* of the target, which
its breaker counts, until the target accepts something again.

A client alone never makes a storm, however often it is rejected. Clients are told apart by their keys; without keys
there is one client, and no storm. Invariants: memory is bounded; looking changes nothing but the age of what is remembered.
"""

import enum
from collections import deque

WINDOW = 60.0
BASELINE = 600.0
SUSPICIOUS = 0.2
USUAL = 0.02
CLIENTS = 5
#: Calls in the window before a share means anything.
MINIMUM = 20
#: Second opinions before they prove anything, and the share of them that must differ.
OPINIONS = 5
PROVEN = 0.8
_SLOT = 5.0


class Weather(enum.StrEnum):
    """What a rejection by this target means now."""

    CALM = "calm"  # the client's own
    SUSPICION = "suspicion"  # one other target may be asked
    FAULT = "fault"  # the target's


class _Slot:
    """Calls that ended within five seconds."""

    __slots__ = ("calls", "clients", "number", "rejected")

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0
        self.rejected = 0
        self.clients: set[str] = set()


class RejectionWatch:
    """What one endpoint of one target rejected, from whom, and what others said to the same."""

    __slots__ = ("_fault", "_opinions", "_slots", "_suspect")

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._opinions: deque[tuple[float, bool]] = deque(maxlen=50)
        self._suspect = False
        self._fault = False

    def __repr__(self) -> str:
        return f"<RejectionWatch {len(self._slots)} slots, {len(self._opinions)} opinions{', fault' if self._fault else ''}>"

    def accepted(self, now: float) -> None:
        """A call was answered: whatever this was, it is over."""
        self._slot(now).calls += 1
        if self._fault:
            self._fault = self._suspect = False
            self._opinions.clear()

    def rejected(self, client: str | None, now: float) -> Weather:
        """A call was rejected with 400; what that means."""
        slot = self._slot(now)
        slot.calls += 1
        slot.rejected += 1
        if client is not None and len(slot.clients) < CLIENTS:
            slot.clients.add(client)
        if self._fault:
            return Weather.FAULT
        self._suspect = self._is_storm(now)
        if not self._suspect:
            return Weather.CALM
        self._fault = self._is_proven(now)
        return Weather.FAULT if self._fault else Weather.SUSPICION

    def second_opinion(self, accepted: bool, now: float) -> None:
        """What another target said to a call that this one rejected under suspicion."""
        self._opinions.append((now, accepted))

    def _is_storm(self, now: float) -> bool:
        calls = rejected = before = rejected_before = 0
        clients: set[str] = set()
        for slot in self._slots:
            if slot.number * _SLOT > now - WINDOW:
                calls += slot.calls
                rejected += slot.rejected
                clients |= slot.clients
            else:
                before += slot.calls
                rejected_before += slot.rejected
        many = rejected > SUSPICIOUS * calls
        if self._suspect:
            return many  # a storm that lasts becomes its own past, and may leave few who still call
        return many and calls >= MINIMUM and len(clients) >= CLIENTS and rejected_before <= USUAL * before

    def _is_proven(self, now: float) -> bool:
        fresh = [accepted for at, accepted in self._opinions if at > now - WINDOW]
        return len(fresh) >= OPINIONS and sum(fresh) >= PROVEN * len(fresh)

    def _slot(self, now: float) -> _Slot:
        number = int(now / _SLOT)
        slots = self._slots
        if not slots or slots[-1].number != number:
            slots.append(_Slot(number))
            while slots[0].number * _SLOT <= now - BASELINE:
                slots.popleft()
        return slots[-1]

"""Settings, targets and outcomes for the tests of `policy`. The clock is a number, the dice are seeded."""

from collections.abc import Callable
from random import Random

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings, Credential, Price, RetrySettings, Target, When
from proxy.policy.breaker import Breaker
from proxy.policy.credentials import CredentialRing
from proxy.policy.strategies import Candidate, Choice
from proxy.policy.targets import Permit, TargetState

CHAT = Endpoint.CHAT
#: The profile of the promises: shorter times than the shipped one.
T_PROFILE = BreakerSettings(window=10.0, slow=1.0, stall_floor=0.75, open_for=5.0, open_cap=60.0, ramp=10.0)


class Middle(Random):
    """Dice that always show the middle: no jitter up or down."""

    def random(self) -> float:
        return 0.5


class Low(Random):
    """Dice that always show the lowest."""

    def random(self) -> float:
        return 0.0


class Journal:
    """Collects the state changes of everything built on it, and the transitions of bare breakers."""

    def __init__(self) -> None:
        self.changes: list[StateChange] = []
        self.moves: list[tuple[str, str, str, float, float | None]] = []

    def __call__(self, change: StateChange) -> None:
        self.changes.append(change)

    def moved(self, before: str, after: str, cause: str, now: float, until: float | None) -> None:
        self.moves.append((before, after, cause, now, until))


def make_breaker(
    settings: BreakerSettings = T_PROFILE, rng: Random | None = None, journal: Journal | None = None
) -> Breaker:
    return Breaker("p/m chat", settings, rng or Middle(), (journal or Journal()).moved)


def make_ring(
    count: int = 1, journal: Callable[[StateChange], None] | None = None, rng: Random | None = None
) -> CredentialRing:
    credentials = [Credential(f"p#{number}", f"secret{number}") for number in range(1, count + 1)]
    return CredentialRing("p", credentials, rng or Low(), journal or Journal())


def make_target(
    name: str = "p/m",
    weight: int = 1,
    cap: int | None = None,
    price: tuple[int, int] | None = None,
    when: When | None = None,
    window: int | None = None,
) -> Target:
    provider, _, model = name.partition("/")
    return Target(
        provider,
        model,
        weight=weight,
        max_in_flight=cap,
        price=Price(*price) if price else None,
        when=when,
        context_window=window,
    )


def make_state(
    target: Target | None = None,
    credentials: int = 1,
    breaker: BreakerSettings = T_PROFILE,
    journal: Journal | None = None,
    rng: Random | None = None,
) -> TargetState:
    journal = journal or Journal()
    ring = make_ring(credentials, journal)
    return TargetState(target or make_target(), ring, breaker, RetrySettings(), rng or Middle(), journal)


def make_candidate(name: str = "p/m", **place: object) -> Candidate:
    target = make_target(name, **place)  # type: ignore[arg-type]
    return Candidate(target, make_state(target))


def make_choice(now: float = 100.0, seed: int = 1, affinity: str = "") -> Choice:
    return Choice(now, Random(seed), affinity, CHAT)


def failed(kind: OutcomeKind = OutcomeKind.SERVER_ERROR, retry_after: float | None = None, message: str = "") -> Outcome:
    return Outcome(kind, retry_after=retry_after, message=message)


def succeed(state: TargetState, now: float, ttft: float = 0.2) -> None:
    """One good streamed call, from `now` on."""
    permit = state.acquire(CHAT, now)
    assert permit is not None
    permit.first_byte(now + ttft)
    permit.first_content(now + ttft)
    assert permit.settle(OK, now + ttft)


def fail(state: TargetState, now: float, outcome: Outcome | None = None) -> None:
    """One call that fails at once."""
    permit = state.acquire(CHAT, now)
    assert permit is not None
    assert permit.settle(outcome or failed(), now)


def must_acquire(state: TargetState, now: float, stream: bool = True) -> Permit:
    permit = state.acquire(CHAT, now, stream=stream)
    assert permit is not None
    return permit


def open_breaker(state: TargetState, now: float) -> None:
    """Five failures in a row on a target without other traffic."""
    for _ in range(5):
        fail(state, now)

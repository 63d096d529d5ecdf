"""The same traffic without a proxy: an application that calls the first choice of each route through the vendor's SDK.

It behaves as the official SDKs do by default: two repeats of connection failures, timeouts, 408, 409, 429 and 5xx, after
0.5 s doubling up to 8 s with a quarter of jitter, or after the delay that the vendor names, if that is at most a minute; ten
minutes for an answer, five seconds for a connection; never a repeat of a stream that has begun. Tokens that end are fetched
anew in their last five minutes, the old one is used while it lives. Source: openai-python, anthropic-sdk-python (2026-08).

No byte is looked at: the simulated vendor's script says when what would come, and whether that is whole.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from proxy.core.endpoints import Endpoint
from proxy.core.settings import Settings, Target
from proxy.rehearse.answers import Asked, ask
from proxy.rehearse.behaviour import Mode
from proxy.rehearse.bill import BillEntry
from proxy.rehearse.casting import Cast
from proxy.rehearse.issuer import IssuerMode, IssuerPlan
from proxy.rehearse.script import Accept, Ending, Script
from proxy.rehearse.traffic import Ask
from proxy.rehearse.twin import key_of
from proxy.rehearse.vendors import SimulatedVendor
from proxy.rehearse.visit import Visit

REPEATS = 2
FIRST_WAIT, LONGEST_WAIT, LONGEST_HINT = 0.5, 8.0, 60.0
CONNECT, READ = 5.0, 600.0
RETRYABLE = frozenset({408, 409, 429})
#: Answers that are whole, whatever is missing at their end.
SOUND = frozenset({Mode.OK, Mode.MISSING_DONE, Mode.WRONG_SCRIPT})
#: Seconds before its end at which a token is fetched anew.
EARLY = 300.0
_PATHS = {Endpoint.EMBEDDINGS: "/v1/embeddings"}


@dataclass(frozen=True, slots=True)
class _End:
    """Of one try: seconds it took, seconds to its first token, what went wrong ("": nothing), and whether the SDK asks
    again, after which delay if the vendor named one."""

    took: float
    first: float | None = None
    error: str = ""
    again: bool = False
    hint: float | None = None
    wrong: bool = False


@dataclass(order=True, slots=True)
class _Try:
    """A try to be made, or (`entry` set) one that ends; in the order of time."""

    at: float
    number: int
    ask: Ask = field(compare=False)
    count: int = field(compare=False, default=0)
    entry: BillEntry | None = field(compare=False, default=None)


class DirectClient:
    """Plays traffic against vendors of its own, which go through the same outage."""

    def __init__(self, settings: Settings, cast: Cast, rng: Random, issuers: Mapping[str, str]) -> None:
        self._settings = settings
        self._rng = rng
        self._vendors = {name: SimulatedVendor(name, part) for name, part in cast.parts.items()}
        plans = cast.plans
        self._wallets = {name: _Wallet(plans[issuer], rng) for name, issuer in issuers.items()}

    def play(self, traffic: Sequence[Ask]) -> Iterator[Visit]:
        """What came of each request, in the order of their ends."""
        queue = [_Try(ask.at, number, ask) for number, ask in enumerate(traffic)]
        heapq.heapify(queue)
        while queue:
            now = heapq.heappop(queue)
            target = now.ask.route.targets[0]
            if now.entry is not None:
                self._vendors[target.provider].end(now.entry, complete=True)
                continue
            end, entry = self._try(now, target)
            if entry is not None:
                heapq.heappush(queue, _Try(now.at + end.took, now.number, now.ask, entry=entry))
            if end.again and now.count < REPEATS:
                wait = self._wait(now.count, end.hint)
                heapq.heappush(queue, _Try(now.at + end.took + wait, now.number, now.ask, now.count + 1))
            else:
                yield _visit(now, end)

    def _wait(self, count: int, hint: float | None) -> float:
        if hint is not None and 0 < hint <= LONGEST_HINT:
            return hint
        return float(min(FIRST_WAIT * 2**count, LONGEST_WAIT) * (1 - 0.25 * self._rng.random()))

    def _try(self, now: _Try, target: Target) -> tuple[_End, BillEntry | None]:
        wallet = self._wallets.get(target.provider)
        asked = self._ask(now.ask, target)
        spent = 0.0
        if wallet is not None:
            had, spent = wallet.token(now.at)
            if not had:
                return _End(spent, error="no token"), None
        vendor = self._vendors[target.provider]
        script, entry = vendor.begin(asked, now.at + spent, self._rng)
        return judge(script, streams=now.ask.wish.stream, spent=spent), entry

    def _ask(self, ask_: Ask, target: Target) -> Asked:
        credentials = self._settings.providers[target.provider].credentials
        key = key_of(credentials[0].id) if credentials else ""
        asked = ask("POST", _PATHS.get(ask_.wish.endpoint, "/v1/chat/completions"), key, ask_.body)
        asked.body.model = target.model
        return asked


def judge(script: Script, *, streams: bool, spent: float) -> _End:
    """What an SDK makes of a script, `spent` seconds after it was asked."""
    start = spent + script.connect
    if script.accept is Accept.REFUSE:
        return _End(start, error="connection refused", again=True)
    if script.accept is Accept.HANG or script.connect > CONNECT:
        return _End(spent + CONNECT, error="connection timed out", again=True)
    if script.first_byte is None:
        hangs = script.ending is Ending.HANG
        return _End(start + (READ if hangs else 0.0), error="timed out" if hangs else "connection closed", again=True)
    head = start + script.first_byte
    if script.status != 200:
        again = script.status in RETRYABLE or script.status >= 500
        return _End(head, error=f"status {script.status}", again=again, hint=_hint(script))
    return _judge_answer(script, head, streams=streams)


def _judge_answer(script: Script, head: float, *, streams: bool) -> _End:
    at, first = head, None
    for step in script.steps:
        at += step.after
        if step.tokens and first is None:
            first = at
    if script.mode in SOUND and script.ending is Ending.COMPLETE:
        return _End(at, first, wrong=script.mode is Mode.WRONG_SCRIPT)
    if script.ending is Ending.HANG:
        return _End(at + READ, first, error="timed out", again=not streams)
    broken = script.ending in (Ending.CLOSE, Ending.RESET, Ending.GARBLE)
    error = "cut off" if broken else "not an answer"
    return _End(at, first, error=error, again=broken and not streams)


def _hint(script: Script) -> float | None:
    for name, value in script.headers:
        if name == b"retry-after":
            try:
                return float(value)
            except ValueError:
                return None
    return None


def _visit(now: _Try, end: _End) -> Visit:
    asked, ended = now.ask.at, now.at + end.took
    first = None if end.first is None or end.error else now.at + end.first - asked
    return Visit(
        at=asked,
        route=now.ask.route.name,
        stream=now.ask.wish.stream,
        verdict="error" if end.error else "ok",
        ended=ended,
        waited=first,
        reason=end.error,
        wrong=end.wrong and not end.error,
    )


class _Wallet:
    """A token of one account, as a vendor's authentication library keeps it."""

    def __init__(self, plan: IssuerPlan, rng: Random) -> None:
        self._plan = plan
        self._rng = rng
        self._ends = plan.life
        self._asked_at = -EARLY

    def token(self, now: float) -> tuple[bool, float]:
        """Is there a token, and how many seconds did it take to find that out?"""
        if now < self._ends - min(EARLY, self._plan.life / 4):
            return True, 0.0
        lives = now < self._ends
        # While the old one lives, a failure is not repeated at each request.
        if lives and now < self._asked_at + 30.0:
            return True, 0.0
        self._asked_at = now
        spent = 0.0
        for count in range(1 if lives else 3):
            behaviour = self._plan.at(now + spent)
            failing = behaviour.mode is not IssuerMode.OK and self._rng.random() < behaviour.share
            spent += READ / 60 if behaviour.mode is IssuerMode.HANG and failing else behaviour.latency
            if not failing:
                self._ends = now + spent + self._plan.life
                return True, 0.0 if lives else spent
            spent += 0.8 * 2**count
        return lives, 0.0 if lives else spent

"""What must hold in every history, whatever was thrown at the proxy: I1 to I8.

`check` reads what the clients got, what the network saw, what was recorded and how breakers moved, and gives back one
sentence for each violation. It judges only what these four can show, and prefers silence to a guess: an untried target
that a ramp or a hold may have refused counts as unavailable.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, Purpose, StateChange
from proxy.core.settings import RetrySettings, Route, Settings
from proxy.core.usage import UsageSource
from proxy.rehearse.client import SimulatedClient
from proxy.rehearse.network import Contact

OPEN, CLOSED = "open", "closed"
LEGAL = {(CLOSED, OPEN), (OPEN, "half_open"), ("half_open", CLOSED), ("half_open", OPEN)}
BREAKER_STATES = {state for pair in LEGAL for state in pair}

#: Outcomes that blame the credential, so that the same target with another credential is a fair next attempt.
CREDENTIAL_BLAMED = {
    OutcomeKind.AUTH_FAILED,
    OutcomeKind.MODEL_FORBIDDEN,
    OutcomeKind.QUOTA_EXHAUSTED,
    OutcomeKind.RATE_LIMITED,
}
#: Answers with which one cut stream may be gone on, besides those of targets that refuse to.
MAX_RESUMES = 2
#: Ends that can come before anything was sent.
UNSENT = {OutcomeKind.CLIENT_GONE, OutcomeKind.SHUTDOWN, OutcomeKind.DEADLINE_EXCEEDED}


@dataclass(slots=True)
class Evidence:
    """A finished run. `faults`: seconds (loop time) at which a fault began. `resumes`: splicing answers is allowed."""

    settings: Settings
    clients: Sequence[SimulatedClient]
    contacts: Sequence[Contact]
    records: Sequence[CallRecord]
    changes: Sequence[StateChange] = ()
    faults: Sequence[float] = ()
    resumes: bool = False
    states: "States" = field(init=False)

    def __post_init__(self) -> None:
        self.states = States(self.changes)

    def route(self, name: str) -> Route | None:
        return next((route for route in self.settings.routes if route.name == name), None)

    def retry(self, name: str) -> RetrySettings:
        route = self.route(name)
        return route.retry if route is not None else self.settings.retry


class States:
    """In which state a subject was at a time. A change without an endpoint counts for every endpoint."""

    def __init__(self, changes: Sequence[StateChange]) -> None:
        self._times: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        self._changes: dict[tuple[str, str | None], list[StateChange]] = defaultdict(list)
        for change in changes:
            self._times[change.subject, change.endpoint].append(change.at)
            self._changes[change.subject, change.endpoint].append(change)

    def last(self, subject: str, endpoint: str, at: float) -> StateChange | None:
        """The last change strictly before `at`; what changes at the same instant may have come after."""
        found: StateChange | None = None
        for key in ((subject, None), (subject, endpoint)):
            place = bisect_right(self._times.get(key, []), at) - 1
            while place >= 0 and self._times[key][place] == at:
                place -= 1
            if place >= 0 and (found is None or self._changes[key][place].at > found.at):
                found = self._changes[key][place]
        return found

    def touched(self, subject: str, endpoint: str, at: float) -> bool:
        """Does the subject change at exactly this instant?"""
        return any(at in self._times.get(key, []) for key in ((subject, None), (subject, endpoint)))

    def paths(self) -> Iterator[tuple[str, list[StateChange]]]:
        for (subject, endpoint), changes in self._changes.items():
            yield f"{subject} {endpoint or ''}".strip(), changes


def check(evidence: Evidence) -> list[str]:
    """Every violation as a sentence that begins with the invariant's name; empty: all hold."""
    return [f"{name}: {sentence}" for name, rule in RULES.items() for sentence in rule(evidence)]


def one_outcome(evidence: Evidence) -> Iterator[str]:
    """I1: each request has exactly one terminal outcome, and client and record agree on it."""
    for client in evidence.clients:
        label, down = client.wish.label, client.downstream
        if client.verdict == "pending":
            yield f"{label} never got an end"
        if down.finished_at is not None and down.aborted_at is not None:
            yield f"{label} was both finished and aborted"
        for misuse in down.misuse:
            yield f"the reply to {label} was {misuse}"
    if len(evidence.records) != len(evidence.clients):
        yield f"{len(evidence.clients)} requests but {len(evidence.records)} call records"
    for identity, count in Counter(record.id for record in evidence.records).items():
        if count > 1:
            yield f"call {identity} was recorded {count} times"
    told = Counter(client.downstream.status for client in evidence.clients if client.verdict not in ("left", "pending"))
    noted = Counter(record.status for record in evidence.records if record.outcome is not OutcomeKind.CLIENT_GONE)
    if told != noted:
        yield f"clients were told {dict(told)}, records say {dict(noted)}"


def bounded_attempts(evidence: Evidence) -> Iterator[str]:
    """I2: few attempts, never the same target again while another is untried, none after the deadline."""
    for record in evidence.records:
        limit = evidence.retry(record.route).attempts
        resumes = [attempt for attempt in record.attempts if attempt.purpose is Purpose.RESUME]
        if len(record.attempts) - len(resumes) > limit:
            yield f"call {record.id} made {len(record.attempts) - len(resumes)} attempts, {limit} allowed"
        if sum(attempt.kind is not OutcomeKind.UNSUPPORTED for attempt in resumes) > MAX_RESUMES:
            yield f"call {record.id} was resumed {len(resumes)} times, {MAX_RESUMES} allowed"
        route = evidence.route(record.route)
        total = route.timeouts.total if route is not None else evidence.settings.timeouts.total
        for place, attempt in enumerate(record.attempts):
            if attempt.started_at > record.started_at + total + 1e-6:
                yield f"call {record.id} began an attempt on {attempt.target} after its deadline"
            if route is not None and (missed := _missed(evidence, record, route, place)):
                yield f"call {record.id} tried {attempt.target} again while {missed} was untried"


def _missed(evidence: Evidence, record: CallRecord, route: Route, place: int) -> str | None:
    """An untried target that was free to take, where this attempt goes to a tried one."""
    attempt = record.attempts[place]
    if attempt.purpose is Purpose.RESUME:
        return None  # not every target can go on from what was sent
    before = [earlier for earlier in record.attempts[:place] if earlier.target == attempt.target]
    if not before:
        return None
    last = before[-1]
    if last.kind in CREDENTIAL_BLAMED and last.credential != attempt.credential:
        return None
    if any(earlier.kind is OutcomeKind.CONTEXT_TOO_LONG for earlier in record.attempts[:place]):
        return None  # then only larger contexts are candidates
    tried = {earlier.target for earlier in record.attempts[:place]}
    plain = (target for target in route.targets if target.when is None and target.max_in_flight is None)
    for target in plain:
        if target.id not in tried and _available(evidence, target.id, record.endpoint, attempt.started_at):
            return target.id
    return None


def _available(evidence: Evidence, target: str, endpoint: str, at: float) -> bool:
    """Surely so: closed and not ramping, and no credential of its provider has ever been anything but well by then."""
    if evidence.states.touched(target, endpoint, at):
        return False
    change = evidence.states.last(target, endpoint, at)
    if change is not None and (change.after != CLOSED or at < change.at + evidence.settings.breaker.ramp + 1.0):
        return False
    provider = evidence.settings.providers.get(target.partition("/")[0])
    credentials = [credential.id for credential in provider.credentials] if provider is not None else []
    return not any(
        other.subject in credentials or (other.subject == target and other.after not in BREAKER_STATES)
        for other in evidence.changes
        if other.at <= at
    )


def one_provider(evidence: Evidence) -> Iterator[str]:
    """I3: a response holds the bytes of one answer."""
    if evidence.resumes:
        return
    for client in evidence.clients:
        seen = client.providers_seen
        if len(seen) > 1:
            yield f"{client.wish.label} received bytes of several answers: {', '.join(sorted(seen))}"


def open_means_no(evidence: Evidence) -> Iterator[str]:
    """I4: an open target, or an open credential, gets nothing but trials."""
    for record, attempt in _attempts(evidence):
        if attempt.trial:
            continue
        for subject in (attempt.target, attempt.credential):
            if evidence.states.touched(subject, record.endpoint, attempt.started_at):
                continue
            change = evidence.states.last(subject, record.endpoint, attempt.started_at)
            if change is not None and change.after == OPEN:
                yield f"call {record.id} was sent to {subject} at {attempt.started_at:.3f} s, open since {change.at:.3f} s"


def books_agree(evidence: Evidence) -> Iterator[str]:
    """I5: every request that went out is an attempt in a record, and the other way round, with the same tokens."""
    sent: dict[tuple[str, float], list[Contact]] = defaultdict(list)
    for contact in evidence.contacts:
        if not contact.probe:
            sent[contact.target, contact.started_at].append(contact)
    # Those that know their tokens choose first: any request would do for the others.
    for record, attempt in sorted(_attempts(evidence), key=lambda pair: _reported(pair[1]) is None):
        candidates = sent[attempt.target, attempt.started_at]
        counterpart = _counterpart(attempt, candidates)
        if counterpart is not None:
            candidates.remove(counterpart)
        elif attempt.kind not in UNSENT:
            yield f"call {record.id} records an attempt on {attempt.target} ({attempt.kind}) that nobody saw as such"
    for left in sent.values():
        for contact in left:
            yield f"{contact.label} was sent to {contact.target} at {contact.started_at:.3f} s and stands in no record"


def _counterpart(attempt: AttemptRecord, candidates: Sequence[Contact]) -> Contact | None:
    """The request seen for an attempt; attempts of one instant on one target are told apart by status and tokens."""
    reported = _reported(attempt)
    for contact in candidates:
        if attempt.status == contact.status and reported in (None, contact.tokens):
            return contact
    # A head that arrived after we had given up is in the contact only.
    return next((one for one in candidates if reported is None and attempt.status in (None, one.status)), None)


def _reported(attempt: AttemptRecord) -> int | None:
    """Output tokens as the provider reported them; None: it did not, or there are none."""
    usage = attempt.usage
    return usage.output if usage is not None and usage.source is UsageSource.PROVIDER and usage.output else None


def few_retries(evidence: Evidence) -> Iterator[str]:
    """I6: budgeted retries stay under their share, and all attempts together under one and a half per request."""
    every: dict[str, list[float]] = defaultdict(list)
    budgeted: dict[str, list[float]] = defaultdict(list)
    for record in evidence.records:
        tried: dict[str, str] = {}
        for place, attempt in enumerate(record.attempts):
            every[attempt.target].append(attempt.started_at)
            rotated = tried.get(attempt.target) not in (None, attempt.credential)
            if not rotated and (place >= 2 or attempt.target in tried):
                # The budget is asked when the attempt before has failed; waiting in a queue comes after.
                budgeted[attempt.target].append(record.attempts[place - 1].ended_at)
            tried[attempt.target] = attempt.credential
    retry = evidence.settings.retry
    for target, times in budgeted.items():
        times.sort()
        every[target].sort()
        yield from _over_budget(target, times, every[target], retry)
    yield from _amplified(evidence)


def _over_budget(target: str, retries: list[float], every: list[float], retry: RetrySettings) -> Iterator[str]:
    for at in retries:
        window = bisect_right(retries, at) - bisect_right(retries, at - 10.0)
        allowed = (bisect_right(every, at) - bisect_right(every, at - 10.0)) * retry.budget_ratio
        limit = max(retry.budget_floor, allowed)
        if window > limit:
            yield f"{window} budgeted retries on {target} in the 10 s before {at:.3f} s, {limit:g} allowed"
            return


def _amplified(evidence: Evidence) -> Iterator[str]:
    """At little traffic each breaker must see some failures before it can open; those are not amplification."""
    calls: Counter[int] = Counter()
    failing: dict[int, set[tuple[str, str]]] = defaultdict(set)
    attempts: Counter[int] = Counter()
    for record in evidence.records:
        if any(fault <= record.started_at <= fault + 2.0 for fault in evidence.faults):
            continue
        window = int(record.started_at // 10.0)
        calls[window] += 1
        attempts[window] += len(record.attempts)
        failing[window] |= {(a.target, record.endpoint.value) for a in record.attempts if not a.outcome.ok}
    for window, count in calls.items():
        learning = evidence.settings.breaker.consecutive * len(failing[window])
        if count >= 20 and attempts[window] > 1.5 * count + learning:
            yield f"{attempts[window]} attempts for the {count} requests from {window * 10} s on"


def no_orphans(evidence: Evidence) -> Iterator[str]:
    """I7: nobody works for a client that left, or that has its answer, more than a second longer."""
    ends: dict[str, float | None] = {}
    for client in evidence.clients:
        down = client.downstream
        ends[client.wish.label] = down.left_at if down.left_at is not None else down.ended_at
    for contact in evidence.contacts:
        end = ends.get(contact.label)
        if end is None:
            continue
        if contact.ended_at is None or contact.ended_at > end + 1.0:
            yield f"{contact.target} still worked for {contact.label} a second after {end:.3f} s"


def legal_paths(evidence: Evidence) -> Iterator[str]:
    """I8: breakers move only along closed, open, half-open."""
    for subject, changes in evidence.states.paths():
        steps = [change for change in changes if {change.before, change.after} <= BREAKER_STATES]
        state, at = CLOSED, float("-inf")
        for change in steps:
            if change.before != state:
                yield f"{subject} left {change.before} at {change.at:.3f} s but was {state}"
            if (change.before, change.after) not in LEGAL:
                yield f"{subject} went from {change.before} to {change.after} at {change.at:.3f} s"
            if change.at < at:
                yield f"{subject} changed at {change.at:.3f} s, after a change at {at:.3f} s"
            state, at = change.after, change.at


def _attempts(evidence: Evidence) -> Iterator[tuple[CallRecord, AttemptRecord]]:
    for record in evidence.records:
        for attempt in record.attempts:
            yield record, attempt


RULES: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": one_outcome,
    "I2": bounded_attempts,
    "I3": one_provider,
    "I4": open_means_no,
    "I5": books_agree,
    "I6": few_retries,
    "I7": no_orphans,
    "I8": legal_paths,
}

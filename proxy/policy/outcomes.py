"""The failure table: what may follow from each kind of outcome, in one place that a reviewer can audit.

Decides: whose fault an outcome is, whether another target or the same one may be asked, whether a breaker counts it, what is
held and for how long, and what the client is told if nothing better comes. A kind that is missing here does not exist.

Invariants: only a target's own failures count against its breaker (a 400, a filter or a client that left neither break
nor heal it); a provider's refusal of our credentials is never shown as the client's 401; the client is never invited to
repeat (`should_retry`), because the attempts were made here.

Refuses to know: how bytes became an outcome (`providers`), how often and where to try (`pipeline`).
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.problem import Problem


class Blame(enum.StrEnum):
    """Whose fault an outcome is."""

    TARGET = "target"
    MODEL = "model"
    CREDENTIAL = "credential"
    CLIENT = "client"
    NOBODY = "nobody"


class Hold(enum.StrEnum):
    """What is not asked again until a time has passed. `TARGET` and `PROVIDER_MODEL` hold one target at one endpoint,
    `CREDENTIAL_MODEL` one credential for one model, `CREDENTIAL` one credential altogether."""

    NONE = "none"
    TARGET = "target"
    CREDENTIAL_MODEL = "credential_model"
    CREDENTIAL = "credential"
    PROVIDER_MODEL = "provider_model"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `elsewhere`: another target may be asked; `here`: the same target may be asked again with the same
    credential after a wait (another credential of it may be asked whenever the blame is `CREDENTIAL`). `breaker`: counts
    as a failure of the target.

    Seconds: without a hint of the provider the hold lasts `hold_for`, doubled at each repeat up to `hold_cap` (`hold_for`
    0: no hold without a hint); a hint replaces that and is obeyed up to `hint_cap`. `status`, `type`, `code`: what the
    client is told if this outcome is final.
    """

    blame: Blame
    elsewhere: bool
    here: bool
    breaker: bool
    hold: Hold
    hold_for: float
    hold_cap: float
    status: int
    type: str
    code: str | None
    hint_cap: float = 0.0


_YES, _NO = True, False
_MIN, _HOUR, _SIX = 60.0, 3600.0, 6 * 3600.0
_BAD, _SERVER, _BUSY = "invalid_request_error", "server_error", "service_unavailable_error"
_RATE, _QUOTA = "rate_limit_error", "insufficient_quota"
_T, _M, _C, _U, _N = Blame.TARGET, Blame.MODEL, Blame.CREDENTIAL, Blame.CLIENT, Blame.NOBODY
_O, _H, _K, _P, _KM = Hold.NONE, Hold.TARGET, Hold.CREDENTIAL, Hold.PROVIDER_MODEL, Hold.CREDENTIAL_MODEL
_X = OutcomeKind

# fmt: off
RULES: Mapping[OutcomeKind, Rule] = {
    #                     blame else  here  brkr  hold  for   cap   status type   code                     hint cap
    _X.OK:                    Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         200, "",      None),
    _X.RATE_LIMITED:          Rule(_C, _YES, _YES, _NO,  _KM, 5,    _MIN,      429, _RATE,   "rate_limit_exceeded", _HOUR),
    _X.QUOTA_EXHAUSTED:       Rule(_C, _YES, _NO,  _NO,  _K,  900,  _SIX,      429, _QUOTA,  "insufficient_quota", _SIX),
    _X.AUTH_FAILED:           Rule(_C, _YES, _NO,  _NO,  _K,  _MIN, 600,       502, _SERVER, "provider_auth_failed", 600),
    _X.OVERLOADED:            Rule(_T, _YES, _YES, _YES, _H,  0,    0,         503, _BUSY,   "server_is_overloaded", 300),
    _X.SERVER_ERROR:          Rule(_T, _YES, _YES, _YES, _O,  0,    0,         502, _SERVER, "provider_error"),
    _X.CONNECT_FAILED:        Rule(_T, _YES, _YES, _YES, _O,  0,    0,         502, _SERVER, "provider_unreachable"),
    _X.CONNECT_TIMEOUT:       Rule(_T, _YES, _YES, _YES, _O,  0,    0,         504, _SERVER, "provider_timeout"),
    _X.FIRST_CONTENT_TIMEOUT: Rule(_T, _YES, _NO,  _YES, _O,  0,    0,         504, _SERVER, "provider_timeout"),
    # The stall rule has opened the breaker already: the calls it takes back are not counted once more.
    _X.STALLED:               Rule(_T, _YES, _NO,  _NO,  _O,  0,    0,         504, _SERVER, "provider_timeout"),
    _X.IDLE_TIMEOUT:          Rule(_T, _YES, _NO,  _YES, _O,  0,    0,         504, _SERVER, "provider_timeout"),
    # Both may be billed, so money decides which may be repeated on the same target. A cut before the first word is most
    # often a restart: what was generated died with the server. A malformed answer was generated, and counted, to its end,
    # and the same server tends to give it again.
    _X.STREAM_BROKEN:         Rule(_T, _YES, _YES, _YES, _O,  0,    0,         502, _SERVER, "provider_stream_broken"),
    _X.MALFORMED:             Rule(_T, _YES, _NO,  _YES, _O,  0,    0,         502, _SERVER, "provider_malformed"),
    # An answer that was to go on where another was cut, and is not the same: nobody's fault, and of no use to anybody.
    _X.DIVERGED:              Rule(_N, _YES, _NO,  _NO,  _O,  0,    0,         502, _SERVER, "provider_stream_broken"),
    # One model that one credential may not use: the client's choice of a model must not cost the other models theirs.
    _X.MODEL_FORBIDDEN:       Rule(_C, _YES, _NO,  _NO,  _KM, 300,  300,       502, _SERVER, "provider_auth_failed", 600),
    _X.MODEL_NOT_FOUND:       Rule(_M, _YES, _NO,  _NO,  _P,  300,  300,       404, _BAD,    "model_not_found"),
    # This target lacks what this request needs (a feature, a file, a path, money for so many tokens). The next request may
    # not need it: nothing is held.
    _X.UNSUPPORTED:           Rule(_M, _YES, _NO,  _NO,  _O,  0,    0,         400, _BAD,    "unsupported"),
    _X.CONTEXT_TOO_LONG:      Rule(_U, _YES, _NO,  _NO,  _O,  0,    0,         400, _BAD,    "context_length_exceeded"),
    _X.CONTENT_FILTERED:      Rule(_U, _NO,  _NO,  _NO,  _O,  0,    0,         400, _BAD,    "content_policy_violation"),
    _X.BAD_REQUEST:           Rule(_U, _NO,  _NO,  _NO,  _O,  0,    0,         400, _BAD,    None),
    # The same while a storm of them is on (`storms.py`): first another target is asked, then it is the target's fault.
    _X.REJECTION_SUSPECTED:   Rule(_U, _YES, _NO,  _NO,  _O,  0,    0,         400, _BAD,    None),
    _X.REJECTION_STORM:       Rule(_T, _YES, _NO,  _YES, _O,  0,    0,         400, _BAD,    None),
    _X.DEADLINE_EXCEEDED:     Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         504, _SERVER, "deadline_exceeded"),
    _X.UNCONVINCING:          Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         502, _SERVER, "unconvincing"),
    _X.OUTPACED:              Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         503, _BUSY,   "outpaced"),
    _X.SUPERSEDED:            Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         409, _BAD,    "superseded"),
    _X.CLIENT_GONE:           Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         499, _SERVER, "client_gone"),
    _X.SHUTDOWN:              Rule(_N, _NO,  _NO,  _NO,  _O,  0,    0,         503, _BUSY,   "shutting_down"),
}
# fmt: on

_TRANSPORT: Mapping[FailureKind, OutcomeKind] = {
    FailureKind.CONNECT: OutcomeKind.CONNECT_FAILED,
    FailureKind.CONNECT_TIMEOUT: OutcomeKind.CONNECT_TIMEOUT,
    FailureKind.CLOSED: OutcomeKind.SERVER_ERROR,
    FailureKind.BROKEN: OutcomeKind.STREAM_BROKEN,
    FailureKind.GARBAGE: OutcomeKind.MALFORMED,
    FailureKind.POOL_FULL: OutcomeKind.OVERLOADED,
}

_SENTENCES: Mapping[OutcomeKind, str] = {
    OutcomeKind.OK: "The provider answered",
    OutcomeKind.RATE_LIMITED: "The provider's rate limit is reached",
    OutcomeKind.QUOTA_EXHAUSTED: "The provider's quota is used up",
    OutcomeKind.AUTH_FAILED: "The provider refused this proxy's credentials",
    OutcomeKind.OVERLOADED: "The provider is overloaded",
    OutcomeKind.SERVER_ERROR: "The provider failed",
    OutcomeKind.CONNECT_FAILED: "The provider could not be reached",
    OutcomeKind.CONNECT_TIMEOUT: "Connecting to the provider took too long",
    OutcomeKind.FIRST_CONTENT_TIMEOUT: "The provider did not begin its answer in time",
    OutcomeKind.STALLED: "The provider stopped answering",
    OutcomeKind.IDLE_TIMEOUT: "The provider fell silent inside its answer",
    OutcomeKind.STREAM_BROKEN: "The provider's answer was cut off",
    OutcomeKind.MALFORMED: "The provider's answer could not be read",
    OutcomeKind.DIVERGED: "The provider's answer does not go on from the one that was cut",
    OutcomeKind.MODEL_FORBIDDEN: "The provider does not allow this proxy's credential to use the model",
    OutcomeKind.MODEL_NOT_FOUND: "The provider does not know the model",
    OutcomeKind.UNSUPPORTED: "The provider cannot do what the request needs",
    OutcomeKind.CONTEXT_TOO_LONG: "The request is longer than the model's context",
    OutcomeKind.CONTENT_FILTERED: "The provider's content filter stopped the request",
    OutcomeKind.BAD_REQUEST: "The provider rejected the request",
    OutcomeKind.REJECTION_SUSPECTED: "The provider rejected the request, as it suddenly does with many",
    OutcomeKind.REJECTION_STORM: "The provider rejects what others accept",
    OutcomeKind.DEADLINE_EXCEEDED: "The deadline passed before an answer was complete",
    OutcomeKind.CLIENT_GONE: "The client left",
    OutcomeKind.UNCONVINCING: "The answer did not pass the checks of its route",
    OutcomeKind.OUTPACED: "Another copy of the request was answered first",
    OutcomeKind.SUPERSEDED: "A later request of the same client took this one's place",
    OutcomeKind.SHUTDOWN: "The proxy is shutting down",
}

#: What all targets have in common when none may be asked.
_SHARED: Mapping[OutcomeKind, str] = {
    OutcomeKind.RATE_LIMITED: "Every credential for this model is at its limit",
    OutcomeKind.QUOTA_EXHAUSTED: "The quota of every credential for this model is used up",
    OutcomeKind.MODEL_NOT_FOUND: "No provider of this route knows the model",
}

_OWN_WORDS = frozenset(
    {
        OutcomeKind.BAD_REQUEST,
        OutcomeKind.REJECTION_SUSPECTED,
        OutcomeKind.REJECTION_STORM,
        OutcomeKind.CONTEXT_TOO_LONG,
        OutcomeKind.CONTENT_FILTERED,
        OutcomeKind.MODEL_NOT_FOUND,
        OutcomeKind.UNSUPPORTED,
    }
)
#: Those that keep the provider's own 4xx.
_OWN_STATUS = frozenset(
    {
        OutcomeKind.BAD_REQUEST,
        OutcomeKind.REJECTION_SUSPECTED,
        OutcomeKind.REJECTION_STORM,
        OutcomeKind.UNSUPPORTED,
    }
)
#: Client-error statuses that would say something untrue if a provider's 4xx came through: they speak of *our* account,
#: proxy hop or pace.
_NOT_THE_CLIENTS = frozenset({401, 402, 403, 407, 408, 429})
_QUOTE = 300


def outcome_of(error: TransportError) -> Outcome:
    """The outcome of an attempt that the transport could not finish. A connection closed before any byte counts as
    a server error; a full pool as overload, since it is the provider's slowness that fills it."""
    return Outcome(_TRANSPORT[error.kind], message=error.detail)


def describe(outcome: Outcome) -> str:
    """One sentence without a full stop, for error bodies and causes. The words of a provider that refused our credentials
    are left out: they tend to quote the key."""
    sentence = _SENTENCES[outcome.kind]
    if outcome.message and outcome.kind is not OutcomeKind.AUTH_FAILED:
        sentence += f": {_clipped(outcome.message)}"
    return sentence.rstrip(". ")


def final_problem(outcomes: Sequence[Outcome], *, retry_after: float | None) -> Problem:
    """What to tell the client after these attempts, oldest first, none of them OK.

    `retry_after` is the earliest time, in seconds from now, at which any target of the route may serve again; where it
    is unknown the smallest hint among the outcomes stands in. Without attempts: 503 `no_target_available`.
    """
    if not outcomes:
        return unavailable_problem((), retry_after)
    outcome = _decisive(outcomes)
    rule = RULES[outcome.kind]
    if outcome.kind in _OWN_WORDS:
        return Problem(
            status=_own_status(outcome, rule),
            message=outcome.message or _SENTENCES[outcome.kind] + ".",
            type=outcome.type or rule.type,
            code=rule.code if outcome.status in _NOT_THE_CLIENTS else outcome.code or rule.code,
            param=outcome.param,
        )
    tried = "the only attempt failed" if len(outcomes) == 1 else f"the last of {len(outcomes)} failed attempts"
    return Problem(
        status=rule.status,
        message=f"{describe(outcome)} ({tried}).",
        type=rule.type,
        code=rule.code,
        retry_after=_soonest(outcomes, retry_after),
    )


def unavailable_problem(
    causes: Sequence[str], retry_after: float | None, kinds: Sequence[OutcomeKind | None] = ()
) -> Problem:
    """What to tell a client whose request no target may be asked to serve.

    `causes`: one sentence per target. `kinds`: for each target that fits and was refused, the outcome that its hold goes
    back to (`Admission.kind`), None where it is no hold. All at a limit: 429. None knows the model: 404, since asking
    again would not help. Where some don't know the model and the others are at a limit, the limits count. Anything
    else: 503.
    """
    problem = Problem(503, "No target can serve this request now", _BUSY, "no_target_available", retry_after=retry_after)
    final = _shared_kind(kinds)
    if final is not None:
        rule = RULES[final]
        problem = Problem(rule.status, _SHARED[final], rule.type, rule.code, retry_after=retry_after)
    if final is OutcomeKind.MODEL_NOT_FOUND:
        problem.param, problem.retry_after = "model", None
    if causes:
        problem.message += ": " + "; ".join(cause.rstrip(". ") for cause in causes)
    problem.message += "."
    return problem


def unserved_problem(model: str, endpoint: str) -> Problem:
    """What to tell a client whose model has targets, but none that has the endpoint."""
    message = f"No target of `{model}` serves {endpoint.replace('_', ' ')} requests."
    return Problem(404, message, code="unsupported_endpoint", param="model")


def unfit_problem(causes: Sequence[str], too_long: bool, field: str | None) -> Problem:
    """What to tell a client whose request none of its model's targets could carry, in whatever state: it is the request that
    has to change, so asking again would not help. `causes`: one sentence per target. `too_long`: its length is what speaks
    against all of them, which agents answer by shortening their history. `field`: what of the request stands in the way,
    where that is known."""
    told = "; ".join(cause.rstrip(". ") for cause in causes)
    rule = RULES[OutcomeKind.CONTEXT_TOO_LONG if too_long else OutcomeKind.UNSUPPORTED]
    what = "this request" if field is None else f"what `{field}` says"
    return Problem(400, f"No target can carry {what}: {told}.", rule.type, rule.code, field)


def _shared_kind(kinds: Sequence[OutcomeKind | None]) -> OutcomeKind | None:
    """The kind that all these refusals come to, if it says more than that nobody can serve."""
    held = set(kinds)
    if held == {OutcomeKind.MODEL_NOT_FOUND}:
        return OutcomeKind.MODEL_NOT_FOUND
    held.discard(OutcomeKind.MODEL_NOT_FOUND)
    if not held or not held <= {OutcomeKind.RATE_LIMITED, OutcomeKind.QUOTA_EXHAUSTED}:
        return None
    return OutcomeKind.RATE_LIMITED if OutcomeKind.RATE_LIMITED in held else OutcomeKind.QUOTA_EXHAUSTED


def _decisive(outcomes: Sequence[Outcome]) -> Outcome:
    """The last outcome the client can act upon, else the last one that may pass with time: a wrong model mapping, or a
    feature that one target lacks, must not hide that the others are only down for now."""
    for outcome in reversed(outcomes):
        if RULES[outcome.kind].blame is Blame.CLIENT:
            return outcome
    for outcome in reversed(outcomes):
        if RULES[outcome.kind].blame is not Blame.MODEL:
            return outcome
    return outcomes[-1]


def _own_status(outcome: Outcome, rule: Rule) -> int:
    """A rejected request keeps the provider's own 4xx (404, 413, 415, 422 …), so that SDKs raise the error they should."""
    status = outcome.status
    if outcome.kind in _OWN_STATUS and status and 400 <= status < 500 and status not in _NOT_THE_CLIENTS:
        return status
    return rule.status


def _soonest(outcomes: Sequence[Outcome], retry_after: float | None) -> float | None:
    if retry_after is not None:
        return retry_after
    return min((outcome.retry_after for outcome in outcomes if outcome.retry_after is not None), default=None)


def _clipped(text: str) -> str:
    return text if len(text) <= _QUOTE else text[: _QUOTE - 1] + "…"

"""What an attempt came to.

An `Outcome` is a value, not an exception: the layers that see bytes (`transport`, `wire`, `providers`) produce
it, `policy/outcomes.py` says in one table what may follow from its kind, and the record keeps it.
"""

import enum
from dataclasses import dataclass


class OutcomeKind(enum.StrEnum):
    """Everything that can become of an attempt; the failure table has one row for each."""

    # Looked up several times per call; an enum's own hash is made in Python.
    __hash__ = str.__hash__

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_CONTENT_TIMEOUT = "first_content_timeout"
    STALLED = "stalled"
    AUTH_FAILED = "auth_failed"
    MODEL_FORBIDDEN = "model_forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    UNSUPPORTED = "unsupported"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTERED = "content_filtered"
    BAD_REQUEST = "bad_request"
    REJECTION_SUSPECTED = "rejection_suspected"
    REJECTION_STORM = "rejection_storm"
    MALFORMED = "malformed"
    STREAM_BROKEN = "stream_broken"
    DIVERGED = "diverged"
    IDLE_TIMEOUT = "idle_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNCONVINCING = "unconvincing"  # a whole answer that does not pass its route's checks
    OUTPACED = "outpaced"  # a second copy of the request answered first
    SUPERSEDED = "superseded"  # its client asked anew
    CLIENT_GONE = "client_gone"
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Outcome:
    """What happened in one attempt.

    `status`, `code`, `type`, `param` and `message` are the provider's own words where it gave any; `message` is
    already cleaned of anything that looks like a key. `retry_after` is the provider's hint in seconds, already
    judged sane (finite, not negative), not yet clamped. `context_window` is the limit a context-too-long error
    named, in tokens.
    """

    kind: OutcomeKind
    status: int | None = None
    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: float | None = None
    context_window: int | None = None

    @property
    def ok(self) -> bool:
        return self.kind is _OK


_OK = OutcomeKind.OK
OK = Outcome(_OK)

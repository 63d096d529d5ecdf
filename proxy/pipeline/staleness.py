"""The last thing to try when everything is down: the answer that the same request got before.

A route with `degrade.stale` has its whole answers written down as its clients got them, by a digest of the key's name, the
route, the endpoint and every field of the request; nothing less than the very same request of the same client finds one. It
is only looked for after the last attempt has failed, for reasons that are not the client's, and before any content was sent.
The reply says how old it is, and that it is degraded.
"""

from hashlib import sha256

from proxy.core.endpoints import TEXTUAL
from proxy.core.exchange import Downstream, HeaderList, Source
from proxy.core.problem import Problem
from proxy.core.records import AttemptRecord
from proxy.core.staleness import Kept, content_type_of
from proxy.pipeline.journey import Journey
from proxy.tokens.prices import dollars

STALE = "stale"
#: Bytes of an answer that are kept at most.
MAX_ANSWER = 1024 * 1024


class Transcript:
    """A downstream that remembers what passes. Signs of life are left out; what grows too large is forgotten."""

    __slots__ = ("_downstream", "_pieces", "_quiet", "_size", "headers")

    def __init__(self, downstream: Downstream, quiet: bytes) -> None:
        self._downstream = downstream
        self._quiet = quiet
        self._pieces: list[bytes] = []
        self._size = 0
        self.headers: HeaderList = ()

    @property
    def started(self) -> bool:
        return self._downstream.started

    def start(self, status: int, headers: HeaderList, length: int | None) -> None:
        self.headers = headers
        self._downstream.start(status, headers, length)

    def write(self, data: bytes) -> None:
        if data != self._quiet:
            self._size += len(data)
            if self._size <= MAX_ANSWER:
                self._pieces.append(data)
            else:
                self._pieces.clear()
        self._downstream.write(data)

    def finish(self, data: bytes = b"") -> None:
        self._downstream.finish(data)

    def abort(self) -> None:
        self._downstream.abort()

    def attach(self, source: Source | None) -> None:
        self._downstream.attach(source)

    def take(self, rest: bytes) -> bytes | None:
        """Everything that was written, and `rest` behind it; None: too much."""
        if self._size + len(rest) > MAX_ANSWER:
            return None
        return b"".join([*self._pieces, rest])


def key_of(journey: Journey) -> bytes:
    """Whose request this is, and what it asks, to the last field; in whatever order its fields stand."""
    call = journey.call
    digest = sha256()
    owner = (journey.record.key or "", journey.route.route.name, call.endpoint.value, str(call.envelope.stream))
    fields = sorted((name, bytes(value)) for name, value in call.envelope.fields.items())  # type: ignore[call-overload]
    for part in (*(word.encode() for word in owner), *(part for name, value in fields for part in (name.encode(), value))):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def may_keep(journey: Journey) -> bool:
    """Is this a call whose answer may be given again?"""
    return journey.route.route.stale is not None and journey.call.endpoint in TEXTUAL and not journey.fixed


def answer_of(journey: Journey, record: AttemptRecord, rest: bytes, terminator: bytes, wall: float) -> Kept | None:
    """A delivered answer as it is kept; None: it is not."""
    transcript = journey.downstream
    body = transcript.take(rest) if isinstance(transcript, Transcript) else None
    if body is None or not isinstance(transcript, Transcript) or journey.record.degraded:
        return None
    return Kept(content_type_of(transcript.headers), body, terminator, wall, record.target, record.cost)


def may_replay(journey: Journey, problem: Problem) -> bool:
    """Has the call failed for want of a provider, with nothing of any answer sent?"""
    unanswered = problem.status == 429 or problem.status >= 500
    return may_keep(journey) and unanswered and not journey.committed and not journey.halted


def replay(journey: Journey, kept: Kept, now: float) -> None:
    """Answer with what was answered before."""
    record, downstream = journey.record, journey.downstream
    record.status, record.degraded, record.saved = 200, STALE, kept.cost or 0
    age = max(0, int(now - kept.wall))
    stream = journey.call.envelope.stream
    words: dict[str, object] = {
        "request_id": record.id,
        "target": kept.target,
        "degraded": STALE,
        "age_s": age,
        "cost_usd": "0",
    }
    if kept.cost is not None:
        words["saved_usd"] = dollars(kept.cost)
    body = kept.body + journey.format.closing_comment(words) + kept.terminator if stream else kept.body
    if not downstream.started:
        headers = [
            (b"content-type", kept.content_type),
            (b"x-request-id", record.id.encode()),
            (b"x-undimmed-request-id", record.id.encode()),
            (b"x-undimmed-route", record.route.encode()),
            (b"x-undimmed-target", kept.target.encode()),
            (b"x-undimmed-attempts", b"%d" % len(record.attempts)),
            (b"x-undimmed-degraded", STALE.encode()),
            (b"x-undimmed-age", b"%d" % age),
        ]
        downstream.start(200, headers, None if stream else len(body))
    downstream.finish(body)

"""What is written down of every call: one `CallRecord` with its attempts, handed to every sink once.

Times named `*_at` are loop time (monotonic seconds); `wall` is the Unix time of the call's start. No prompt, no
answer text and no secret is ever part of a record. They are structs because some are made for every call, and structs are
made several times faster than dataclasses.
"""

import enum
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.priorities import NORMAL
from proxy.core.usage import Usage


class Purpose(enum.StrEnum):
    """Why an attempt was made: to answer the call; as a second copy beside a slow one; because the answer before it did
    not pass the route's checks; to go on with an answer that was cut."""

    ANSWER = "answer"
    HEDGE = "hedge"
    ESCALATION = "escalation"
    RESUME = "resume"


class AttemptRecord(Struct, gc=False):
    """One try of one target with one credential. `delivered`: the client received its output; what an attempt
    used without being delivered is waste. `cost` in nano-dollars, None: unknown. `possibly_billed`: we cancelled or
    lost it after the request was sent, so the provider may still charge for it. `dropped`: what of the request could not
    be said to it. `cache_saved`: nano-dollars that its cached tokens would have cost more uncached, None: unknown.
    `raw_input`: the estimate of its input before `factor`, what estimates for its target were multiplied by; None: its
    input was not estimated. `drill`: the fault that a fire drill gave it, "" for none."""

    target: str
    provider: str
    credential: str
    started_at: float
    outcome: Outcome
    first_byte_at: float | None = None
    first_content_at: float | None = None
    ended_at: float = 0.0
    status: int | None = None
    served_model: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    delivered: bool = False
    possibly_billed: bool = False
    trial: bool = False
    dropped: tuple[str, ...] = ()
    purpose: Purpose = Purpose.ANSWER
    cache_saved: int | None = None
    raw_input: int | None = None
    factor: float = 1.0
    drill: str = ""

    @property
    def kind(self) -> OutcomeKind:
        return self.outcome.kind


class CallRecord(Struct, gc=False):
    """One request of a client, from its first byte here to its last. `status` is what the client was told (499: it
    left first). `outcome` is the call's own: OK, or why not. `committed`: content had been sent to the client. `tags`:
    of its key and of the request, sorted. `features`: what the request really used (values of `Feature`), sorted.
    `degraded`: what was given up to answer it at all, "" for nothing. `saved`: nano-dollars that an answer from our own
    cache would have cost; None: it did not come from there. `incident`: the id of the incident it fell into."""

    id: str
    route: str
    endpoint: Endpoint
    stream: bool
    key: str | None
    wall: float
    started_at: float
    ended_at: float = 0.0
    status: int = 0
    outcome: OutcomeKind = OutcomeKind.OK
    committed: bool = False
    served_by: str | None = None
    waited: float = 0.0
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    priority: str = NORMAL
    degraded: str = ""
    saved: int | None = None
    incident: str = ""
    attempts: list[AttemptRecord] = field(default_factory=list)


class StateChange(Struct, gc=False):
    """A breaker, a hold or a credential changed: one log line, one counter. `cause` is a sentence."""

    at: float
    subject: str  # target or credential id
    endpoint: str | None
    before: str
    after: str
    cause: str
    until: float | None = None


class ProbeRecord(Struct, gc=False):
    """One active probe; `kind` is `free` or `completion`."""

    at: float
    target: str
    kind: str
    ok: bool
    took: float
    detail: str = ""
    usage: Usage | None = None
    cost: int | None = None


@runtime_checkable
class Witness(Protocol):
    """A sink that also wants to hear of each attempt before it is sent. Must not block and must not raise."""

    def attempt_started(self, call: CallRecord, attempt: AttemptRecord) -> None: ...


class Sink(Protocol):
    """Takes what happened: the tally, the log, the ledger. Must not block and must not raise."""

    def call_finished(self, record: CallRecord) -> None: ...

    def state_changed(self, change: StateChange) -> None: ...

    def probed(self, record: ProbeRecord) -> None: ...

"""Calls as the ledger keeps them: flat, in whole milliseconds, without a word of anybody's.

An `Outcome` carries what a provider said, which may quote a prompt; of it only the kind gets in here. The few texts that
come from outside (a model's name) are cut short. In the journal entries stand as MessagePack arrays, so their fields may
only ever be added at the end, with a default.
"""

import msgspec
from msgspec import Struct

from proxy.core.records import AttemptRecord, CallRecord

MAX_TEXT = 200
#: Providers have said larger numbers than a column holds. Of these, a thousand can be summed and still be held.
MAX_INT = 2**50 - 1
#: The ledger's own outcome: the process died, and nobody knows.
LOST = "lost"


class AttemptEntry(Struct, array_like=True, gc=False):
    """One attempt. `started` after the call, `first_content` and `took` after that, in ms; tokens None: unknown."""

    target: str
    provider: str
    credential: str
    started: int
    first_content: int | None
    took: int | None
    outcome: str
    status: int | None = None
    model: str | None = None
    input: int | None = None
    output: int | None = None
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    source: str | None = None
    lower_bound: bool = False
    cost: int | None = None
    delivered: bool = False
    possibly_billed: bool = False
    trial: bool = False


class CallEntry(Struct, array_like=True, tag="c", gc=False):
    """One finished call. `wall` in ms of Unix time."""

    id: str
    wall: int
    route: str
    endpoint: str
    stream: bool
    key: str
    status: int
    outcome: str
    committed: bool
    served_by: str | None
    waited: int
    took: int | None
    attempts: list[AttemptEntry]


class Begun(Struct, array_like=True, tag="b", gc=False):
    """An attempt about to be sent; stands for it until its call has ended."""

    id: str
    wall: int
    route: str
    endpoint: str
    stream: bool
    key: str
    number: int
    target: str
    provider: str
    credential: str
    started: int


Entry = CallEntry | Begun
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
encode = _encoder.encode
#: Raises msgspec.MsgspecError for what `encode` has not made.
decode = _decoder.decode


def begin(call: CallRecord, attempt: AttemptRecord) -> Begun:
    """The entry of an attempt about to be sent, after those already in the call's record."""
    return Begun(
        call.id,
        int(call.wall * 1000),
        call.route,
        call.endpoint.value,
        call.stream,
        call.key or "",
        len(call.attempts),
        attempt.target,
        attempt.provider,
        attempt.credential,
        int((attempt.started_at - call.started_at) * 1000),
    )


def _attempt(attempt: AttemptRecord, began: float) -> AttemptEntry:
    at = attempt.started_at
    first = attempt.first_content_at
    usage = attempt.usage
    entry = AttemptEntry(
        attempt.target,
        attempt.provider,
        attempt.credential,
        int((at - began) * 1000),
        None if first is None else int((first - at) * 1000),
        int((attempt.ended_at - at) * 1000),
        attempt.outcome.kind.value,
        attempt.status,
    )
    if attempt.served_model is not None:
        entry.model = attempt.served_model[:MAX_TEXT]
    if usage is not None:
        entry.input, entry.output = usage.input, usage.output
        entry.cached, entry.cache_write, entry.reasoning = usage.cached, usage.cache_write, usage.reasoning
        entry.source = usage.source.value
        entry.lower_bound = usage.lower_bound
        entry.cost = attempt.cost
    entry.delivered = attempt.delivered
    entry.possibly_billed = attempt.possibly_billed
    entry.trial = attempt.trial
    return entry


def entry_of(record: CallRecord) -> CallEntry:
    """The entry of a finished call."""
    began = record.started_at
    return CallEntry(
        record.id,
        int(record.wall * 1000),
        record.route,
        record.endpoint.value,
        record.stream,
        record.key or "",
        record.status,
        record.outcome.value,
        record.committed,
        record.served_by,
        int(record.waited * 1000),
        int((record.ended_at - began) * 1000),
        [_attempt(attempt, began) for attempt in record.attempts],
    )


def _tame(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return max(min(value, MAX_INT), 0)
    return value


def _within_bounds(entry: CallEntry) -> None:
    for struct in (entry, *entry.attempts):
        for name in struct.__struct_fields__:
            setattr(struct, name, _tame(getattr(struct, name)))


def pack(record: CallRecord) -> bytes:
    """A finished call as the journal takes it. Numbers and texts that no file could hold are brought within bounds."""
    entry = entry_of(record)
    for attempt in entry.attempts:
        tokens = (attempt.input or 0) | (attempt.output or 0) | attempt.cached | attempt.cache_write | attempt.reasoning
        if (tokens | (attempt.cost or 0)) > MAX_INT or tokens < 0:
            _within_bounds(entry)
            break
    try:
        return encode(entry)
    except UnicodeEncodeError:
        _within_bounds(entry)
        return encode(entry)


def lost(begun: list[Begun]) -> CallEntry:
    """A call that was under way when its process died, as far as it is known: each attempt may have cost money."""
    first = begun[0]
    attempts = [
        AttemptEntry(b.target, b.provider, b.credential, b.started, None, None, LOST, possibly_billed=True)
        for b in sorted(begun, key=lambda b: b.number)
    ]
    return CallEntry(
        first.id, first.wall, first.route, first.endpoint, first.stream, first.key, 0, LOST, False, None, 0, None, attempts
    )

"""Calls as the ledger keeps them: flat, in whole milliseconds, without a word of anybody's.

An `Outcome` carries what a provider said, which may quote a prompt; of it only the kind gets in here. The few texts that
come from outside (a model's name) are cut short. In the journal entries stand as MessagePack arrays, so their fields may
only ever be added at the end, with a default.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord
from proxy.core.usage import Usage

MAX_TEXT = 200
#: Tags of a call that are kept, and characters of each.
MAX_TAGS = 16
MAX_TAG = 64
#: Providers have said larger numbers than a column holds. Of these, a thousand can be summed and still be held.
MAX_INT = 2**50 - 1
#: The ledger's own outcome: the process died, and nobody knows.
LOST = "lost"


class AttemptEntry(Struct, array_like=True, gc=False):
    """One attempt. `started` after the call, `first_content` and `took` after that, in ms; tokens None: unknown.
    `audio_in` and the like are parts of `input` and `output`, `cache_write_1h` of `cache_write`."""

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
    purpose: str = "answer"
    cache_saved: int | None = None
    raw_input: int | None = None
    factor: float = 1.0
    cache_write_1h: int = 0
    audio_in: int = 0
    image_in: int = 0
    audio_out: int = 0
    image_out: int = 0
    tier: str = ""


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
    tags: list[str] = []
    features: list[str] = []
    priority: str = ""
    degraded: str = ""
    saved: int | None = None
    incident: str = ""


class ProbeEntry(Struct, array_like=True, tag="p", gc=False):
    """One probe that used tokens: it has its price, though it is nobody's call. `wall` in ms of Unix time, when it ended."""

    id: str
    wall: int
    target: str
    provider: str
    kind: str
    outcome: str
    took: int
    input: int
    output: int
    cached: int
    reasoning: int
    source: str
    cost: int | None


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
    tags: list[str] = []
    purpose: str = "answer"


Final = CallEntry | ProbeEntry
Entry = Final | Begun
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
encode = _encoder.encode
#: Raises msgspec.MsgspecError for what `encode` has not made.
decode = _decoder.decode


def _cut(tags: Sequence[str]) -> list[str]:
    return [tag[:MAX_TAG] for tag in tags[:MAX_TAGS]]


def begin(call: CallRecord, attempt: AttemptRecord) -> Begun:
    """The entry of an attempt about to be sent, after those already in the call's record."""
    return Begun(
        call.id,
        int(call.wall * 1000),
        call.route[:MAX_TEXT],
        call.endpoint.value,
        call.stream,
        call.key or "",
        len(call.attempts),
        attempt.target[:MAX_TEXT],
        attempt.provider,
        attempt.credential,
        int((attempt.started_at - call.started_at) * 1000),
        _cut(call.tags),
        attempt.purpose.value,
    )


def _attempt(attempt: AttemptRecord, began: float) -> AttemptEntry:
    at = attempt.started_at
    first = attempt.first_content_at
    usage = attempt.usage
    entry = AttemptEntry(
        attempt.target[:MAX_TEXT],
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
        entry.cache_saved = attempt.cache_saved
        entry.raw_input, entry.factor = attempt.raw_input, attempt.factor
        _add_kinds(entry, usage)
    entry.delivered = attempt.delivered
    entry.possibly_billed = attempt.possibly_billed
    entry.trial = attempt.trial
    entry.purpose = attempt.purpose.value
    return entry


def _add_kinds(entry: AttemptEntry, usage: Usage) -> None:
    entry.cache_write_1h = usage.cache_write_1h
    entry.audio_in, entry.image_in = usage.audio_in, usage.image_in
    entry.audio_out, entry.image_out = usage.audio_out, usage.image_out
    entry.tier = usage.tier[:MAX_TEXT]


def entry_of(record: CallRecord) -> CallEntry:
    """The entry of a finished call."""
    began = record.started_at
    return CallEntry(
        record.id,
        int(record.wall * 1000),
        record.route[:MAX_TEXT],
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
        _cut(record.tags),
        list(record.features),
        record.priority,
        record.degraded[:MAX_TEXT],
        record.saved,
        record.incident[:MAX_TEXT],
    )


def probe_of(record: ProbeRecord, identity: str, wall: float) -> ProbeEntry | None:
    """The entry of a probe that ended at this Unix time; None: it used no tokens."""
    usage = record.usage
    if usage is None:
        return None
    provider = record.target.partition("/")[0]
    outcome = "ok" if record.ok else "failed"
    entry = ProbeEntry(
        identity, int(wall * 1000), record.target, provider, record.kind, outcome, int(record.took * 1000),
        usage.input, usage.output, usage.cached, usage.reasoning, usage.source.value, record.cost,
    )  # fmt: skip
    _within_bounds(entry)
    return entry


def _tame(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return max(min(value, MAX_INT), 0)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_tame(text) for text in value]
    return value


def _within_bounds(entry: Final) -> None:
    structs: list[Struct] = [entry, *entry.attempts] if isinstance(entry, CallEntry) else [entry]
    for struct in structs:
        for name in struct.__struct_fields__:
            setattr(struct, name, _tame(getattr(struct, name)))


def pack(record: CallRecord) -> bytes:
    """A finished call as the journal takes it. Numbers and texts that no file could hold are brought within bounds."""
    entry = entry_of(record)
    # The bits of all of them: negative if one is, and beyond the limit if one is.
    bits = entry.saved or 0
    for attempt in entry.attempts:
        bits |= (attempt.input or 0) | (attempt.output or 0) | attempt.cached | attempt.cache_write | attempt.reasoning
        bits |= attempt.cache_write_1h | attempt.audio_in | attempt.image_in | attempt.audio_out | attempt.image_out
        bits |= (attempt.cost or 0) | (attempt.cache_saved or 0) | (attempt.raw_input or 0)
    if not 0 <= bits <= MAX_INT:
        _within_bounds(entry)
    try:
        return encode(entry)
    except UnicodeEncodeError:
        _within_bounds(entry)
        return encode(entry)


def lost(begun: list[Begun]) -> CallEntry:
    """A call that was under way when its process died, as far as it is known: each attempt may have cost money."""
    first = begun[0]
    attempts = [
        AttemptEntry(
            b.target, b.provider, b.credential, b.started, None, None, LOST, possibly_billed=True, purpose=b.purpose
        )
        for b in sorted(begun, key=lambda b: b.number)
    ]
    return CallEntry(
        first.id, first.wall, first.route, first.endpoint, first.stream, first.key, 0, LOST, False, None, 0, None, attempts,
        first.tags,
    )  # fmt: skip

"""A request with the beginning of its answer: the same conversation, and a last turn of the assistant to go on from.

Each client format has its own place for it. A limit on the answer's length is lowered by what has been written. Refuses to
know who would go on from there; kinds of providers do.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import read_fields, read_value, splice

#: A rough figure for what nobody has counted.
BYTES_PER_TOKEN = 4

_NONE: Mapping[str, Any] = MappingProxyType({})
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_LIST = msgspec.json.Decoder(list[Raw])
_ENCODE = msgspec.json.Encoder().encode


def extend(call: Call, text: str, marks: Mapping[str, Any] = _NONE, fields: Mapping[str, Any] = _NONE) -> Call | None:
    """The call with this text as what its answer begins with. `marks`, `fields`: further members of the assistant's turn,
    and of the request. None: there is no place for it."""
    write = _WRITERS.get(call.endpoint)
    changes = None if write is None else write(call.envelope, text, marks)
    if changes is None:
        return None
    changes |= {name: _ENCODE(value) for name, value in fields.items()}
    changes |= _lower_limits(call.envelope, len(text) // BYTES_PER_TOKEN)
    body = splice(call.envelope, changes)
    envelope = replace(call.envelope, body=body, fields=read_fields(body), reading=None)
    return replace(call, envelope=envelope, dialogue=None, needs=None)


def _lower_limits(envelope: Envelope, written: int) -> dict[str, bytes | None]:
    limits = {name: read_value(envelope, name) for name in _LIMITS if name in envelope.fields}
    return {name: _ENCODE(max(1, int(limit) - written)) for name, limit in limits.items() if isinstance(limit, int | float)}


def _append(envelope: Envelope, key: str, turn: Mapping[str, Any]) -> dict[str, bytes | None] | None:
    raw = envelope.fields.get(key)
    try:
        turns = _LIST.decode(raw) if isinstance(raw, Raw) else []
    except UNREADABLE:
        turns = []
    return {key: _ENCODE([*turns, turn])} if turns else None


def _extend_messages(envelope: Envelope, text: str, marks: Mapping[str, Any]) -> dict[str, bytes | None] | None:
    return _append(envelope, "messages", {"role": "assistant", "content": text, **marks})


def _extend_input(envelope: Envelope, text: str, marks: Mapping[str, Any]) -> dict[str, bytes | None] | None:
    question = read_value(envelope, "input")
    turn = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    if isinstance(question, str):
        return {"input": _ENCODE([{"type": "message", "role": "user", "content": question}, turn])}
    return _append(envelope, "input", turn)


def _extend_prompt(envelope: Envelope, text: str, marks: Mapping[str, Any]) -> dict[str, bytes | None] | None:
    prompt = read_value(envelope, "prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    return {"prompt": _ENCODE(prompt + text)} if isinstance(prompt, str) else None


_WRITERS: Mapping[Endpoint, Callable[[Envelope, str, Mapping[str, Any]], dict[str, bytes | None] | None]] = MappingProxyType(
    {
        Endpoint.CHAT: _extend_messages,
        Endpoint.COMPLETIONS: _extend_prompt,
        Endpoint.MESSAGES: _extend_messages,
        Endpoint.RESPONSES: _extend_input,
    }
)

"""What a Messages request needs of a target, and which conversation it belongs to.

Both cost a look into the messages, so they are asked for only where a route has conditions or sticks. Neither raises: what
cannot be read needs nothing and belongs nowhere; the provider will say what is wrong with it.
"""

from collections.abc import Iterator
from hashlib import blake2b

import msgspec
from msgspec import Raw

from proxy.core.call import Call, Envelope, Needs
from proxy.core.features import HARD, Feature
from proxy.wire.anthropic.blocks import Block, Message, Source
from proxy.wire.anthropic.request import read_request
from proxy.wire.dialogue import Dialogue, Document, Part, Text, Thinking, ToolCall, ToolResult
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError

#: A rough figure for everything that nobody counts.
BYTES_PER_TOKEN = 4

_RAW_LIST = msgspec.json.Decoder(list[Raw])
_MESSAGE = msgspec.json.Decoder(Message)
_SYSTEM = msgspec.json.Decoder(str | list[Block] | None)


def needs_of(envelope: Envelope) -> Needs:
    """`tokens` is characters / 4 of everything the model reads, without encoded files."""
    try:
        dialogue = read_request(envelope)
    except EnvelopeError:
        return Needs(stream=envelope.stream)
    features = dialogue.features
    return Needs(
        tools=bool(dialogue.tools),
        images=Feature.IMAGES in features,
        stream=envelope.stream,
        tokens=measure(dialogue, envelope),
        output=max(0, dialogue.sampling.max_tokens or 0),
        features=frozenset(features & HARD),
    )


def measure(dialogue: Dialogue, envelope: Envelope) -> int:
    """A rough count of the tokens that a model reads."""
    tools = envelope.fields.get("tools")
    size = len(tools) if isinstance(tools, Raw) else 0
    return (size + sum(len(text) for turn in dialogue.turns for text in _list_texts(turn.parts))) // BYTES_PER_TOKEN


def guess_tokens(call: Call) -> int:
    """The same of a call, where a number is better than none."""
    if call.needs is not None and call.needs.tokens:
        return call.needs.tokens
    return measure(call.dialogue, call.envelope) if isinstance(call.dialogue, Dialogue) else 0


def affinity_of(envelope: Envelope) -> str:
    """A hash of the conversation's start: the instructions and the first user message, so that it stays the same
    while the conversation grows. Cache marks move on with it and are not looked at. Empty: no conversation."""
    messages, system = envelope.fields.get("messages"), envelope.fields.get("system")
    start = ""
    try:
        if isinstance(system, Raw):
            start += _join(_SYSTEM.decode(system) or "")
        for raw in _RAW_LIST.decode(messages) if isinstance(messages, Raw) else ():
            message = _MESSAGE.decode(raw)
            if message.role == "user":
                start += "\0" + _join(message.content)
                break
    except UNREADABLE:
        return ""
    return blake2b(start.encode("utf-8", "replace"), digest_size=16).hexdigest() if start else ""


def _join(content: str | list[Block]) -> str:
    if isinstance(content, str):
        return content
    return "\0".join(block.text or (block.source.data if isinstance(block.source, Source) else "") for block in content)


def _list_texts(parts: list[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Text | Thinking):
            yield part.text
        elif isinstance(part, ToolCall):
            yield part.name
            yield part.arguments
        elif isinstance(part, ToolResult):
            yield from _list_texts(list(part.content))
        elif isinstance(part, Document):
            yield part.text or ""

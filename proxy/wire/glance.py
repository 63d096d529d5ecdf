"""A glance at a whole answer, in the client's format: its first texts and tool calls, for whoever judges how good it is.

Whole answers go to the client as the bytes that they are, and nothing of them is kept; the few that are looked at more
closely are read once more here. Only what a struct names is decoded. Nothing raises: what cannot be read shows nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from proxy.core.endpoints import Endpoint
from proxy.wire.lenient import UNREADABLE

#: Longer answers are not looked at.
MAX_BODY = 512 * 1024


class Glance(Struct, gc=False):
    """`content`, `refusal`: texts in order; `tool`: of each call, the arguments as they came."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tool: list[str] = field(default_factory=list)


class _Function(Struct, gc=False):
    arguments: Any = None


class _Call(Struct, gc=False):
    function: _Function | None = None


class _Message(Struct, gc=False):
    content: Any = None
    refusal: Any = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, gc=False):
    message: _Message | None = None
    text: Any = None


class _Part(Struct, gc=False):
    """A block of Anthropic's, or an item or a part of one of Responses."""

    type: str = ""
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    content: Raw = Raw(b"")


class _Chat(Struct, gc=False):
    choices: list[_Choice] | None = None


class _Blocks(Struct, gc=False):
    content: list[_Part] | None = None


class _Output(Struct, gc=False):
    output: list[_Part] | None = None


_CHAT = msgspec.json.Decoder(_Chat).decode
_BLOCKS = msgspec.json.Decoder(_Blocks).decode
_OUTPUT = msgspec.json.Decoder(_Output).decode
_PARTS = msgspec.json.Decoder(list[_Part]).decode


def glance(endpoint: Endpoint, body: bytes) -> Glance:
    """What a whole answer says, as far as this knows its format."""
    seen = Glance()
    read = _READERS.get(endpoint)
    if read is None or len(body) > MAX_BODY:
        return seen
    try:
        for kind, text in read(body):
            if isinstance(text, str) and text:
                getattr(seen, kind).append(text)
    except UNREADABLE:
        return Glance()
    return seen


def _read_chat(body: bytes) -> Iterator[tuple[str, Any]]:
    for choice in _CHAT(body).choices or ():
        yield "content", choice.text
        message = choice.message
        if message is None:
            continue
        yield "content", message.content
        yield "refusal", message.refusal
        for call in message.tool_calls or ():
            yield "tool", None if call.function is None else call.function.arguments


def _read_blocks(body: bytes) -> Iterator[tuple[str, Any]]:
    """An Anthropic block carries its tool's input as JSON, which is sound as long as the body is."""
    yield from _texts_of(_BLOCKS(body).content or ())


def _read_output(body: bytes) -> Iterator[tuple[str, Any]]:
    for item in _OUTPUT(body).output or ():
        yield "tool", item.arguments
        if item.type == "message" and item.content:
            yield from _texts_of(_PARTS(item.content))


def _texts_of(parts: Iterable[_Part]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        yield "content", part.text
        yield "refusal", part.refusal


_READERS: Mapping[Endpoint, Callable[[bytes], Iterator[tuple[str, Any]]]] = {
    Endpoint.CHAT: _read_chat,
    Endpoint.COMPLETIONS: _read_chat,
    Endpoint.MESSAGES: _read_blocks,
    Endpoint.RESPONSES: _read_output,
}

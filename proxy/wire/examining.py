"""What stands in an answer that a client is about to get, in the client's own format: for checks that come before.

Reads whole answers, and streams that were held back until their end. Reads leniently: what cannot be read is not there, and
whether that is a fault is not decided here. Wire facts: OpenAI's chat completions, completions and Responses, Anthropic's
Messages, as the references of both describe their answers and events.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct, field

from proxy.core.endpoints import Endpoint
from proxy.core.escalation import Examined
from proxy.wire.lenient import UNREADABLE

#: Endpoints whose answers are texts that can be examined.
EXAMINED = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES})


class _Token(Struct, gc=False):
    logprob: float | None = None


class _Logprobs(Struct, gc=False):
    content: list[_Token] | None = None


class _Said(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    function_call: msgspec.Raw | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Chat(Struct, gc=False):
    choices: list[_Choice] | None = None


class _Block(Struct, gc=False):
    type: str | None = None
    text: str | None = None


class _MessagesDelta(Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class _Messages(Struct, gc=False):
    type: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    content_block: _Block | None = None
    delta: _MessagesDelta | None = None


class _Part(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None


class _Item(Struct, gc=False):
    type: str | None = None
    content: list[_Part] | None = None


class _Incomplete(Struct, gc=False):
    reason: str | None = None


class _Response(Struct, gc=False):
    status: str | None = None
    output: list[_Item] | None = None
    incomplete_details: _Incomplete | None = None


class _ResponseEvent(Struct, gc=False):
    type: str | None = None
    response: _Response | None = None


class _Notes(Struct):
    """What was found so far."""

    texts: list[str] = field(default_factory=list)
    finish: str | None = None
    tools: bool = False
    refused: bool = False
    logprobs: list[float] = field(default_factory=list)


_chat = msgspec.json.Decoder(_Chat, strict=False)
_messages = msgspec.json.Decoder(_Messages, strict=False)
_response = msgspec.json.Decoder(_Response, strict=False)
_response_event = msgspec.json.Decoder(_ResponseEvent, strict=False)


def examine(endpoint: Endpoint, body: bytes, stream: bool, route: str, target: str) -> Examined:
    """An answer in the format of `endpoint`; `stream`: `body` is the stream, up to its terminator or without."""
    notes = _Notes()
    read = _STREAMED[endpoint] if stream else _WHOLE[endpoint]
    for data in _events(body) if stream else (body,):
        try:
            read(data, notes)
        except UNREADABLE:
            continue
    mean = sum(notes.logprobs) / len(notes.logprobs) if notes.logprobs else None
    return Examined(route, target, "".join(notes.texts), notes.finish, notes.tools, notes.refused, mean)


def _events(body: bytes) -> Iterator[bytes]:
    """The data of each event; ours and others' streams here have one line of it."""
    for line in body.splitlines():
        if line.startswith(b"data:"):
            yield line[5:].strip()


def _read_chat(data: bytes, notes: _Notes) -> None:
    for choice in _chat.decode(data).choices or ():
        if choice.index:
            continue
        said = choice.message or choice.delta
        if said is not None:
            notes.texts.append(said.content or "")
            notes.tools = notes.tools or bool(said.tool_calls) or said.function_call is not None
            notes.refused = notes.refused or bool(said.refusal)
        notes.texts.append(choice.text or "")
        notes.finish = choice.finish_reason or notes.finish
        if choice.logprobs is not None:
            notes.logprobs += [token.logprob for token in choice.logprobs.content or () if token.logprob is not None]


def _read_messages(data: bytes, notes: _Notes) -> None:
    message = _messages.decode(data)
    blocks = message.content or ([message.content_block] if message.content_block is not None else [])
    for block in blocks:
        notes.texts.append((block.text or "") if block.type == "text" else "")
        notes.tools = notes.tools or block.type == "tool_use"
    delta = message.delta
    if delta is not None:
        notes.texts.append(delta.text or "")
    notes.finish = message.stop_reason or (delta.stop_reason if delta is not None else None) or notes.finish
    notes.refused = notes.finish == "refusal"


def _note_response(response: _Response, notes: _Notes) -> None:
    for item in response.output or ():
        notes.tools = notes.tools or (item.type or "").endswith("_call")
        for part in item.content or ():
            notes.texts.append((part.text or "") if part.type == "output_text" else "")
            notes.refused = notes.refused or part.type == "refusal"
    why = response.incomplete_details
    notes.finish = why.reason if why is not None and why.reason else response.status


def _read_response(data: bytes, notes: _Notes) -> None:
    _note_response(_response.decode(data), notes)


def _read_response_event(data: bytes, notes: _Notes) -> None:
    """The last event holds all of the answer."""
    event = _response_event.decode(data)
    if event.type in ("response.completed", "response.incomplete", "response.failed") and event.response is not None:
        _note_response(event.response, notes)


_Read = Callable[[bytes, _Notes], None]
_STREAMED: Mapping[Endpoint, _Read] = MappingProxyType(
    {
        Endpoint.CHAT: _read_chat,
        Endpoint.COMPLETIONS: _read_chat,
        Endpoint.MESSAGES: _read_messages,
        Endpoint.RESPONSES: _read_response_event,
    }
)
_WHOLE: Mapping[Endpoint, _Read] = MappingProxyType({**_STREAMED, Endpoint.RESPONSES: _read_response})

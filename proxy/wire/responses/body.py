"""The response object as this proxy writes it: the request's echo, the output, the usage.

OpenAI repeats most of the request in every response. The echo is put together once per answer from the client's own bytes;
what the client left out shows as the API's default where this proxy keeps to that, else as null: what a vendor takes for a
temperature, nobody here knows. `store` is always false, whatever was asked: a translated response can't be fetched later.

Source: the OpenAPI document 2.3.0 (`Response`) and the types of openai-python 3.57.
"""

from typing import Any

import msgspec

from proxy.core.call import Call
from proxy.core.usage import Usage
from proxy.wire.openai_envelope import read_value
from proxy.wire.pieces import Began
from proxy.wire.responses.marks import make_response_id

_ENCODE = msgspec.json.Encoder().encode

#: Repeated from the request as they are, with what stands for them where it says nothing.
_ECHOED: tuple[tuple[str, bytes], ...] = (
    ("instructions", b"null"),
    ("max_output_tokens", b"null"),
    ("max_tool_calls", b"null"),
    ("metadata", b"{}"),
    ("parallel_tool_calls", b"true"),
    ("reasoning", b'{"effort":null,"summary":null}'),
    ("temperature", b"null"),
    ("tool_choice", b'"auto"'),
    ("top_logprobs", b"0"),
    ("top_p", b"null"),
    ("truncation", b'"disabled"'),
)
#: Repeated only where the request has them.
_OPTIONAL = ("user", "safety_identifier", "prompt_cache_key")
_PLAIN_TEXT = b'{"format":{"type":"text"}}'


class Body:
    """One response, in all its states. `id` is derived from the call's."""

    __slots__ = ("_echo", "_head", "id")

    def __init__(self, call: Call, began: Began) -> None:
        self.id = make_response_id(call.id)
        created = began.created or int(call.wall)
        model = began.model or call.envelope.model
        self._head = b'{"id":"%b","object":"response","created_at":%d,"model":%b,"status":' % (
            self.id.encode(),
            created,
            _ENCODE(model),
        )
        self._echo = _write_echo(call)

    def write(self, status: bytes, reason: bytes = b"", output: bytes = b"", usage: Usage | None = None) -> bytes:
        """`reason`: why it is incomplete, "" where it is not. `output`: the items, joined with commas."""
        details = b'{"reason":"%b"}' % reason if reason else b"null"
        spent = b',"usage":' + write_usage(usage) if usage is not None else b""  # the schema knows no null
        return b'%b"%b","error":null,"incomplete_details":%b,%b,"output":[%b]%b}' % (
            self._head,
            status,
            details,
            self._echo,
            output,
            spent,
        )


def write_usage(usage: Usage) -> bytes:
    return (
        b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},"output_tokens":%d,'
        b'"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
    ) % (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning, usage.total)


def _write_echo(call: Call) -> bytes:
    fields = call.envelope.fields
    written = [b'"background":false,"previous_response_id":null,"store":false']
    for key, default in _ECHOED:
        raw = fields.get(key)
        value = bytes(raw) if isinstance(raw, msgspec.Raw) else b"null"
        written.append(b'"%b":%b' % (key.encode(), default if value == b"null" else value))
    for key in _OPTIONAL:
        raw = fields.get(key)
        if isinstance(raw, msgspec.Raw) and bytes(raw) != b"null":
            written.append(b'"%b":%b' % (key.encode(), bytes(raw)))
    written.append(b'"text":' + _write_text(read_value(call.envelope, "text")))
    written.append(b'"tools":' + _write_tools(read_value(call.envelope, "tools")))
    return b",".join(written)


def _write_text(value: object) -> bytes:
    if not isinstance(value, dict):
        return _PLAIN_TEXT
    form = value.get("format") or {"type": "text"}
    return _ENCODE({**value, "format": form})


def _write_tools(value: object) -> bytes:
    """The schema wants `strict` and `parameters` of every function, which a request may leave out."""
    tools: list[Any] = value if isinstance(value, list) else []
    return _ENCODE([_complete_tool(tool) for tool in tools])


def _complete_tool(tool: object) -> object:
    if isinstance(tool, dict) and tool.get("type") == "function":
        return {"strict": None, "parameters": None, **tool}
    return tool

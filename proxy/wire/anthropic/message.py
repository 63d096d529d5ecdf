"""A whole answer as clients of the Messages format read it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.call import Call
from proxy.core.usage import Usage, UsageSource
from proxy.wire.anthropic.citations import write_citation
from proxy.wire.anthropic.needs import BYTES_PER_TOKEN, guess_tokens
from proxy.wire.anthropic.stops import write_stop
from proxy.wire.anthropic.thoughts import write_redacted, write_signature
from proxy.wire.anthropic.usage import write_usage
from proxy.wire.dialogue import Thinking, ToolCall
from proxy.wire.pieces import AnswerPart, Completion, CompletionChoice
from proxy.wire.seals import seal_id

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode


def write_message(call: Call, completion: Completion) -> bytes:
    """The first choice; there are no others in this format."""
    choice = completion.choices[0]
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    content = _write_content(choice)
    usage = completion.usage
    if usage is None:
        usage = Usage(guess_tokens(call), len(_ENCODE(content)) // BYTES_PER_TOKEN, source=UsageSource.ESTIMATE)
    message: dict[str, Any] = {
        "id": completion.id or f"msg_{call.id}",
        "type": "message",
        "role": "assistant",
        "model": completion.model or call.envelope.model,
        "content": content,
        **write_stop(choice.finish, called),
        "usage": write_usage(usage),
    }
    return _ENCODE(message)


def _write_content(choice: CompletionChoice) -> list[dict[str, Any]]:
    content = [block for part in choice.parts if (block := _write_part(part)) is not None]
    cited = [citation for found in choice.citations if (citation := write_citation(found)) is not None]
    if cited:
        last = next((block for block in reversed(content) if block["type"] == "text"), None)
        if last is not None:
            last["citations"] = cited
    return content


def _write_part(part: AnswerPart) -> dict[str, Any] | None:
    if isinstance(part, ToolCall):
        call_id = seal_id(part.id, part.signature)
        return {"type": "tool_use", "id": call_id, "name": part.name, "input": to_input(part.arguments)}
    if isinstance(part, Thinking):
        if part.redacted is not None:
            return {"type": "redacted_thinking", "data": write_redacted(part.vendor, part.redacted)}
        signature = write_signature(part.vendor, part.signature)
        return {"type": "thinking", "thinking": part.text, "signature": signature}
    if not part.text:
        return None
    return {"type": "text", "text": part.text}


def to_input(arguments: str) -> msgspec.Raw | Mapping[str, Any]:
    """Arguments as an object, the bytes as they are. What is none stands in one, under the key that Anthropic's
    documentation names for it."""
    if not arguments.strip():
        return {}
    try:
        if isinstance(_DECODE(arguments), dict):
            return msgspec.Raw(arguments.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return {"INVALID_JSON": arguments}

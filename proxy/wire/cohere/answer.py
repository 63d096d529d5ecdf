"""Whole answers of Cohere's chat. Source: Cohere's SDK."""

from typing import Any

import msgspec
from msgspec import Struct

from proxy.core.outcome import OK
from proxy.wire.cohere.shapes import (
    FINISHES,
    CohereCall,
    CohereContent,
    CohereUsage,
    judge_finish,
    read_source,
    read_usage,
)
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.failures import judge_unreadable
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import AnswerPart, Completion, CompletionChoice, Finish, Finished


class Message(Struct, gc=False):
    content: list[CohereContent] | None = None
    tool_plan: str | None = None
    tool_calls: list[CohereCall] | None = None
    citations: list[dict[str, Any]] | None = None


class ChatAnswer(Struct, gc=False):
    id: str | None = None
    finish_reason: str | None = None
    message: Message | str | None = None  # a text in errors
    usage: CohereUsage | None = None


_DECODE = msgspec.json.Decoder(ChatAnswer).decode


def read_answer(body: bytes) -> Completion:
    """Judge and read a whole answer."""
    try:
        answer = decode_leniently(_DECODE, body)
    except UNREADABLE:
        return Completion(judge_unreadable(body, "the answer cannot be read"))
    message = answer.message
    usage = read_usage(answer.usage)
    if not isinstance(message, Message):
        return Completion(judge_unreadable(body, "the answer holds no message"), usage=usage)
    failure = judge_finish(answer.finish_reason, None)
    if failure is not None:
        return Completion(failure, usage=usage)
    finish = Finished(FINISHES.get(answer.finish_reason or "", Finish.STOP))
    citations = [read_source(raw) for raw in message.citations or ()]
    return Completion(OK, answer.id or "", choices=[CompletionChoice(_list_parts(message), finish, citations)], usage=usage)


def _list_parts(message: Message) -> list[AnswerPart]:
    parts: list[AnswerPart] = []
    for content in message.content or ():
        if content.thinking:
            parts.append(Thinking(content.thinking))
        if content.text:
            parts.append(Text(content.text))
    if message.tool_plan:
        parts.append(Text(message.tool_plan))
    for number, call in enumerate(message.tool_calls or ()):
        function = call.function
        name, arguments = (function.name, function.arguments) if function is not None else (None, None)
        parts.append(ToolCall(call.id or f"call_{number}", name or "", arguments or "{}"))
    return parts

"""Whole answers of Converse, and what they share with its streams: usage, reasons to stop, errors by name.

Claude's `inputTokens` leave out what was read from or written to a cache, so these are added; for other models that is
assumed. Converse does not count reasoning apart. Sources: the service model of botocore, recorded answers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage, unusual_tier
from proxy.wire.converse.tools import ANSWER_TOOL
from proxy.wire.dialogue import BEDROCK, Text, Thinking, ToolCall
from proxy.wire.failures import classify_inner, find_failure, judge_unreadable
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import AnswerPart, Citation, Completion, CompletionChoice, Finish, Finished
from proxy.wire.trouble import name_trouble, read_trouble

_NO_RAW = Raw(b"")

_FINISHES: Mapping[str, Finish] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "tool_use": Finish.TOOL_CALLS,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "guardrail_intervened": Finish.CONTENT_FILTER,
    "content_filtered": Finish.CONTENT_FILTER,
}

#: What each exception would have been as a status; in a stream the status has been sent long before.
_STATUSES: Mapping[str, int] = {
    "validationexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelstreamerrorexception": 424,
    "modelerrorexception": 424,
    "throttlingexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}


class ReasoningText(Struct, gc=False, rename="camel"):
    text: str | None = None
    signature: str | None = None


class ReasoningContent(Struct, gc=False, rename="camel"):
    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class ToolUse(Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    input: Raw = _NO_RAW
    type: str | None = None


class TextContent(Struct, gc=False, rename="camel"):
    text: str | None = None


class CitedContent(Struct, gc=False, rename="camel"):
    content: list[TextContent] | None = None
    citations: list[dict[str, Any]] | None = None


class Content(Struct, gc=False, rename="camel"):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: ReasoningContent | None = None
    citations_content: CitedContent | None = None


class Message(Struct, gc=False, rename="camel"):
    content: list[Content] | None = None


class Output(Struct, gc=False, rename="camel"):
    message: Message | None = None


class TokenUsage(Struct, gc=False, rename="camel"):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    cache_read_input_tokens: int | float | None = None
    cache_write_input_tokens: int | float | None = None
    cache_details: Any = None


class ServiceTier(Struct, gc=False, rename="camel"):
    type: str | None = None


class ConverseAnswer(Struct, gc=False, rename="camel"):
    output: Output | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    service_tier: ServiceTier | None = None


_DECODE = msgspec.json.Decoder(ConverseAnswer).decode


def read_answer(body: bytes, sealer: str = BEDROCK) -> Completion:
    """Judge and read a whole answer. `sealer`: whose signatures the model writes."""
    try:
        answer = decode_leniently(_DECODE, body)
    except UNREADABLE:
        return Completion(judge_unreadable(body, "the answer cannot be read"))
    tier = answer.service_tier.type if answer.service_tier is not None else None
    usage = read_usage(answer.usage, tier)
    content = None if answer.output is None or answer.output.message is None else answer.output.message.content
    if content is None and answer.stop_reason is None:
        nothing = Outcome(OutcomeKind.MALFORMED, message="the answer holds no message")
        return Completion(find_failure(body) or nothing, usage=usage)
    failure = judge_stop(answer.stop_reason)
    if failure is not None:
        return Completion(failure, usage=usage)
    parts: list[AnswerPart] = []
    citations: list[Citation] = []
    for place, block in enumerate(content or ()):
        _read_block(block, place, sealer, parts, citations)
    called = any(isinstance(part, ToolCall) for part in parts)
    choice = CompletionChoice(parts, Finished(map_stop(answer.stop_reason, called)), citations)
    return Completion(OK, choices=[choice], usage=usage, service_tier=tier)


def read_usage(usage: TokenUsage | None, tier: str | None = None) -> Usage | None:
    """None where nothing was counted. `cacheDetails` says how long what was written into the cache stays there:
    `[{"ttl": "1h", "inputTokens": 20}]`."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    cached, written = _count(usage.cache_read_input_tokens), _count(usage.cache_write_input_tokens)
    found = Usage(_count(usage.input_tokens) + cached + written, _count(usage.output_tokens), cached, written)
    details = usage.cache_details if written and isinstance(usage.cache_details, list) else ()
    longer = (entry.get("inputTokens") for entry in details if isinstance(entry, dict) and entry.get("ttl") == "1h")
    found.cache_write_1h = min(sum(_count(count) for count in longer if isinstance(count, int | float)), written)
    found.tier = unusual_tier(tier)
    return found


def judge_stop(reason: str | None) -> Outcome | None:
    """The failure that a reason to stop stands for, if it does: the model wrote something that is no message."""
    if reason is None or not reason.startswith("malformed"):
        return None
    return Outcome(OutcomeKind.MALFORMED, message=f"the model stopped with {reason}", code=reason)


def map_stop(reason: str | None, called: bool) -> Finish:
    """`called`: the client sees a call. The tool that takes the answer is none to it."""
    finish = _FINISHES.get(reason or "", Finish.STOP)
    return Finish.STOP if finish is Finish.TOOL_CALLS and not called else finish


def judge_exception(name: str, body: bytes) -> Outcome:
    """An exception inside a stream: lower camel case, `{"message": …}`; a model's own error may name its status."""
    trouble = read_trouble(body)
    original = trouble.fields.get("originalStatusCode")
    status = original if type(original) is int and 400 <= original <= 599 else _STATUSES.get(name.lower())
    return classify_inner(replace(name_trouble(trouble, name), status=status))


def read_source(raw: Mapping[str, Any]) -> Citation:
    location = raw.get("location")
    web = location.get("web") if isinstance(location, dict) else None
    url = web.get("url") if isinstance(web, dict) else None
    title = raw.get("title")
    return Citation(url if isinstance(url, str) else "", title if isinstance(title, str) else "", raw)


def _read_block(block: Content, place: int, sealer: str, parts: list[AnswerPart], citations: list[Citation]) -> None:
    if block.text:
        parts.append(Text(block.text))
    call = block.tool_use
    if call is not None and call.type is None:
        given = bytes(call.input).decode("utf-8", "replace")
        arguments = "{}" if given in ("", "null") else given
        if call.name == ANSWER_TOOL:
            parts.append(Text(arguments))
        else:
            parts.append(ToolCall(call.tool_use_id or f"call_{place}", call.name or "", arguments))
    reasoning = block.reasoning_content
    if reasoning is not None and reasoning.redacted_content:
        parts.append(Thinking(redacted=reasoning.redacted_content, vendor=BEDROCK))
    elif reasoning is not None and reasoning.reasoning_text is not None:
        written = reasoning.reasoning_text
        parts.append(Thinking(written.text or "", written.signature or None, vendor=sealer))
    cited = block.citations_content
    if cited is not None:
        text = "".join(piece.text or "" for piece in cited.content or ())
        parts += [Text(text)] if text else []
        citations += [read_source(raw) for raw in cited.citations or ()]


def _count(value: float | None) -> int:
    return max(0, int(value)) if value is not None else 0

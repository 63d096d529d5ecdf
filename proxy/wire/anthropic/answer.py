"""Anthropic's whole answers: judged for clients of the same format, and read into ours for others.

A 200 is not yet a success: an error inside, no message, or a message of nothing that nothing explains are failures, so that
the attempt can be made elsewhere. A sound answer goes to a client of the same format as the bytes that it was.
"""

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.anthropic.citations import read_citation
from proxy.wire.anthropic.events import Content
from proxy.wire.anthropic.stops import read_stop
from proxy.wire.anthropic.tools import ANSWER_TOOL
from proxy.wire.anthropic.usage import read_usage
from proxy.wire.dialogue import ANTHROPIC, Text, Thinking, ToolCall
from proxy.wire.failures import judge_unreadable
from proxy.wire.lenient import UNREADABLE, decode_outside
from proxy.wire.pieces import AnswerPart, Citation, Completion, CompletionChoice, Finish
from proxy.wire.reading import Answer

_NO_RAW = Raw(b"")


class Answered(Struct):
    """A message. `content` None: it has none."""

    id: str | None = None
    type: str | None = None
    model: str | None = None
    content: list[Content] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: object = None
    usage: Raw = _NO_RAW
    error: Raw = _NO_RAW


class Counted(Struct):
    input_tokens: int


_DECODE = msgspec.json.Decoder(Answered).decode
_COUNT = msgspec.json.Decoder(Counted).decode


def read_message(body: bytes) -> Answer:
    """Judge a whole message. Its bytes are the client's answer, untouched."""
    message = _read(body)
    if isinstance(message, Outcome):
        return Answer(message, body)
    usage = read_usage(message.usage)
    content = message.content or []
    if message.stop_reason == "end_turn" and not any(_says(block) for block in content) and _is_idle(usage):
        failure = Outcome(OutcomeKind.MALFORMED, message="the answer is empty")
        return Answer(failure, body, usage, message.model)
    texts = [] if usage is not None else [text for block in content for text in _list_texts(block)]
    return Answer(OK, body, usage, message.model, texts, finish=message.stop_reason)


def read_completion(body: bytes) -> Completion:
    """A whole message in our form."""
    message = _read(body)
    if isinstance(message, Outcome):
        return Completion(message)
    parts: list[AnswerPart] = []
    citations: list[Citation] = []
    answered = called = False
    for block in message.content or ():
        part = _read_part(block)
        if part is not None:
            parts.append(part)
        answered = answered or block.name == ANSWER_TOOL
        called = called or isinstance(part, ToolCall)
        citations += [found for raw in block.citations or () if (found := read_citation(raw)) is not None]
    finished = read_stop(message.stop_reason or "", message.stop_sequence, message.stop_details)
    if finished.reason is Finish.TOOL_CALLS and answered and not called:
        finished.reason = Finish.STOP
    choice = CompletionChoice(parts, finished, citations)
    return Completion(OK, message.id or "", message.model or "", choices=[choice], usage=read_usage(message.usage))


def read_count(body: bytes) -> Answer:
    """Judge the answer to a question for the number of tokens. Its bytes are the client's answer."""
    try:
        _COUNT(body)
    except UNREADABLE:
        return Answer(judge_unreadable(body, "the answer holds no number of tokens"), body)
    return Answer(OK, body, Usage())  # nothing was generated, and nothing is billed


def write_count(tokens: int) -> bytes:
    """The number of tokens that was estimated here."""
    return b'{"input_tokens":%d}' % tokens


def _read(body: bytes) -> Answered | Outcome:
    """The message, or why there is none."""
    try:
        message = decode_outside(_DECODE, body)
    except UNREADABLE:
        return judge_unreadable(body, "the answer cannot be read")
    if message.error or message.type == "error" or message.content is None or not message.stop_reason:
        return judge_unreadable(body, "the answer is no finished message")
    return message


def _says(block: Content) -> bool:
    return block.type not in ("text", "thinking") or bool(block.text or block.thinking or block.signature)


def _is_idle(usage: Usage | None) -> bool:
    return usage is None or usage.output == 0


def _list_texts(block: Content) -> list[str]:
    given = bytes(block.input).decode("utf-8", "replace")
    return [text for text in (block.text, block.thinking, block.name, given) if text]


def _read_part(block: Content) -> AnswerPart | None:
    if block.type == "text":
        return Text(block.text) if block.text else None
    if block.type == "thinking":
        return Thinking(block.thinking or "", block.signature or None, vendor=ANTHROPIC)
    if block.type == "redacted_thinking":
        return Thinking(redacted=block.data or "", vendor=ANTHROPIC)
    if block.type != "tool_use":
        return None
    given = bytes(block.input).decode("utf-8", "replace") or "{}"
    return Text(given) if block.name == ANSWER_TOOL else ToolCall(block.id or "toolu_0", block.name or "", given)

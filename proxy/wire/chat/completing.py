"""A whole chat completion of a vendor, read into a `Completion`.

Whether it is an answer at all (an error inside a 200, a page, no choices) is judged as it is for answers that are relayed
(`openai_answer.py`); then parts are made of each message in the order in which models write: reasoning, text, calls.
"""

from typing import Any

import msgspec
from msgspec import Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.chat.calls import SealedCall, invent_id, read_arguments
from proxy.wire.chat.decoding import FullDelta, read_annotations, read_finish, read_sources
from proxy.wire.chat.quirks import USUAL, Quirks
from proxy.wire.chat.spelling import read_signature
from proxy.wire.chat.thoughts import read_thoughts
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.openai_answer import read_answer_usage, read_outside
from proxy.wire.openai_chat import Function, MessageChoice, list_parts
from proxy.wire.openai_stream import Asked
from proxy.wire.pieces import AnswerPart, Completion, CompletionChoice, Finished
from proxy.wire.reading import Answer


class _FullChoice(MessageChoice):
    message: FullDelta | None = None


class _Label(Struct):
    """What a whole answer says of itself."""

    id: Any = None
    created: Any = None
    service_tier: Any = None
    citations: Any = None
    search_results: Any = None


_CHOICES = msgspec.json.Decoder(list[_FullChoice])
_LABEL = msgspec.json.Decoder(_Label)


def read_completion(body: bytes, quirks: Quirks = USUAL) -> Completion:
    """Never raises, whatever the bytes."""
    outside = read_outside(body)
    if isinstance(outside, Answer):
        return Completion(outside.outcome)
    usage = read_answer_usage(outside, Asked(reasoning_outside=quirks.reasoning_outside))
    try:
        choices = _CHOICES.decode(outside.choices)
    except UNREADABLE:
        return _fail(OutcomeKind.MALFORMED, "the answer has no readable choices", usage)
    if not choices:
        return _fail(OutcomeKind.MALFORMED, "the answer has no choices", usage)
    if any(choice.finish_reason == "error" for choice in choices):
        return _fail(OutcomeKind.SERVER_ERROR, "the provider ended the answer with an error", usage)
    label = _read_label(body)
    id_ = label.id if isinstance(label.id, str) else ""
    completion = Completion(
        OK,
        id=id_,
        model=outside.model or "",
        created=int(label.created) if isinstance(label.created, int | float) else 0,
        choices=[_read_choice(choice, index, id_) for index, choice in enumerate(choices)],
        usage=usage,
        service_tier=label.service_tier if isinstance(label.service_tier, str) else None,
    )
    completion.choices[0].citations += read_sources(label.search_results, label.citations)
    return completion


def _fail(kind: OutcomeKind, message: str, usage: Usage | None) -> Completion:
    return Completion(Outcome(kind, message=message), usage=usage)


def _read_label(body: bytes) -> _Label:
    try:
        return _LABEL.decode(body)
    except UNREADABLE:
        return _LABEL.decode(repair(body) or b"{}")


def _read_choice(choice: _FullChoice, index: int, answer: str) -> CompletionChoice:
    message = choice.message or FullDelta()
    parts: list[AnswerPart] = [*_join_thoughts(message)]
    if isinstance(message.content, list):
        parts += [Text(text) if kind == "content" else Thinking(text) for kind, text in list_parts(message.content)]
    elif message.content:
        parts.append(Text(message.content))
    if message.refusal:
        parts.append(Refusal(message.refusal))
    calls = _read_calls(message, index, answer)
    finish = Finished(read_finish(choice.finish_reason, bool(calls)), choice=index)
    return CompletionChoice([*parts, *calls], finish, read_annotations(message.annotations or []))


def _join_thoughts(message: FullDelta) -> list[Thinking]:
    """A seal belongs to the text before it."""
    joined: list[Thinking] = []
    for thought in read_thoughts(message):
        last = joined[-1] if joined else None
        if thought.signature and last is not None and last.text and not last.signature:
            last.signature, last.vendor = thought.signature, thought.vendor
        else:
            joined.append(thought)
    return joined


def _read_calls(message: FullDelta, index: int, answer: str) -> list[ToolCall]:
    whole = list(message.tool_calls or ())
    if message.function_call is not None and not whole:
        whole = [SealedCall(function=message.function_call)]
    calls: list[ToolCall] = []
    for number, call in enumerate(whole):
        said = call.custom or call.function or Function()
        calls.append(
            ToolCall(
                id=call.id or invent_id(answer, index, number),
                name=said.name or "",
                arguments=read_arguments(said),
                custom=call.custom is not None,
                signature=read_signature(call.extra_content),
            )
        )
    return calls

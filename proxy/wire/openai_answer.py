"""Judging a whole answer of OpenAI's family: a 200 is not yet a success.

An `error` inside, JSON that cannot be read, an HTML page, no choices, or a finished answer with nothing in it are
failures, so that the attempt can be made elsewhere before the client hears anything. A sound answer is forwarded as the
bytes that it was.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.failures import find_failure, judge_unreadable
from proxy.wire.lenient import UNREADABLE, decode_outside
from proxy.wire.openai_stream import Asked, GroqPart
from proxy.wire.openai_usage import note_tier, read_usage
from proxy.wire.reading import Answer

_NO_RAW = Raw(b"")

#: From the bytes of `choices`: the generated texts (only if they are wanted), whether there is content at all, and the
#: finish reasons.
ReadChoices = Callable[[Raw, bool], tuple[list[str], bool, list[str | None]]]


class Outside(Struct, gc=False):
    """The top level of any answer."""

    choices: Raw = _NO_RAW
    data: Raw = _NO_RAW
    usage: Raw = _NO_RAW
    model: str | None = None
    error: Raw = _NO_RAW
    x_groq: GroqPart | None = None
    service_tier: Any = None


_OUTSIDE = msgspec.json.Decoder(Outside)


def read_answer(body: bytes, asked: Asked, read_choices: ReadChoices) -> Answer:
    """Judge an answer that has `choices`."""
    outside = read_outside(body)
    if isinstance(outside, Answer):
        return outside
    usage = read_answer_usage(outside, asked)
    try:
        texts, content, finishes = read_choices(outside.choices, usage is None)
    except UNREADABLE:
        return malformed(body, "the answer has no readable choices", usage)
    if not finishes:
        return malformed(body, "the answer has no choices", usage)
    if "error" in finishes:
        failure = Outcome(OutcomeKind.SERVER_ERROR, message="the provider ended the answer with an error")
        return Answer(failure, body, usage, outside.model, texts)
    if not content and not asked.stops and set(finishes) == {"stop"} and (usage is None or usage.output == 0):
        return malformed(body, "the answer is empty", usage)
    return Answer(OK, body, usage, outside.model, texts, finish=finishes[0])


def read_outside(body: bytes) -> Outside | Answer:
    """The top level, or the answer that says why it is none."""
    try:
        outside = decode_outside(_OUTSIDE.decode, body)
    except UNREADABLE:
        return Answer(judge_unreadable(body, "the answer cannot be read"), body)
    if outside.error or not (outside.choices or outside.data):
        failure = find_failure(body)
        if failure is not None:
            return Answer(failure, body)
    return outside


def read_answer_usage(outside: Outside, asked: Asked) -> Usage | None:
    usage = read_usage(outside.usage, asked.reasoning_outside) if outside.usage else None
    if usage is None and outside.x_groq is not None and outside.x_groq.usage:
        usage = read_usage(outside.x_groq.usage, asked.reasoning_outside)
    note_tier(usage, outside.service_tier)
    return usage


def malformed(body: bytes, message: str, usage: Usage | None = None) -> Answer:
    """An answer that is none, with what its provider says it used all the same."""
    return Answer(Outcome(OutcomeKind.MALFORMED, message=message), body, usage)

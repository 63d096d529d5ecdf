"""The formats that a simulated provider speaks: whichever its request's path asks for, one line of a table each.

Adding a vendor's format is one module with its answers and one line here; behaviours, scripts and servers stay the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.rehearse import (
    answers,
    anthropic_answers,
    bedrock_answers,
    cohere_answers,
    gemini_answers,
    media,
    responses_answers,
)
from proxy.rehearse.answers import Asked, Reply
from proxy.rehearse.behaviour import Style
from proxy.rehearse.vendor_errors import error_event

SSE = b"text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Speaker:
    """One format. `speaks` tells by a request; `compose` writes its answer; `terminator` ends its streams (b"": nothing
    does); `error_event` is the event of a stream for a name of `vendor_errors`. `stream_type`: content type of streams."""

    name: str
    speaks: Callable[[Asked], bool]
    compose: Callable[[Asked, str, int, Style], Reply]
    terminator: bytes
    error_event: Callable[[str], bytes]
    stream_type: bytes = SSE


OPENAI = Speaker(
    "openai",
    lambda asked: asked.method == "GET" or asked.path.endswith(("/completions", "/embeddings")),
    answers.compose,
    answers.DONE,
    error_event,
)

SPEAKERS = (
    Speaker(
        "anthropic",
        lambda asked: asked.path.endswith(("/messages", "/messages/count_tokens", ":rawPredict", ":streamRawPredict")),
        anthropic_answers.compose,
        anthropic_answers.MESSAGE_STOP,
        anthropic_answers.error_event,
    ),
    Speaker(
        "bedrock",
        lambda asked: asked.path.endswith(bedrock_answers.VERBS),
        bedrock_answers.compose,
        b"",
        bedrock_answers.error_event,
        bedrock_answers.STREAM_TYPE,
    ),
    Speaker(
        "cohere",
        lambda asked: asked.path.endswith(cohere_answers.PATHS),
        cohere_answers.compose,
        b"",
        cohere_answers.error_event,
    ),
    Speaker(
        "gemini",
        lambda asked: asked.path.endswith(gemini_answers.VERBS),
        gemini_answers.compose,
        b"",
        gemini_answers.error_event,
    ),
    Speaker(
        "responses",
        lambda asked: asked.path.endswith(responses_answers.PATH),
        responses_answers.compose,
        b"",
        responses_answers.error_event,
    ),
    Speaker("media", media.is_media, media.compose, b"", error_event),
    OPENAI,
)


def find_speaker(asked: Asked) -> Speaker | None:
    """Who answers this request; None: nobody knows such a path."""
    return next((speaker for speaker in SPEAKERS if speaker.speaks(asked)), None)

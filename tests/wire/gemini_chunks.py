"""Streams and answers of generateContent: recorded shapes, content shortened, and how to make more."""

import json

from google.genai import types

from proxy.wire.gemini.stream import GeminiDecoder
from proxy.wire.pieces import Piece

USAGE = {"promptTokenCount": 8, "candidatesTokenCount": 2, "totalTokenCount": 38, "thoughtsTokenCount": 28}


def event(value: object, end: bytes = b"\r\n\r\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end


def response(*parts: object, finish: str | None = None, index: int = 0, **rest: object) -> dict[str, object]:
    """One response. `parts` of a candidate; `rest` beside the candidates."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-3-flash-preview", "responseId": "r1", **rest}


def call(name: str, seal: str | None = None, **args: object) -> dict[str, object]:
    part: dict[str, object] = {"functionCall": {"name": name, "args": args}}
    return part if seal is None else {**part, "thoughtSignature": seal}


THINKING = event(
    response(
        {"text": "plan…", "thought": True},
        usageMetadata={"promptTokenCount": 8, "totalTokenCount": 36, "thoughtsTokenCount": 28},
    )
) + event(response({"text": "Paris"}, {"text": "", "thoughtSignature": "AAAA"}, finish="STOP", usageMetadata=USAGE))

CALLING = event(
    response(
        call("get_capital", "BBBB", country="France"),
        call("get_capital", country="Spain"),
        finish="STOP",
        usageMetadata={"promptTokenCount": 427, "candidatesTokenCount": 122, "toolUsePromptTokenCount": 771,
                       "thoughtsTokenCount": 447, "cachedContentTokenCount": 0, "totalTokenCount": 1767},
    )
)  # fmt: skip

#: The model thought until it could say nothing any more.
CAPPED = event(
    {
        "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 10, "totalTokenCount": 15},
        "modelVersion": "gemini-2.5-pro",
        "responseId": "r2",
    }
)
BLOCKED = event(
    {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "not this"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r3",
    }
)
OVERLOADED = (
    b'[{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "The model is overloaded. Please try again later.",\r\n'
    b'    "status": "UNAVAILABLE"\r\n  }\r\n}\r\n]\r\n'
)
EXHAUSTED = b'[{"error":{"code":429,"message":"Resource exhausted. Please try again later.","status":"RESOURCE_EXHAUSTED"}}]'
ERROR = event({"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}})

STREAMS = {
    "THINKING": THINKING,
    "CALLING": CALLING,
    "CAPPED": CAPPED,
    "BLOCKED": BLOCKED,
    "OVERLOADED": OVERLOADED,
    "EXHAUSTED": EXHAUSTED,
    "ERROR": ERROR,
    "CUT": THINKING[:-20],
    "MIXED": THINKING[: THINKING.index(b"\r\n\r\n") + 4] + ERROR,
}


def read(parts: list[bytes]) -> tuple[GeminiDecoder, list[Piece]]:
    """A stream that came in these reads and was closed in order."""
    decoder = GeminiDecoder()
    pieces = [piece for part in parts for piece in decoder.feed(part)]
    return decoder, pieces + decoder.finish()


def judge_response(value: object) -> types.GenerateContentResponse:
    """What Google's SDK makes of a response; it refuses what it does not know."""
    return types.GenerateContentResponse.model_validate(value)

"""One GenerateContentResponse as typed structs: a whole answer, and just as well a chunk of a stream.

Everything may be missing or null. What only a few answers hold (citations, grounding) stays undecoded until it is wanted.
"""

import msgspec
from msgspec import Raw, Struct

from proxy.wire.gemini.usage import UsageMetadata

_NO_RAW = Raw(b"")


class FunctionCall(Struct, gc=False):
    name: str | None = None
    args: Raw = _NO_RAW
    id: str | None = None


class Part(Struct, gc=False, rename="camel"):
    """Only `text`, with or without `thought`, and `functionCall` say something here; a seal may stand on any part."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(Struct, gc=False, rename="camel"):
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    citation_metadata: Raw = _NO_RAW
    grounding_metadata: Raw = _NO_RAW


class PromptFeedback(Struct, gc=False, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class Chunk(Struct, gc=False, rename="camel"):
    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Raw = _NO_RAW


decode_chunk = msgspec.json.Decoder(Chunk).decode

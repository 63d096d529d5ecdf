"""Which endpoint a request is for, by its body alone: for those who ask about a request before they send it.

Formats differ in what holds the prompt; where two of them share that, in fields that only one of them has. A chat without
any such field reads the same in OpenAI's and in Anthropic's format. `input` alone is a Responses request unless the model's
name says that it embeds.
"""

from collections.abc import Mapping

from msgspec import Raw

from proxy.core.endpoints import TEXTUAL, Endpoint

_ANTHROPIC = frozenset(("system", "stop_sequences", "thinking", "output_config", "anthropic_version", "top_k"))
_EMBEDDING = frozenset(("encoding_format", "dimensions"))
#: Whoever asks may say it, too: the values of `Endpoint`.
HEADER = "x-undimmed-endpoint"
NAMES = tuple(sorted(endpoint.value for endpoint in TEXTUAL))


def guess_endpoint(fields: Mapping[str, object], model: str, headers: Mapping[str, str]) -> Endpoint | None:
    """None: the header names no such endpoint."""
    said = headers.get(HEADER)
    if said is not None:
        return Endpoint(said) if said in NAMES else None
    if "messages" in fields:
        tools = fields.get("tools")
        theirs = "anthropic-version" in headers or not _ANTHROPIC.isdisjoint(fields)
        theirs = theirs or (isinstance(tools, Raw) and b'"input_schema"' in bytes(tools))
        return Endpoint.MESSAGES if theirs else Endpoint.CHAT
    if "prompt" in fields:
        return Endpoint.COMPLETIONS
    embeds = "embed" in model.lower() or not _EMBEDDING.isdisjoint(fields)
    return (
        Endpoint.EMBEDDINGS if "input" in fields and embeds else Endpoint.RESPONSES if "input" in fields else Endpoint.CHAT
    )

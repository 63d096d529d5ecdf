"""The same trouble in each vendor's words: outages name it once (`overloaded`), and whoever plays them says it in the
format of the provider that is hit.

A word that is no word of this table is the name of a line of `vendor_errors`, and means that very answer whoever gives it.
"""

from collections.abc import Mapping

from proxy.rehearse.vendor_errors import ERRORS

_ANTHROPIC = {
    "server_error": "anthropic_internal",
    "overloaded": "anthropic_overloaded",
    "rate_limited": "anthropic_rate_limit",
    "bad_key": "anthropic_bad_key",
    "bad_request": "anthropic_bad_request",
}
_GOOGLE = {
    "server_error": "gemini_internal",
    "overloaded": "gemini_overloaded",
    "rate_limited": "vertex_capacity",
    "bad_key": "gemini_token",
    "bad_request": "gemini_bad_request",
}
_BEDROCK = {
    "server_error": "bedrock_internal",
    "overloaded": "bedrock_unavailable",
    "rate_limited": "bedrock_throttled",
    "bad_key": "bedrock_expired",
    "bad_request": "bedrock_bad_request",
}
_COHERE = {
    "server_error": "cohere_internal",
    "rate_limited": "cohere_rate",
    "bad_key": "cohere_key",
    "bad_request": "cohere_bad_request",
}
_AZURE = {"rate_limited": "azure_rate_limit", "bad_key": "azure_auth"}
_OPENAI = {
    "server_error": "openai_server_error",
    "overloaded": "openai_overloaded",
    "rate_limited": "openai_rate_limit_bare",
    "bad_key": "openai_invalid_key",
    "bad_request": "openai_bad_request",
    "blocked": "edge_403",
    "bad_gateway": "edge_502",
    "unavailable": "edge_503",
    "gateway_timeout": "edge_504",
}
#: By wire format. What a format has no words for is said in OpenAI's, or by the page of the edge in front of it.
DIALECTS: Mapping[str, Mapping[str, str]] = {
    "anthropic": _ANTHROPIC,
    "azure": _AZURE,
    "bedrock": _BEDROCK,
    "cohere": _COHERE,
    "gemini": _GOOGLE,
    "vertex": _GOOGLE,
}
WORDS = frozenset(_OPENAI)
#: Everything that may stand where an outage names its failure.
KNOWN = WORDS | frozenset(ERRORS)


def speak(word: str, kind: str) -> str:
    """The name of a line of `vendor_errors` for a word, as a provider of this wire format says it."""
    return DIALECTS.get(kind, {}).get(word) or _OPENAI.get(word, word)

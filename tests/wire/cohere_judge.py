"""Cohere's SDK as a judge of what we send and of the answers that we pretend to get."""

import inspect
import warnings
from typing import Any

import pydantic

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cohere.types import EmbedByTypeResponse
    from cohere.types.chat_message_v2 import ChatMessageV2
    from cohere.types.response_format_v2 import ResponseFormatV2
    from cohere.types.thinking import Thinking
    from cohere.types.tool_v2 import ToolV2
    from cohere.v2.raw_client import RawV2Client
    from cohere.v2.types.v2chat_response import V2ChatResponse
    from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse
    from cohere.v2.types.v2rerank_response import V2RerankResponse

_FIELDS = {
    "messages": pydantic.TypeAdapter(list[ChatMessageV2]),
    "tools": pydantic.TypeAdapter(list[ToolV2]),
    "response_format": pydantic.TypeAdapter(ResponseFormatV2),
    "thinking": pydantic.TypeAdapter(Thinking),
    "tool_choice": pydantic.TypeAdapter(Any),
}
_EVENT = pydantic.TypeAdapter(V2ChatStreamResponse)
CHAT = frozenset(inspect.signature(RawV2Client.chat).parameters) - {"self", "request_options"} | {"stream"}
EMBED = frozenset(inspect.signature(RawV2Client.embed).parameters) - {"self", "request_options"}


def judge(body: dict[str, Any]) -> None:
    """Raises where a chat request is not what the SDK would send."""
    assert set(body) <= CHAT, set(body) - CHAT
    for name, adapter in _FIELDS.items():
        if name in body:
            _find_extras(adapter.validate_python(body[name]), name)
    assert body.get("tool_choice") in (None, "REQUIRED", "NONE")


def check_event(event: dict[str, Any]) -> None:
    _find_extras(_EVENT.validate_python(event), event["type"])


def check_answer(answer: dict[str, Any]) -> None:
    _find_extras(V2ChatResponse.model_validate(answer), "answer")


def check_embeddings(answer: dict[str, Any]) -> None:
    EmbedByTypeResponse.model_validate(answer)


def check_ranking(answer: dict[str, Any]) -> None:
    V2RerankResponse.model_validate(answer)


def _find_extras(value: Any, path: str) -> None:
    """The SDK's models let unknown members pass; we don't."""
    if isinstance(value, pydantic.BaseModel):
        assert not value.model_extra, f"{path}: {value.model_extra}"
        for name in type(value).model_fields:
            _find_extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _find_extras(inner, f"{path}[{index}]")

"""The shape of a chat request: what the decoder checks, and nothing that needs a thought.

Every member may be null; keys that stand here are the ones that have a place in a `Dialogue`, all others are unknown. What
OpenAI does not have but its imitators do, stands here too: OpenRouter's `reasoning` and `reasoning_details`, Anthropic's
`thinking` and `cache_control`, DeepSeek's `reasoning_content`, Google's `extra_content`, Mistral's lists of thinking.
Source: OpenAI's OpenAPI document 2.3.0 and the vendors' documentation.
"""

from typing import Any

from msgspec import Raw, Struct

Count = int | float | None


class ImageUrl(Struct, gc=False):
    url: str
    detail: str | None = None


class InputAudio(Struct, gc=False):
    data: str
    format: str


class File(Struct, gc=False):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(Struct):
    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    refusal: str | None = None
    thinking: str | list[Any] | None = None
    cache_control: Any = None
    prompt_cache_breakpoint: Any = None


class CalledFunction(Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class CalledCustom(Struct, gc=False):
    name: str
    input: str = ""


class AskedCall(Struct):
    """A call of a tool in an assistant's message."""

    id: str
    function: CalledFunction | None = None
    custom: CalledCustom | None = None
    extra_content: Any = None
    cache_control: Any = None


class ReasoningDetail(Struct, gc=False):
    type: str = ""
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None
    index: int | None = None


class Message(Struct):
    role: str
    content: str | list[ContentPart | str] | None = None
    name: str | None = None
    tool_calls: list[AskedCall] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    refusal: str | None = None
    audio: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    cache_control: Any = None


class OfferedFunction(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class OfferedCustom(Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class OfferedTool(Struct):
    type: str = "function"
    function: OfferedFunction | None = None
    custom: OfferedCustom | None = None
    cache_control: Any = None


class AskedSchema(Struct):
    name: str = ""
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Struct):
    type: str
    json_schema: AskedSchema | None = None


class OpenRouterReasoning(Struct, gc=False):
    effort: str | None = None
    max_tokens: Count = None
    exclude: bool | None = None
    enabled: bool | None = None


class AnthropicThinking(Struct, gc=False):
    type: str
    budget_tokens: Count = None


class Tuning(Struct):
    """What both chat and legacy completions take."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: Count = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: Count = None
    stop: str | list[str] | None = None
    n: Count = None
    max_tokens: Count = None
    logit_bias: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None


class ChatRequest(Tuning):
    messages: list[Message] | None = None
    max_completion_tokens: Count = None
    logprobs: bool | None = None
    top_logprobs: Count = None
    tools: list[Raw] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[OfferedFunction] | None = None
    function_call: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    reasoning: OpenRouterReasoning | None = None
    thinking: AnthropicThinking | None = None
    verbosity: str | None = None
    prediction: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: dict[str, Any] | None = None


class CompletionRequest(Tuning):
    prompt: str | list[Any] | None = None
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Count = None

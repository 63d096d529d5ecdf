"""A whole Messages request, read into a dialogue.

The body is decoded once into one typed struct; what Anthropic's own validation would refuse is refused in its words, as far
as it can be told without knowing the model. Only what a request really uses becomes one of its features.
Source: the official SDK's types.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.anthropic.blocks import Block, BlockReader, Message, read_mark
from proxy.wire.dialogue import (
    AnswerFormat,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Reasoning,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from proxy.wire.hosted import sort_hosted
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.openai_envelope import EnvelopeError


class _Choice(Struct, gc=False):
    type: str = ""
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct, gc=False):
    type: str = ""
    budget_tokens: int | None = None
    display: str | None = None


class _Output(Struct, gc=False):
    effort: str | None = None
    format: dict[str, Any] | None = None


class _Metadata(Struct, gc=False):
    user_id: str | None = None


class _Tool(Struct, gc=False):
    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None


class Request(Struct, gc=False):
    """The body. `output_format` is the beta's spelling of `output_config.format`."""

    messages: list[Message]
    system: str | list[Block] | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[Raw] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: dict[str, Any] | None = None
    metadata: _Metadata | None = None
    service_tier: str | None = None
    cache_control: dict[str, Any] | None = None
    container: Any = None
    mcp_servers: list[Any] | None = None


_REQUEST = msgspec.json.Decoder(Request)
_TOOL = msgspec.json.Decoder(_Tool)
_ANY = msgspec.json.Decoder()
_KNOWN = frozenset((*Request.__struct_fields__, "model", "stream"))
#: Ours for theirs, which are the words of OpenAI.
_TIERS = {"standard_only": "default"}
_DISPLAYS = {"summarized": "auto", "omitted": "omitted"}
_PATH = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)


def read_request(envelope: Envelope) -> Dialogue:
    """Raises EnvelopeError for what no vendor could be asked."""
    request = _decode(envelope.body)
    features: set[Feature] = set()
    reader = BlockReader(features)
    if request.system is not None:
        reader.read_system(request.system)
    reader.read_messages(request.messages)
    dialogue = Dialogue(reader.turns, envelope.stream, features=features)
    _read_tools(request, dialogue)
    _read_choice(request, dialogue)
    sort_hosted(dialogue)
    _read_thinking(request, dialogue)
    _read_format(request, dialogue)
    _read_sampling(request, dialogue)
    _read_rest(request, dialogue)
    dialogue.unknown = [*(key for key in envelope.fields if key not in _KNOWN), *reader.skipped]
    return dialogue


def _decode(body: bytes) -> Request:
    try:
        if not body.isascii():
            body.decode()  # what is kept undecoded has not been looked at
        return _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        raise _make_error(error) from None
    except UNREADABLE as error:
        repaired = repair(body)
        if repaired is None:
            raise EnvelopeError(f"The request body is not valid JSON: {error}") from None
        return _decode(repaired)


def _make_error(error: Exception) -> EnvelopeError:
    """msgspec's "Expected `int`, got `str` - at `$.messages[0].role`" as "messages.0.role: Expected `int`, got `str`"."""
    found = _PATH.match(str(error))
    words, path = (found[1], found[2]) if found is not None else (str(error), None)
    place = (path or "").replace("[", ".").replace("]", "").strip(".")
    missing = words.partition("missing required field `")[2].rstrip("`")
    if missing:
        place, words = f"{place}.{missing}".strip("."), "Field required"
    return EnvelopeError(f"{place}: {words}" if place else words, place or None)


def _read_tools(request: Request, dialogue: Dialogue) -> None:
    for raw in request.tools or ():
        try:
            tool = _TOOL.decode(raw)
            # Dated types: run by Anthropic, or by the client on a schema that only Anthropic's models know.
            hosted = _ANY.decode(raw) if tool.type not in (None, "custom") else None
        except UNREADABLE as error:
            raise _make_error(error) from None
        mark = read_mark(tool.cache_control)
        if mark is not None:
            dialogue.features.add(Feature.CACHE_CONTROL)
        if hosted is not None:
            dialogue.tools.append(Tool(tool.name or tool.type or "", hosted=hosted, cache=mark))
            continue
        if not tool.name:
            raise EnvelopeError("tools: every tool needs a name", "tools")
        dialogue.features.add(Feature.TOOLS)
        if tool.strict:
            dialogue.features.add(Feature.STRICT_TOOLS)
        dialogue.tools.append(Tool(tool.name, tool.description, tool.input_schema, tool.strict, cache=mark))
    if request.mcp_servers:
        dialogue.features.add(Feature.HOSTED_TOOLS)


def _read_choice(request: Request, dialogue: Dialogue) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    if choice.disable_parallel_tool_use:
        dialogue.parallel = False
        dialogue.features.add(Feature.PARALLEL_OFF)
    if choice.type == "tool":
        dialogue.tool_choice = ToolChoice("named", choice.name or "")
    elif choice.type == "any":
        dialogue.tool_choice = ToolChoice("required")
    elif choice.type == "none":
        dialogue.tool_choice = ToolChoice("none")
    elif choice.type == "auto":
        dialogue.tool_choice = ToolChoice("auto")
        return
    else:
        raise EnvelopeError("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'", "tool_choice.type")
    dialogue.features.add(Feature.TOOL_CHOICE)


def _read_thinking(request: Request, dialogue: Dialogue) -> None:
    thinking = request.thinking
    effort = request.output_config.effort if request.output_config is not None else None
    features = dialogue.features
    if thinking is None and effort is None:
        return
    features.add(Feature.REASONING)
    if thinking is None:
        dialogue.reasoning = Reasoning(effort=effort)
        return
    summary = _DISPLAYS.get(thinking.display or "")
    if thinking.type == "disabled":
        dialogue.reasoning = Reasoning(effort="none")
        return
    if thinking.type == "enabled" and thinking.budget_tokens is not None:
        features.add(Feature.REASONING_BUDGET)
        dialogue.reasoning = Reasoning(budget=thinking.budget_tokens, summary=summary)
    else:
        dialogue.reasoning = Reasoning(effort=effort, adaptive=effort is None, summary=summary)
    if summary is not None:
        features.add(Feature.REASONING_SUMMARY)


def _read_format(request: Request, dialogue: Dialogue) -> None:
    output = request.output_config
    form: Mapping[str, Any] | None = output.format if output is not None else None
    form = form or request.output_format
    if form is None:
        return
    schema = form.get("schema")
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        raise EnvelopeError("output_config.format: a JSON schema is required", "output_config.format")
    dialogue.answer_format = AnswerFormat("schema", schema=schema)
    dialogue.features.add(Feature.JSON_SCHEMA)


def _read_sampling(request: Request, dialogue: Dialogue) -> None:
    given = {
        Feature.MAX_TOKENS: request.max_tokens,
        Feature.TEMPERATURE: request.temperature,
        Feature.TOP_P: request.top_p,
        Feature.TOP_K: request.top_k,
        Feature.STOP: request.stop_sequences or None,
    }
    dialogue.features |= {feature for feature, value in given.items() if value is not None}
    dialogue.sampling = Sampling(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=request.stop_sequences or [],
    )


def _read_rest(request: Request, dialogue: Dialogue) -> None:
    features = dialogue.features
    if request.metadata is not None and request.metadata.user_id:
        dialogue.user = request.metadata.user_id
        features.add(Feature.USER)
    if request.service_tier is not None:
        dialogue.service_tier = _TIERS.get(request.service_tier, request.service_tier)
        features.add(Feature.SERVICE_TIER)
    if request.container:
        features.add(Feature.STATE)
    mark = read_mark(request.cache_control)
    if mark is not None:
        features.add(Feature.CACHE_CONTROL)
        _mark_end(dialogue, mark)


def _mark_end(dialogue: Dialogue, mark: CacheMark) -> None:
    """A mark at the top of the request stands for one on the last block that can carry it."""
    for turn in reversed(dialogue.turns):
        for part in reversed(turn.parts):
            if isinstance(part, Text | Image | Document | ToolCall | ToolResult):
                part.cache = part.cache or mark
                return

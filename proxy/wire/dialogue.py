"""The neutral form of a request to a chat model: what every format says, in one vocabulary.

A request that must go to a vendor of another format is read into a `Dialogue` by the reader of the client's format and
written by the vendor's writer. There is one reader per client format and one writer per vendor format, instead of one
translation per pair. Nothing here knows JSON spellings.

`features` is what this request uses (`core/features.py`); the vendor's table says what becomes of each. `unknown` are
top-level fields of the client's format that its reader has no place for: they are dropped by name. Values are what the
client wrote, not yet checked against any model: whether a temperature is in range is the vendor's to say.

A dialogue is read once per call and may be written several times, for several targets: writers never change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from proxy.core.features import Feature


@dataclass(slots=True)
class CacheMark:
    """The prompt up to here should be cached; `ttl` as Anthropic and Bedrock spell it (`5m`, `1h`), None: the usual."""

    ttl: str | None = None


@dataclass(slots=True)
class Text:
    text: str
    cache: CacheMark | None = None


@dataclass(slots=True)
class Image:
    """Either `data` (base64) with its `media_type`, or `url`, or `file_id`. `detail`: OpenAI's low, high, auto."""

    data: str | None = None
    media_type: str = ""
    url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: CacheMark | None = None


@dataclass(slots=True)
class Audio:
    """`data` is base64, `format` a short name (wav, mp3)."""

    data: str
    format: str


@dataclass(slots=True)
class Document:
    """Either `data` (base64) with its `media_type`, or `text` (plain), or `url`, or `file_id`."""

    data: str | None = None
    media_type: str = ""
    text: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    context: str | None = None
    citations: bool = False
    cache: CacheMark | None = None


@dataclass(slots=True)
class Thinking:
    """Reasoning of an earlier turn. `signature` seals it; only the vendor named in `vendor` accepts the seal (one of
    the names at the end of this file). `redacted`: the vendor shows no text, only this opaque data."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    vendor: str = ""


@dataclass(slots=True)
class ToolCall:
    """`arguments` is JSON text ("" for none), for a `custom` tool plain text. `signature`: Gemini's seal on this call."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: str | None = None
    cache: CacheMark | None = None


@dataclass(slots=True)
class ToolResult:
    """`id` is the call's. `name` of the function where the format says it or the reader could look it up, else ""."""

    id: str
    name: str
    content: list["Text | Image | Document"]
    error: bool = False
    custom: bool = False
    cache: CacheMark | None = None


@dataclass(slots=True)
class Refusal:
    text: str


Part = Text | Image | Audio | Document | Thinking | ToolCall | ToolResult | Refusal

Role = Literal["system", "user", "assistant"]


@dataclass(slots=True)
class Turn:
    """One turn. Tool results stand in turns of the user, as most formats have it: a reader puts all results that
    answer one assistant turn into one user turn, in the order of the calls, before anything else the user says. System turns
    stay where they were; consecutive turns of one role may occur."""

    role: Role
    parts: list[Part]
    name: str | None = None


@dataclass(slots=True)
class Tool:
    """`parameters`: a JSON Schema, None: none given. `grammar`: the format object of a custom tool, `{"type": "text"}` if it
    is free text. `hosted`: a tool that the vendor runs, as the client wrote it. `home`: the namespace and the
    name by which the client knows a tool whose `name` was made of the two."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None
    grammar: Mapping[str, Any] | None = None
    hosted: Mapping[str, Any] | None = None
    home: tuple[str, str] | None = None
    cache: CacheMark | None = None


@dataclass(slots=True)
class ToolChoice:
    """`named` goes with `name`. `allowed`: only these names, None: all."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""
    allowed: Sequence[str] | None = None


@dataclass(slots=True)
class AnswerFormat:
    """`json`: any JSON object. `schema`: as the JSON Schema says."""

    kind: Literal["json", "schema"]
    name: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


@dataclass(slots=True)
class Reasoning:
    """`effort`: none, minimal, low, medium, high, xhigh, max. `budget`: tokens. `adaptive`: as much as the model sees fit.
    At most one of them is set. `summary`: how much of it the client wants to see (auto, concise, detailed, omitted)."""

    effort: str | None = None
    budget: int | None = None
    adaptive: bool = False
    summary: str | None = None


@dataclass(slots=True)
class Sampling:
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    logit_bias: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Dialogue:
    """See the module's text. `parallel`: may the model call several tools in one turn (None: not said). `user`: whose
    request this is, for the vendor's abuse checks. `cache_key`: OpenAI's `prompt_cache_key`. `suffix`: fill the gap before
    this text. `places`: where in the client's request a feature stands, for those whose refusal should name it."""

    turns: list[Turn]
    stream: bool = False
    tools: list[Tool] = field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    answer_format: AnswerFormat | None = None
    reasoning: Reasoning | None = None
    sampling: Sampling = field(default_factory=Sampling)
    verbosity: str | None = None
    prediction: Any = None
    user: str | None = None
    metadata: Mapping[str, Any] | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    suffix: str | None = None
    features: set[Feature] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    places: dict[Feature, str] = field(default_factory=dict)


#: Names for `Thinking.vendor`: who can open a seal.
ANTHROPIC, GOOGLE, OPENAI, BEDROCK = "anthropic", "google", "openai", "bedrock"

"""What is known of the vendors: one line of a table each.

A preset says where a vendor listens, which environment variable usually holds its key, and in what its dialect of OpenAI's
format differs; a vendor with a format of its own has a kind of the same name. It decides nothing: `config` fills in what the
operator left out from here, and `openai.py` follows the quirks.
Source of the facts: the vendors' documentation, their SDKs and recorded traffic.

`drop` lists only fields that tune or annotate a request. Fields that say what is to be done (`tools`, `stop`, `n`,
`response_format`) are never dropped, whoever rejects them: an honest 400 is better than an answer to another question.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from proxy.core.features import Feature
from proxy.wire.chat.quirks import Continues

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Preset:
    """One vendor's address and quirks.

    `base_url` "": must be configured; `{region}` in it stands for the provider's. `region`: the usual one ("": addresses
    have none), `places`: the addresses of regions that do not follow the rule. `project`: paths may name one. `versions`:
    requests may name a version of the API. `env`: variables that may hold the key, in order; `region_env`, `address_env`:
    that may hold the region and the base URL. `local_port`: where a local server usually listens. `keyless`: works without
    a credential. `first_content` in seconds: replaces the general limit for servers that load models or queue silently;
    None: the general limit. `hosts`: host names, each with its subdomains, by which `find_preset` knows the vendor.

    `usage`: `ask` sends `stream_options.include_usage`; `always` gets usage unasked and `never` gets none, and both
    reject `stream_options`. `drop`: fields the vendor rejects. `rename`: our field to theirs. `lenient_finish`: `[DONE]`
    without any finish reason is still a whole answer. `reasoning_outside`: reasoning tokens come on top of
    `completion_tokens`. `cap`: the field that bounds the length of an answer. `responses`: it has the Responses API, and
    requests of it go there untouched (else they are written as chat); `keeps`: it stores what it answered there, so that it
    can be continued. Servers that only turn such a request into chat themselves, or did so in their last versions only, are
    left out on purpose.

    `lacks`: hard features that none of its models has, or that it passes over in silence; such requests go elsewhere.
    `continues`: how it is told to go on with a last turn of the assistant: by a `mark` in the turn (`prefix`), by a `flag`
    of the request (`continue_final_message`), or it does so whenever there is such a `turn`; "": it does not, or nobody
    knows. `continues_at`: the base URL's path under which alone it does. `strict_history`: refuses reasoning in earlier
    turns, whoever wrote it.

    `free_path`: asked for nothing and costs nothing. As in a URL: with a leading slash from the origin (`/health`), without
    one from the base URL (`models`). `free_probe_lies`: it is known to succeed while the models are down. `status_feed`: the
    JSON of its status page, "" where it has none that can be read.
    """

    name: str
    base_url: str = ""
    env: tuple[str, ...] = ()
    local_port: int | None = None
    keyless: bool = False
    first_content: float | None = None
    hosts: tuple[str, ...] = ()
    usage: Literal["ask", "always", "never"] = "ask"
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=lambda: _NONE)
    lenient_finish: bool = False
    reasoning_outside: bool = False
    cap: str = "max_tokens"
    responses: bool = False
    keeps: bool = False
    lacks: frozenset[Feature] = frozenset()
    continues: Continues = ""
    continues_at: str = ""
    strict_history: bool = False
    free_path: str | None = "models"
    free_probe_lies: bool = False
    region: str = ""
    region_env: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=lambda: _NONE)
    project: bool = False
    address_env: tuple[str, ...] = ()
    versions: bool = False
    status_feed: str = ""

    def locate(self, region: str | None) -> str:
        """The base URL for a region, None: the usual one; "" where it must be configured."""
        region = region or self.region
        return self.places.get(region) or self.base_url.replace("{region}", region)

    @property
    def queues(self) -> bool:
        """A server that makes requests wait in silence while it is busy or loading: waiting proves nothing there."""
        return self.first_content is not None


_LINES = (
    # 2023-11-08: chat was down for two hours and /models never failed; the lists of the other clouds are static too.
    Preset(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        hosts=("api.openai.com",),
        cap="max_completion_tokens",
        responses=True,
        keeps=True,
        free_probe_lies=True,
        status_feed="https://status.openai.com/api/v2/summary.json",
    ),
    Preset(
        "anthropic",
        "https://api.anthropic.com",
        ("ANTHROPIC_API_KEY",),
        hosts=("api.anthropic.com",),
        free_path="v1/models",
        free_probe_lies=True,
        status_feed="https://status.claude.com/api/v2/summary.json",
    ),
    # Addresses are the customer's own; the list of models is static, like those of the other clouds.
    Preset(
        "azure",
        env=("AZURE_OPENAI_API_KEY",),
        hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
        cap="max_completion_tokens",
        responses=True,
        keeps=True,
        free_probe_lies=True,
        address_env=("AZURE_OPENAI_ENDPOINT",),
        versions=True,
    ),
    Preset(
        "openrouter",
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        hosts=("openrouter.ai",),
        responses=True,
        free_probe_lies=True,
    ),
    Preset(
        "groq",
        "https://api.groq.com/openai/v1",
        ("GROQ_API_KEY",),
        hosts=("api.groq.com",),
        drop=(
            "logprobs",
            "top_logprobs",
            "logit_bias",
            "prediction",
            "verbosity",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
        ),
        strict_history=True,
        responses=True,
        free_probe_lies=True,
        status_feed="https://groqstatus.com/api/v2/summary.json",
    ),
    Preset(
        "mistral",
        "https://api.mistral.ai/v1",
        ("MISTRAL_API_KEY",),
        hosts=("api.mistral.ai",),
        usage="always",
        # It refuses whatever it does not know. Its SDK names what it knows.
        drop=(
            "logit_bias",
            "user",
            "store",
            "service_tier",
            "verbosity",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
        ),
        rename=MappingProxyType({"seed": "random_seed", "max_completion_tokens": "max_tokens"}),
        continues="mark",
        strict_history=True,
        free_probe_lies=True,
    ),
    Preset(
        "deepseek",
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_KEY",),
        hosts=("api.deepseek.com",),
        continues="mark",
        continues_at="/beta",
        first_content=60.0,  # queues with keep-alive comments
        free_probe_lies=True,
    ),
    Preset(
        "xai",
        "https://api.x.ai/v1",
        ("XAI_API_KEY",),
        hosts=("api.x.ai",),
        reasoning_outside=True,
        responses=True,
        keeps=True,
        free_probe_lies=True,
    ),
    Preset(
        "together",
        "https://api.together.xyz/v1",
        ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        hosts=("api.together.xyz", "api.together.ai"),
        free_probe_lies=True,
    ),
    Preset(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_KEY",),
        hosts=("api.fireworks.ai",),
        free_probe_lies=True,
    ),
    Preset(
        "perplexity",
        "https://api.perplexity.ai",
        ("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        hosts=("api.perplexity.ai",),
        usage="always",
        drop=("seed", "logprobs", "top_logprobs", "logit_bias"),
        reasoning_outside=True,
        lacks=frozenset((Feature.TOOLS, Feature.PARALLEL_TOOLS, Feature.CUSTOM_TOOLS)),
        free_path=None,
    ),
    Preset(
        "zai",
        "https://api.z.ai/api/paas/v4",
        ("ZAI_API_KEY", "Z_AI_API_KEY"),
        hosts=("api.z.ai",),
        free_path=None,
    ),
    Preset(
        "cerebras",
        "https://api.cerebras.ai/v1",
        ("CEREBRAS_API_KEY",),
        hosts=("api.cerebras.ai",),
        drop=("frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier"),
        strict_history=True,
        free_probe_lies=True,
    ),
    Preset(
        "huggingface",
        "https://router.huggingface.co/v1",
        ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        hosts=("router.huggingface.co",),
        free_probe_lies=True,
    ),
    Preset(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        hosts=("generativelanguage.googleapis.com",),
        free_probe_lies=True,
    ),
    Preset(
        "vertex",
        "https://{region}-aiplatform.googleapis.com/v1",
        region="global",
        places=MappingProxyType(
            {
                "global": "https://aiplatform.googleapis.com/v1",
                "us": "https://aiplatform.us.rep.googleapis.com/v1",
                "eu": "https://aiplatform.eu.rep.googleapis.com/v1",
            }
        ),
        project=True,
        free_path=None,
        status_feed="https://status.cloud.google.com/incidents.json",
    ),
    Preset(
        "bedrock",
        "https://bedrock-runtime.{region}.amazonaws.com",
        ("AWS_BEARER_TOKEN_BEDROCK",),
        region="us-east-1",
        region_env=("AWS_REGION", "AWS_DEFAULT_REGION"),
        free_path=None,
    ),
    Preset(
        "cohere",
        "https://api.cohere.com",
        ("COHERE_API_KEY", "CO_API_KEY"),
        hosts=("api.cohere.com", "api.cohere.ai"),
        free_path="/v1/models",
        free_probe_lies=True,
        status_feed="https://status.cohere.com/api/v2/summary.json",
    ),
    # Local servers queue without a byte and load models on demand; that is not a failure.
    Preset(
        "ollama",
        "http://127.0.0.1:11434/v1",
        ("OLLAMA_API_KEY",),
        local_port=11434,
        keyless=True,
        first_content=300.0,
        rename=MappingProxyType({"max_completion_tokens": "max_tokens"}),
        lacks=frozenset((Feature.CHOICES,)),  # it gives one, whatever `n` is
        free_probe_lies=True,
    ),
    Preset(
        "vllm",
        "http://127.0.0.1:8000/v1",
        ("VLLM_API_KEY",),
        continues="flag",
        local_port=8000,
        keyless=True,
        first_content=120.0,
        free_path="/health",
    ),
    Preset(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        ("LLAMA_API_KEY",),
        continues="turn",
        local_port=8080,
        keyless=True,
        first_content=300.0,
        free_path="/health",
    ),
    Preset(
        "lmstudio",
        "http://127.0.0.1:1234/v1",
        ("LMSTUDIO_API_KEY",),
        local_port=1234,
        keyless=True,
        first_content=300.0,
        responses=True,
        keeps=True,
        free_probe_lies=True,
    ),
    Preset(
        "sglang",
        "http://127.0.0.1:30000/v1",
        ("SGLANG_API_KEY",),
        continues="flag",
        local_port=30000,
        keyless=True,
        first_content=120.0,
        free_path="/health",
    ),
    # Modular's; it listens where vLLM does, so a server that is found there goes by that name.
    Preset(
        "max",
        "http://127.0.0.1:8000/v1",
        ("MAX_API_KEY",),
        keyless=True,
        first_content=120.0,
        free_path="/health",
    ),
    # Of an unknown server nothing says that its model list speaks for its models.
    Preset("custom", keyless=True, free_probe_lies=True),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _LINES})


def find_preset(host: str) -> Preset:
    """The vendor behind the host name of a base URL; `custom` where nobody is known."""
    host = host.lower().rstrip(".")
    for preset in _LINES:
        if any(host == known or host.endswith("." + known) for known in preset.hosts):
            return preset
    return PRESETS["custom"]

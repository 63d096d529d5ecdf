"""What is known of well-known models: sizes, what they cannot do, how they want to be asked. As of November 2026.

One line per family, found by the beginning of the model's bare name: vendor prefixes (`openai/`, `us.anthropic.`,
`accounts/fireworks/models/`) are taken off first, and the longest beginning wins. The facts are advice: a model that lacks
something is passed over while another one can do it, and asked all the same if none can, since its vendor knows best. What
the operator writes (`providers.NAME.models`) replaces them.

Sources: the vendors' model pages; context windows compared with the `genai-prices` data (0.2.3). A size that no source gives
is left out rather than guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import Feature

_AUDIO = frozenset((Feature.AUDIO_INPUT, Feature.AUDIO_OUTPUT))
_NO_EXTRAS = _AUDIO | {Feature.IMAGES, Feature.IMAGE_URLS, Feature.DOCUMENTS}
_NO_REASONING = _AUDIO | {Feature.REASONING}
_OLD = _NO_EXTRAS | {Feature.REASONING, Feature.JSON_SCHEMA}
_CLAUDE = _AUDIO | {Feature.CHOICES, Feature.LOGPROBS}

_GPT_5 = ModelFacts(400_000, 128_000, _AUDIO)
_GPT_6 = replace(_GPT_5, context_window=1_050_000)
_O = ModelFacts(200_000, 100_000, _AUDIO)

# Anthropic: 4.5 and before think by budget, 4.6 by either, later ones by effort only; later ones also refuse sampling
# parameters and an answer that is begun for them.
_CLAUDE_3 = ModelFacts(
    200_000,
    4_096,
    _CLAUDE | {Feature.REASONING},
    adaptive_thinking=False,
    sampling=True,
    native_schema=False,
    later_system=False,
    prefill=True,
)
_CLAUDE_4 = replace(_CLAUDE_3, lacks=_CLAUDE, max_output=64_000)
_CLAUDE_45 = replace(_CLAUDE_4, native_schema=True)
_CLAUDE_46 = replace(_CLAUDE_45, context_window=1_000_000, max_output=128_000, adaptive_thinking=True, prefill=False)
_CLAUDE_47 = replace(_CLAUDE_46, sampling=False)
_CLAUDE_48 = replace(_CLAUDE_47, later_system=True)

_GEMINI_2 = ModelFacts(1_048_576, 8_192, frozenset({Feature.REASONING, Feature.AUDIO_OUTPUT}), adaptive_thinking=False)
_GEMINI_25 = replace(_GEMINI_2, max_output=65_536, lacks=frozenset({Feature.AUDIO_OUTPUT}))
_GEMINI_3 = replace(_GEMINI_25, adaptive_thinking=True)

_TEXT = ModelFacts(131_072, None, _NO_EXTRAS)
_TEXT_PLAIN = replace(_TEXT, lacks=_NO_EXTRAS | {Feature.REASONING})

_FAMILIES: Mapping[str, ModelFacts] = MappingProxyType(
    {
        "gpt-3.5": ModelFacts(16_385, 4_096, _OLD),
        "gpt-4": ModelFacts(8_192, None, _OLD),
        "gpt-4-32k": ModelFacts(32_768, None, _OLD),
        "gpt-4-turbo": ModelFacts(128_000, 4_096, _NO_REASONING | {Feature.JSON_SCHEMA}),
        "gpt-4.1": ModelFacts(1_047_576, 32_768, _NO_REASONING),
        "gpt-4o": ModelFacts(128_000, 16_384, _NO_REASONING),
        "gpt-4o-audio": ModelFacts(128_000, 16_384, frozenset({Feature.REASONING, Feature.IMAGES, Feature.JSON_SCHEMA})),
        "gpt-audio": ModelFacts(128_000, 16_384, frozenset({Feature.REASONING, Feature.IMAGES})),
        "gpt-5": _GPT_5,
        "gpt-5.3-chat": replace(_GPT_5, context_window=128_000, max_output=16_384),
        "gpt-5.4": _GPT_6,
        "gpt-5.4-mini": _GPT_5,
        "gpt-5.4-nano": _GPT_5,
        "gpt-5.5": _GPT_6,
        "gpt-5.6": _GPT_6,
        "gpt-6": _GPT_6,
        "gpt-oss": _TEXT,
        "o1": _O,
        "o1-mini": ModelFacts(128_000, 65_536, _NO_EXTRAS | {Feature.TOOLS, Feature.JSON_SCHEMA}),
        "o1-preview": ModelFacts(128_000, 32_768, _NO_EXTRAS | {Feature.TOOLS, Feature.JSON_SCHEMA}),
        "o3": _O,
        "o3-mini": ModelFacts(200_000, 100_000, _NO_EXTRAS),
        "o4": _O,
        "claude-3": _CLAUDE_3,
        "claude-3-5": replace(_CLAUDE_3, max_output=8_192),
        "claude-3-7": replace(_CLAUDE_4, max_output=64_000),
        "claude-sonnet-4": _CLAUDE_4,
        "claude-opus-4": replace(_CLAUDE_4, max_output=32_000),
        "claude-4": replace(_CLAUDE_4, max_output=32_000),
        "claude-haiku-4-5": _CLAUDE_45,
        "claude-sonnet-4-5": _CLAUDE_45,
        "claude-opus-4-5": _CLAUDE_45,
        "claude-sonnet-4-6": _CLAUDE_46,
        "claude-opus-4-6": _CLAUDE_46,
        "claude-sonnet-4-7": _CLAUDE_47,
        "claude-opus-4-7": _CLAUDE_47,
        "claude-opus-4-8": _CLAUDE_48,
        "claude-haiku-5": _CLAUDE_47,
        "claude-sonnet-5": _CLAUDE_47,
        "claude-opus-5": _CLAUDE_48,
        "claude-fable-5": _CLAUDE_47,
        "claude-mythos-5": _CLAUDE_47,
        "gemini-1.5": _GEMINI_2,
        "gemini-2.0": _GEMINI_2,
        "gemini-2.5": _GEMINI_25,
        "gemini-3": _GEMINI_3,
        "gemini-4": _GEMINI_3,
        "deepseek-chat": ModelFacts(131_072, 8_192, _NO_EXTRAS | {Feature.REASONING, Feature.JSON_SCHEMA}),
        "deepseek-reasoner": ModelFacts(131_072, 65_536, _NO_EXTRAS | {Feature.JSON_SCHEMA}),
        "mistral-large": ModelFacts(131_072, None, _NO_REASONING),
        "mistral-small": ModelFacts(131_072, None, _NO_REASONING),
        "codestral": ModelFacts(262_144, None, _NO_EXTRAS | {Feature.REASONING}),
        "grok-4": ModelFacts(256_000, None, _AUDIO),
        "llama-3.1": _TEXT_PLAIN,
        "llama-3.3": _TEXT_PLAIN,
        "llama-v3p1": _TEXT_PLAIN,
        "llama-v3p3": _TEXT_PLAIN,
        "command-r": ModelFacts(128_000, 4_096, _NO_EXTRAS | {Feature.REASONING}),
        "command-a": ModelFacts(256_000, 8_192, _NO_EXTRAS),
        "nova-micro": ModelFacts(128_000, 10_000, _NO_EXTRAS | {Feature.REASONING}),
        "nova-lite": ModelFacts(300_000, 10_000, _AUDIO | {Feature.REASONING}),
        "nova-pro": ModelFacts(300_000, 10_000, _AUDIO | {Feature.REASONING}),
        "text-embedding-3": ModelFacts(8_192),
        "text-embedding-ada": ModelFacts(8_192),
    }
)

_BY_LENGTH = sorted(_FAMILIES, key=len, reverse=True)
#: `us.anthropic.claude-…`, `meta.llama…`: Bedrock's region and vendor.
_BEDROCK = re.compile(r"^(?:(?:us|eu|apac|global|us-gov|jp|au)\.)?(?:anthropic|amazon|cohere|meta|mistral|openai|google)\.")


def facts_of(model: str) -> ModelFacts:
    """What is known of a model by its upstream name; UNKNOWN where that is nothing."""
    bare = _BEDROCK.sub("", model.lower().rsplit("/", 1)[-1])
    for beginning in _BY_LENGTH:
        # A name goes on with a separator or ends: `o1` is not the beginning of `o11`.
        if bare.startswith(beginning) and not bare[len(beginning) : len(beginning) + 1].isalnum():
            return _FAMILIES[beginning]
    return UNKNOWN

"""Well-known models and where each of them is served: what `undimmed run` makes routes of when there is no file.

As of November 2026, and incomplete by nature: any other model can be asked for as `provider/model`. A model has a second
line of targets only where that is the same model (through OpenRouter) or the same open weights at another host;
nothing is ever replaced by something similar.
"""

from collections.abc import Mapping
from types import MappingProxyType

#: Public name -> (preset, that vendor's name for it), best first.
KNOWN_MODELS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "gpt-5": (("openai", "gpt-5"), ("openrouter", "openai/gpt-5")),
        "gpt-5-mini": (("openai", "gpt-5-mini"), ("openrouter", "openai/gpt-5-mini")),
        "gpt-5-nano": (("openai", "gpt-5-nano"), ("openrouter", "openai/gpt-5-nano")),
        "gpt-4.1": (("openai", "gpt-4.1"), ("openrouter", "openai/gpt-4.1")),
        "gpt-4o": (("openai", "gpt-4o"), ("openrouter", "openai/gpt-4o")),
        "gpt-4o-mini": (("openai", "gpt-4o-mini"), ("openrouter", "openai/gpt-4o-mini")),
        "text-embedding-3-small": (("openai", "text-embedding-3-small"),),
        "text-embedding-3-large": (("openai", "text-embedding-3-large"),),
        "claude-opus-5-5": (("anthropic", "claude-opus-5-5"),),
        "claude-sonnet-5-5": (("anthropic", "claude-sonnet-5-5"),),
        "claude-haiku-5-5": (("anthropic", "claude-haiku-5-5"),),
        "claude-opus-4-8": (("anthropic", "claude-opus-4-8"),),
        "claude-sonnet-4-5": (("anthropic", "claude-sonnet-4-5"),),
        "claude-haiku-4-5": (("anthropic", "claude-haiku-4-5"),),
        "mistral-large-latest": (("mistral", "mistral-large-latest"),),
        "mistral-small-latest": (("mistral", "mistral-small-latest"),),
        "codestral-latest": (("mistral", "codestral-latest"),),
        "mistral-embed": (("mistral", "mistral-embed"),),
        "command-a-03-2025": (("cohere", "command-a-03-2025"), ("openrouter", "cohere/command-a")),
        "command-a-reasoning-08-2025": (("cohere", "command-a-reasoning-08-2025"),),
        "embed-v4.0": (("cohere", "embed-v4.0"),),
        "deepseek-chat": (("deepseek", "deepseek-chat"),),
        "deepseek-reasoner": (("deepseek", "deepseek-reasoner"),),
        "grok-4": (("xai", "grok-4"), ("openrouter", "x-ai/grok-4")),
        "gemini-2.5-pro": (("gemini", "gemini-2.5-pro"), ("openrouter", "google/gemini-2.5-pro")),
        "gemini-2.5-flash": (("gemini", "gemini-2.5-flash"), ("openrouter", "google/gemini-2.5-flash")),
        "gemini-embedding-001": (("gemini", "gemini-embedding-001"),),
        "sonar": (("perplexity", "sonar"), ("openrouter", "perplexity/sonar")),
        "sonar-pro": (("perplexity", "sonar-pro"), ("openrouter", "perplexity/sonar-pro")),
        "gpt-oss-120b": (
            ("groq", "openai/gpt-oss-120b"),
            ("fireworks", "accounts/fireworks/models/gpt-oss-120b"),
            ("together", "openai/gpt-oss-120b"),
            ("openrouter", "openai/gpt-oss-120b"),
        ),
        "gpt-oss-20b": (
            ("groq", "openai/gpt-oss-20b"),
            ("fireworks", "accounts/fireworks/models/gpt-oss-20b"),
            ("together", "openai/gpt-oss-20b"),
            ("openrouter", "openai/gpt-oss-20b"),
        ),
        "llama-3.3-70b": (
            ("groq", "llama-3.3-70b-versatile"),
            ("fireworks", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
            ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
            ("openrouter", "meta-llama/llama-3.3-70b-instruct"),
        ),
    }
)

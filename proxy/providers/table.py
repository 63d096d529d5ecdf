"""The provider kinds there are. A new vendor is its own file beside this one, and one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.providers.anthropic import AnthropicKind
from proxy.providers.azure import AzureKind
from proxy.providers.bedrock import BedrockKind
from proxy.providers.cohere import CohereKind
from proxy.providers.contract import BindKind
from proxy.providers.gemini import GeminiKind
from proxy.providers.openai import OpenAIKind
from proxy.providers.vertex import VertexKind

KINDS: Mapping[str, BindKind] = MappingProxyType(
    {
        "openai": OpenAIKind,
        "anthropic": AnthropicKind,
        "azure": AzureKind,
        "bedrock": BedrockKind,
        "cohere": CohereKind,
        "gemini": GeminiKind,
        "vertex": VertexKind,
    }
)

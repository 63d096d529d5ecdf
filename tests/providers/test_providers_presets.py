from urllib.parse import urlsplit

import pytest

from proxy.core.features import HARD
from proxy.providers.presets import PRESETS, Preset, find_preset

NAMES = (
    "openai", "anthropic", "azure", "openrouter", "groq", "mistral", "deepseek", "xai", "together", "fireworks",
    "perplexity", "zai", "cerebras", "huggingface", "gemini", "vertex", "bedrock", "cohere", "ollama", "vllm", "llamacpp",
    "lmstudio", "sglang", "max", "custom",
)  # fmt: skip


def test_all_are_there() -> None:
    assert tuple(PRESETS) == NAMES


@pytest.mark.parametrize("preset", [PRESETS[name] for name in NAMES if name != "custom"], ids=lambda preset: preset.name)
def test_lines_are_consistent(preset: Preset) -> None:
    address = urlsplit(preset.base_url)
    assert not address.path.endswith("/")
    assert preset.env or preset.project
    if preset.region:
        assert "{region}" in preset.base_url
        assert preset.places.get(preset.region, "https://").startswith("https://")
    elif preset.keyless:
        assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
        assert address.port == (preset.local_port or 8000)
        assert preset.first_content
    elif preset.address_env:
        assert not preset.base_url
        assert preset.hosts
    else:
        assert address.scheme == "https"
        assert address.hostname in preset.hosts
        assert not preset.keyless
    assert preset.lacks <= HARD
    assert not {"tools", "messages", "stop", "n", "response_format", "model", "stream"} & {*preset.drop, *preset.rename}


def test_custom_must_be_configured() -> None:
    assert PRESETS["custom"].base_url == ""
    assert PRESETS["custom"].locate(None) == ""


@pytest.mark.parametrize(
    ("region", "url"),
    [
        (None, "https://aiplatform.googleapis.com/v1"),
        ("global", "https://aiplatform.googleapis.com/v1"),
        ("us", "https://aiplatform.us.rep.googleapis.com/v1"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/v1"),
        ("europe-west1", "https://europe-west1-aiplatform.googleapis.com/v1"),
    ],
)
def test_vertex_is_where_its_region_says(region: str | None, url: str) -> None:
    assert PRESETS["vertex"].locate(region) == url


def test_most_vendors_have_one_place() -> None:
    assert PRESETS["gemini"].locate(None) == PRESETS["gemini"].base_url


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("api.openai.com.evil.test", "custom"),
        ("notapi.openai.com", "custom"),
        ("openrouter.ai", "openrouter"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("localhost", "custom"),
        ("", "custom"),
    ],
)
def test_vendors_are_known_by_their_hosts(host: str, name: str) -> None:
    assert find_preset(host).name == name

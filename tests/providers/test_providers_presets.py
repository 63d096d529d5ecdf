from urllib.parse import urlsplit

import pytest

from proxy.providers.presets import PRESETS, Preset, find_preset

NAMES = (
    "openai", "openrouter", "groq", "mistral", "deepseek", "xai", "together", "fireworks", "perplexity", "ollama", "vllm",
    "llamacpp", "lmstudio", "sglang", "custom",
)  # fmt: skip


def test_all_are_there() -> None:
    assert tuple(PRESETS) == NAMES


@pytest.mark.parametrize("preset", [PRESETS[name] for name in NAMES if name != "custom"], ids=lambda preset: preset.name)
def test_lines_are_consistent(preset: Preset) -> None:
    address = urlsplit(preset.base_url)
    assert not address.path.endswith("/")
    assert preset.env
    if preset.local_port:
        assert (address.scheme, address.hostname, address.port) == ("http", "127.0.0.1", preset.local_port)
        assert preset.keyless
        assert preset.first_content
    else:
        assert address.scheme == "https"
        assert address.hostname in preset.hosts
        assert not preset.keyless
    assert not {"tools", "messages", "stop", "n", "response_format", "model", "stream"} & {*preset.drop, *preset.rename}


def test_custom_must_be_configured() -> None:
    assert PRESETS["custom"].base_url == ""


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("api.openai.com.evil.test", "custom"),
        ("notapi.openai.com", "custom"),
        ("openrouter.ai", "openrouter"),
        ("localhost", "custom"),
        ("", "custom"),
    ],
)
def test_vendors_are_known_by_their_hosts(host: str, name: str) -> None:
    assert find_preset(host).name == name

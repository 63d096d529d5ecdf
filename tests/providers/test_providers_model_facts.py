"""What is bundled about models: found by name, whatever a vendor puts before it."""

import pytest

from proxy.core.facts import UNKNOWN
from proxy.core.features import HARD, Feature
from proxy.providers.model_facts import _FAMILIES, facts_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5", "gpt-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5"),
        ("openai/gpt-5.4", "gpt-5.4"),
        ("gpt-5.4-mini", "gpt-5.4-mini"),
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("gpt-4o-audio-preview", "gpt-4o-audio"),
        ("gpt-4", "gpt-4"),
        ("o1", "o1"),
        ("o1-mini-2024-09-12", "o1-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-6-v1:0", "claude-sonnet-4-6"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3"),
        ("claude-opus-4-8@20260701", "claude-opus-4-8"),
        ("anthropic/Claude-Opus-5.5", "claude-opus-5"),
        ("models/gemini-2.5-pro", "gemini-2.5"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-v3p3"),
        ("amazon.nova-lite-v1:0", "nova-lite"),
    ],
)
def test_names_lead_to_their_family(model: str, family: str) -> None:
    assert facts_of(model) is _FAMILIES[family]


@pytest.mark.parametrize("model", ["", "o11", "gpt-50", "mock", "my-gpt-5", "claude"])
def test_other_names_are_unknown(model: str) -> None:
    assert facts_of(model) is UNKNOWN


def test_facts_are_possible() -> None:
    for name, facts in _FAMILIES.items():
        assert facts.lacks <= HARD, name
        if facts.max_output is not None:
            assert facts.context_window is not None, name
            assert 0 < facts.max_output <= facts.context_window, name


def test_what_lacks_images_does_not_fetch_them_either() -> None:
    for name, facts in _FAMILIES.items():
        if Feature.IMAGES in facts.lacks and "audio" not in name:
            assert Feature.IMAGE_URLS in facts.lacks, name

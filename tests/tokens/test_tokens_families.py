import pytest

from proxy.tokens.families import FAMILIES, Family, digit_extra, family_of


@pytest.mark.parametrize(
    ("model", "percent"),
    [
        ("gpt-4o", 100),
        ("some-new-model", 100),
        ("anthropic/claude-sonnet-4.5", 118),
        ("claude-opus-4-5", 118),
        ("claude-opus-4-7-20260101", 153),
        ("claude-sonnet-5", 153),
        ("gemini-2.5-flash", 110),
        ("mistral-large-latest", 105),
        ("deepseek-chat", 107),
        ("Qwen/Qwen3-32B", 102),
        ("meta-llama/Llama-3.3-70B-Instruct", 102),
        ("llama-4-scout", 100),
        ("grok-4", 100),
    ],
)
def test_ratio_of_a_family(model, percent):
    assert family_of(model).percent == percent


def test_hidden_reasoning():
    hides = {
        model: family_of(model).hides_reasoning for model in ("o3-mini", "gpt-5", "gpt-5-chat-latest", "gpt-4o", "gpt-5.1")
    }
    assert hides == {"o3-mini": True, "gpt-5": True, "gpt-5-chat-latest": False, "gpt-4o": False, "gpt-5.1": True}


def test_scaling_rounds_half_up():
    assert Family(percent=105).scale(10) == 11
    assert Family(percent=104).scale(10) == 10
    assert Family().scale(7) == 7


@pytest.mark.parametrize(
    ("text", "extra"), [("", 0), ("abc", 0), ("7", 0), ("12", 1), ("123", 2), ("1234", 2), ("12,345", 3)]
)
def test_digit_rule(text, extra):
    assert digit_extra(text) == extra


def test_keys_are_bare_names():
    assert all(prefix == prefix.lower() and "/" not in prefix for prefix in FAMILIES)

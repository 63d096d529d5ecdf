import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.vision import FORMULAS, image_tokens
from proxy.tokens.vision_formulas import MOST_SQUARES


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), "high", 765),
        ("gpt-4o", (2048, 4096), "auto", 1105),
        ("gpt-4o", (4096, 2048), "auto", 1105),
        ("gpt-4o", (5000, 5000), "low", 85),
        ("gpt-4o", (16, 16), "high", 255),
        ("gpt-4.1", (1800, 2400), "auto", 765),
        ("gpt-4o-mini", (1024, 1024), "high", 2833 + 4 * 5667),
        ("gpt-5", (1024, 1024), "auto", 70 + 4 * 140),
        ("o3", (1024, 1024), "auto", 75 + 4 * 150),
        ("gpt-5.4", (1600, 1600), "auto", 3000),
        ("gpt-5-mini", (1600, 1600), "auto", 1826),
        ("gpt-5-nano", (1600, 1600), "auto", 2282),
        ("gpt-4.1-mini", (2400, 1800), "auto", 2353),
        ("gpt-4.1-mini-2025-04-14", (32, 32), "low", 2),
        ("gpt-5.4", (3200, 3200), "original", 12_000),
        ("gpt-5.5", (1600, 1600), "high", 3000),
        ("gpt-5.5", (3200, 1600), "auto", 6000),
        ("gpt-5.5", (1600, 1600), "low", 308),
        ("claude-sonnet-4-5", (1920, 1080), "auto", 1560),
        ("claude-opus-4-7", (1920, 1080), "auto", 2691),
        ("claude-sonnet-4-5", (1092, 1092), "auto", 1521),
        ("claude-sonnet-4-5", (200, 200), "auto", 64),
        ("claude-sonnet-4-5", (1000, 1000), "auto", 1296),
        ("gemini-2.0-flash", (384, 384), "auto", 258),
        ("gemini-2.0-flash", (960, 540), "auto", 2 * 258),
        ("gemini-2.5-pro", (960, 540), "auto", 1548),
        ("gemini-3-pro", (960, 540), "auto", 1120),
        ("gemini-3-pro", (960, 540), "low", 280),
        ("gemini-3.1-pro", (9600, 5400), "medium", 560),
        ("gemma-3-27b-it", (100, 100), "auto", 258),
        ("qwen2.5-vl-72b-instruct", (1036, 1036), "auto", 37 * 37 + 2),
        ("qwen3-vl-plus", (1024, 512), "auto", 32 * 16 + 2),
        ("qwen2-vl-7b", (28, 28), "auto", 2 * 2 + 2),
        ("pixtral-12b", (1024, 1024), "auto", 64 * 65),
        ("pixtral-12b", (2048, 1024), "auto", 32 * 65),
        ("mistral-small-latest", (1540, 770), "auto", 28 * 56),
        ("llama-3.2-90b-vision", (560, 560), "auto", 1601),
        ("llama-3.2-90b-vision", (5600, 5600), "auto", 4 * 1601),
        ("llama-4-scout", (336, 336), "auto", 144),
        ("llama-4-scout", (672, 336), "auto", 3 * 144 + 2),
        ("us.meta.llama4-maverick-17b", (3000, 3000), "auto", 17 * 144 + 16),
    ],
)
def test_published_readings(model, size, detail, tokens):
    assert image_tokens(model, size, detail) == tokens


@pytest.mark.parametrize(
    ("model", "tokens"), [("gpt-4o", 1105), ("claude-sonnet-5", 1568), ("gemini-3-pro", 1120), ("unheard-of", 1105)]
)
def test_unknown_sizes_cost_the_flat_figure(model, tokens):
    assert image_tokens(model, None, "auto") == tokens


def test_families_without_a_formula_cost_the_flat_figure():
    assert image_tokens("grok-4", (100, 100), "auto") == 1105


@settings(deadline=None)
@given(
    st.sampled_from(sorted(FORMULAS)),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
    st.sampled_from(["low", "high", "auto", "original", "nonsense"]),
)
def test_every_size_has_a_bounded_price(model, width, height, detail):
    assert 0 < image_tokens(model, (width, height), detail) <= 258 * MOST_SQUARES

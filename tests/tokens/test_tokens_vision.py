import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.vision import FORMULAS, image_tokens


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
    assert image_tokens("gemini-3-pro", (100, 100), "auto") == 1120


@settings(deadline=None)
@given(
    st.sampled_from(sorted(FORMULAS)),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
    st.sampled_from(["low", "high", "auto", "original", "nonsense"]),
)
def test_every_size_has_a_bounded_price(model, width, height, detail):
    assert 0 < image_tokens(model, (width, height), detail) <= 2833 + 16 * 5667

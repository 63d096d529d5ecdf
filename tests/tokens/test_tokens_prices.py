import copy
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_tokens_buckets import usages

from proxy.core.usage import Price, Usage
from proxy.tokens.buckets import split
from proxy.tokens.prices import cost, dollars, find_tier, saved_by_cache

GPT = Price(input=2_500_000_000, output=10_000_000_000, cached=1_250_000_000)


def test_input_and_output():
    assert cost(Usage(input=1000, output=500), GPT) == 2_500_000 + 5_000_000


def test_cached_input_is_charged_once_at_its_own_price():
    assert cost(Usage(input=1000, cached=400), GPT) == 600 * 2500 + 400 * 1250


def test_cached_input_without_a_price_of_its_own_costs_the_full_price():
    assert cost(Usage(input=1000, cached=400), Price(input=2_500_000_000, output=0)) == 2_500_000


def test_what_the_cache_saved_is_the_difference_to_none():
    assert saved_by_cache(Usage(input=1000, cached=400), GPT) == 400 * 1250
    assert saved_by_cache(Usage(input=1000), GPT) == 0
    assert saved_by_cache(Usage(input=1000, cached=400), Price(input=2_500_000_000, output=0)) == 0
    dearer = Price(1_000, 0, cached=2_000)
    assert saved_by_cache(Usage(input=1_000_000, cached=1_000_000), dearer) == 0, "it never takes"
    tiered = replace(GPT, tiers=((500, Price(input=5_000_000_000, output=0, cached=500_000_000)),))
    assert saved_by_cache(Usage(input=1000, cached=400), tiered) == 400 * 4500


@given(usages)
def test_with_what_the_cache_saved_it_costs_as_much_as_without(usage):
    price = Price(4_000_000, 8_000_000, 1_000_000, audio_in=9_000_000, audio_cached=2_000_000, image_cached=3_000_000)
    bare = msgspec.structs.replace(usage, cached=0, audio_cached=0, image_cached=0)
    cached_text = usage.cached - usage.audio_cached - usage.image_cached
    text = usage.input - usage.audio_in - usage.image_in
    sound = usage.audio_cached <= usage.audio_in and usage.image_cached <= usage.image_in and 0 <= cached_text <= text
    if not usage.cache_write and sound and usage.billed is None:
        assert abs(cost(usage, price) + saved_by_cache(usage, price) - cost(bare, price)) <= 1, "each is rounded once"


def test_reasoning_is_part_of_output():
    assert cost(Usage(output=100, reasoning=90), GPT) == 1_000_000


def test_price_per_request():
    assert cost(Usage(), Price(input=0, output=0, per_request=7)) == 7


def test_rounded_half_up_once():
    price = Price(input=500_000, output=250_000)
    assert cost(Usage(input=1), price) == 1
    assert cost(Usage(output=1), price) == 0
    assert cost(Usage(input=1, output=2), price) == 1
    assert cost(Usage(input=1, output=1), price) == 1


def test_no_price_is_no_cost():
    assert cost(Usage(input=10), None) is None
    assert cost(Usage(input=10), Price(input=0, output=0)) == 0


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(input=10, cached=50), 10 * 1250),
        (Usage(input=-5, output=-1, cached=-2), 0),
        (Usage(input=10, cached=-3), 25_000),
    ],
)
def test_contradictions_are_clamped(usage, nano):
    assert cost(usage, GPT) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (12_500, "0.0000125"),
        (3_000_000_000, "3"),
        (12_500_000_000, "12.5"),
        (10_000_000_000, "10"),
        (-1_500_000_000, "-1.5"),
    ],
)
def test_dollars_are_exact(nano, text):
    assert dollars(nano) == text


def test_what_the_vendor_bills_goes_before_what_was_counted():
    price = Price(input=2_000_000_000, output=10_000_000_000, cached=1_000_000_000)
    assert cost(Usage(542, 63, billed=(13, 61)), price) == 13 * 2000 + 61 * 10_000
    assert cost(Usage(542, 63, cached=512, billed=(13, 61)), price) == 13 * 1000 + 61 * 10_000


M = 1_000_000_000  # a dollar per million tokens
OPUS = Price(5 * M, 25 * M, cached=M // 2, cache_write=25 * M // 4, cache_write_1h=10 * M)
REALTIME = Price(
    4 * M, 16 * M, 4 * M // 10, audio_in=32 * M, audio_cached=4 * M // 10, audio_out=64 * M, image_in=5 * M,
    image_cached=M // 2,
)  # fmt: skip
LONG = Price(3 * M, 15 * M, M // 3, per_request=7, tiers=((200_000, Price(6 * M, 22 * M, per_request=7)),))


@pytest.mark.parametrize(
    ("usage", "price", "nano"),
    [
        # Case 2: cache tokens at their own rate and not at the full one besides.
        (Usage(6 + 159_217, 2745, cache_write=159_217), OPUS, 1_063_761_250),
        (Usage(100, 0, cache_write=100, cache_write_1h=100), OPUS, 100 * 10_000),
        (Usage(100, 0, cache_write=100, cache_write_1h=40), OPUS, 60 * 6250 + 40 * 10_000),
        (Usage(100, 0, cache_write=500, cache_write_1h=900), OPUS, 100 * 10_000),
        (Usage(100, 0, cached=80, cache_write=80), OPUS, 80 * 500 + 20 * 6250),
        (Usage(100, 0, cached=100, cache_write=80), OPUS, 100 * 500),
        (Usage(100, 0, cache_write=30), GPT, 100 * 2500),
        (Usage(100, 0, cache_write=30, cache_write_1h=10), Price(M, M, cache_write=2 * M), 70 * 1000 + 30 * 2000),
        # Case 22: cached audio is neither fresh audio nor text.
        (Usage(1000, 0, cached=900, audio_in=1000, audio_cached=900), REALTIME, 100 * 32_000 + 900 * 400),
        (Usage(100, 50, audio_out=40), REALTIME, 100 * 4000 + 10 * 16_000 + 40 * 64_000),
        (Usage(100, 0, cached=50, image_in=60, image_cached=20), REALTIME, 10 * 4000 + 30 * 400 + 40 * 5000 + 20 * 500),
        (Usage(100, 50), REALTIME, 100 * 4000 + 50 * 16_000),
        # What is not told costs as its whole, and a cached kind never less than is known.
        (Usage(10, 0, cached=10, audio_in=10, audio_cached=10), Price(M, M, M // 2, audio_in=9 * M), 10 * 9000),
        (Usage(10, 0, cached=10, image_in=10, image_cached=10), Price(M, M, M // 2, image_in=3 * M), 10 * 3000),
        (Usage(10, 0, cached=10, image_in=10, image_cached=10), Price(M, M, M // 2, audio_in=9 * M), 10 * 500),
        (Usage(10, 0, audio_in=10), Price(M, M), 10 * 1000),
        (Usage(10, 20, image_out=5), Price(M, 2 * M, image_out=30 * M), 10 * 1000 + 15 * 2000 + 5 * 30_000),
        # Case 7: reasoning is output, and has a rate of its own where the vendor bills it so.
        (Usage(0, 100, reasoning=90), Price(M, 8 * M, reasoning=3 * M), 10 * 8000 + 90 * 3000),
        # A tier prices all tokens, counted by the whole input.
        (Usage(200_000, 10), LONG, 7 + 200_000 * 3000 + 10 * 15_000),
        (Usage(200_001, 10), LONG, 7 + 200_001 * 6000 + 10 * 22_000),
        (Usage(200_001, 0, cached=200_001), LONG, 7 + 200_001 * 6000),
    ],
)
def test_each_token_is_priced_once(usage: Usage, price: Price, nano: int) -> None:
    assert cost(usage, price) == nano


def test_the_highest_tier_that_fits_holds() -> None:
    price = Price(M, M, tiers=((32_000, Price(2 * M, M)), (128_000, Price(3 * M, M))))
    rates = [find_tier(price, tokens).input // M for tokens in (0, 32_000, 32_001, 128_000, 128_001, 10**9)]
    assert rates == [1, 1, 2, 2, 3, 3]


def test_cost_counts_buckets_as_the_split_does() -> None:
    """The short way for text and the long way for all kinds are the same sum."""
    plain = Price(5 * M, 25 * M, cached=M // 2, cache_write=6 * M, cache_write_1h=10 * M)
    by_kind = replace(plain, audio_in=5 * M, audio_cached=M // 2, audio_out=25 * M, reasoning=25 * M)
    usage = Usage(1000, 500, cached=300, cache_write=200, cache_write_1h=20, reasoning=100)
    assert cost(usage, plain) == cost(usage, by_kind)


rates = st.integers(0, 10**12)
some_rate = st.none() | rates
prices = st.builds(
    Price,
    input=rates,
    output=rates,
    cached=some_rate,
    cache_write=some_rate,
    cache_write_1h=some_rate,
    audio_in=some_rate,
    audio_cached=some_rate,
    image_in=some_rate,
    image_cached=some_rate,
    audio_out=some_rate,
    image_out=some_rate,
    reasoning=some_rate,
)


@given(usages, prices)
def test_cost_is_never_negative_and_additive_over_buckets(usage: Usage, price: Price) -> None:
    found = cost(usage, price)
    assert found is not None
    assert found >= 0
    parts = split(usage)
    alone = [
        Usage(input=parts.input),
        Usage(input=parts.cached, cached=parts.cached),
        Usage(input=parts.cache_write_5m, cache_write=parts.cache_write_5m),
        Usage(input=parts.cache_write_1h, cache_write=parts.cache_write_1h, cache_write_1h=parts.cache_write_1h),
        Usage(input=parts.audio_in, audio_in=parts.audio_in),
        Usage(
            input=parts.audio_cached, cached=parts.audio_cached, audio_in=parts.audio_cached, audio_cached=parts.audio_cached
        ),
        Usage(input=parts.image_in, image_in=parts.image_in),
        Usage(
            input=parts.image_cached, cached=parts.image_cached, image_in=parts.image_cached, image_cached=parts.image_cached
        ),
        Usage(output=parts.output),
        Usage(output=parts.reasoning, reasoning=parts.reasoning),
        Usage(output=parts.audio_out, audio_out=parts.audio_out),
        Usage(output=parts.image_out, image_out=parts.image_out),
    ]
    assert abs(sum(cost(part, price) or 0 for part in alone) - found) <= len(alone)  # each is rounded once


@given(usages, prices, st.integers(0, 1000), st.sampled_from(("input", "output")))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, more: int, side: str) -> None:
    """In the same parts: what is added is plain text."""
    parts = split(usage)
    if (
        parts.input + parts.cached + parts.cache_write_5m + parts.cache_write_1h != usage.input
        or parts.output != usage.output
    ):
        usage = Usage(parts.input, parts.output)
    larger = copy.copy(usage)
    setattr(larger, side, getattr(usage, side) + more)
    if usage.billed:
        larger.billed = (larger.input, larger.output)
        usage.billed = (usage.input, usage.output)
    assert (cost(larger, price) or 0) >= (cost(usage, price) or 0)

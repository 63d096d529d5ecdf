from hypothesis import given
from hypothesis import strategies as st

from proxy.core.usage import Usage
from proxy.tokens.buckets import split

counts = st.integers(-5, 5000)
usages = st.builds(
    Usage,
    input=counts,
    output=counts,
    cached=counts,
    cache_write=counts,
    reasoning=counts,
    cache_write_1h=counts,
    audio_in=counts,
    audio_cached=counts,
    image_in=counts,
    image_cached=counts,
    audio_out=counts,
    image_out=counts,
    billed=st.none() | st.tuples(counts, counts),
)
INPUT = (
    "input", "cached", "cache_write_5m", "cache_write_1h", "audio_in", "audio_cached", "image_in", "image_cached",
)  # fmt: skip
OUTPUT = ("output", "reasoning", "audio_out", "image_out")


def test_parts_are_taken_out_of_their_wholes() -> None:
    usage = Usage(
        1000, 500, cached=300, cache_write=200, reasoning=100, cache_write_1h=50, audio_in=150, audio_cached=60,
        image_in=80, image_cached=20, audio_out=70, image_out=30,
    )  # fmt: skip
    parts = split(usage)
    assert [getattr(parts, name) for name in INPUT] == [350, 220, 150, 50, 90, 60, 60, 20]
    assert [getattr(parts, name) for name in OUTPUT] == [300, 100, 70, 30]


def test_cached_tokens_of_no_said_kind_are_text_first() -> None:
    parts = split(Usage(100, 0, cached=70, audio_in=50))
    assert (parts.input, parts.cached, parts.audio_in, parts.audio_cached) == (0, 70, 30, 0)


def test_what_is_billed_goes_before_what_was_counted() -> None:
    parts = split(Usage(542, 63, cached=512, billed=(13, 61)))
    assert (parts.input, parts.cached, parts.output) == (0, 13, 61)


@given(usages)
def test_buckets_add_up_and_none_is_negative(usage: Usage) -> None:
    parts = split(usage)
    assert all(getattr(parts, name) >= 0 for name in (*INPUT, *OUTPUT))
    given_in, written = usage.billed or (usage.input, usage.output)
    assert sum(getattr(parts, name) for name in INPUT) == max(0, given_in)
    assert sum(getattr(parts, name) for name in OUTPUT) == max(0, written)


@given(usages)
def test_a_usage_made_of_its_buckets_has_the_same_ones(usage: Usage) -> None:
    parts = split(usage)
    again = Usage(
        input=sum(getattr(parts, name) for name in INPUT),
        output=sum(getattr(parts, name) for name in OUTPUT),
        cached=parts.cached + parts.audio_cached + parts.image_cached,
        cache_write=parts.cache_write_5m + parts.cache_write_1h,
        reasoning=parts.reasoning,
        cache_write_1h=parts.cache_write_1h,
        audio_in=parts.audio_in + parts.audio_cached,
        audio_cached=parts.audio_cached,
        image_in=parts.image_in + parts.image_cached,
        image_cached=parts.image_cached,
        audio_out=parts.audio_out,
        image_out=parts.image_out,
    )
    found = split(again)
    assert [getattr(found, name) for name in (*INPUT, *OUTPUT)] == [getattr(parts, name) for name in (*INPUT, *OUTPUT)]

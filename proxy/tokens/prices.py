"""What an attempt cost, in whole nano-dollars (1e-9 USD).

Integers only, rounded once per attempt, so that sums never drift. An unknown price gives an unknown cost, never 0. This runs
for every attempt: a handful of multiplications where text and the cache are all there is, and the whole table of buckets
(`buckets.py`) only where a price makes more differences and the usage has them.
"""

from proxy.core.usage import Price, Usage
from proxy.tokens.buckets import split

PER = 1_000_000
NANO = 1_000_000_000


def cost(usage: Usage, price: Price | None) -> int | None:
    """Nano-dollars, rounded half up; None: no price. Cached input costs `price.cached` where that is known, else the
    full input price, and the other parts likewise. What the vendor says it bills goes before what was counted. Counts that
    contradict each other (more cached than input) are clamped, never charged negative."""
    if price is None:
        return None
    if price.tiers:
        price = find_tier(price, usage.input)
    if price.by_kind and _has_kinds(usage, price):
        millionths = _by_kind(usage, price)
    else:
        given, written = usage.billed or (usage.input, usage.output)
        whole = given if given > 0 else 0
        millionths = whole * price.input + (written if written > 0 else 0) * price.output
        if usage.cached > 0:
            cached = min(usage.cached, whole)
            whole -= cached
            if price.cached is not None:
                millionths += cached * (price.cached - price.input)
        if usage.cache_write > 0 and whole:
            millionths += _surcharge(min(usage.cache_write, whole), usage.cache_write_1h, price)
    return price.per_request + (millionths + PER // 2) // PER


def saved_by_cache(usage: Usage, price: Price) -> int:
    """Nano-dollars that a usage would have cost more had none of its input come from a cache; never negative. What it
    cost to write the cache is another figure."""
    if price.tiers:
        price = find_tier(price, usage.input)
    parts = split(usage)
    text, audio, image = _cached_rates(price)
    millionths = (
        parts.cached * (price.input - text)
        + parts.audio_cached * (_first(price.audio_in, price.input) - audio)
        + parts.image_cached * (_first(price.image_in, price.input) - image)
    )
    return max((millionths + PER // 2) // PER, 0)


def _cached_rates(price: Price) -> tuple[int, int, int]:
    """Of cached text, audio and images. The cache makes tokens cheaper: where only the text's cached rate is told, other
    kinds cost their full rate."""
    text = _first(price.cached, price.input)
    audio = _first(price.audio_cached, text if price.audio_in is None else price.audio_in)
    image = _first(price.image_cached, text if price.image_in is None else price.image_in)
    return text, audio, image


def _has_kinds(usage: Usage, price: Price) -> bool:
    """Tokens that this price makes a difference for."""
    thought = usage.reasoning and price.reasoning is not None
    return bool(thought or usage.audio_in or usage.audio_out or usage.image_in or usage.image_out)


def find_tier(price: Price, tokens: int) -> Price:
    """The price for a request of so many input tokens: that of the highest tier it is above."""
    found = price
    for above, tier in price.tiers:
        if tokens <= above:
            break
        found = tier
    return found


def _surcharge(stored: int, stored_long: int, price: Price) -> int:
    """What writing into a cache costs beyond the input that it is, in millionths of a nano-dollar."""
    short = price.input if price.cache_write is None else price.cache_write
    long = short if price.cache_write_1h is None else price.cache_write_1h
    long_tokens = max(0, min(stored_long, stored))
    return (stored - long_tokens) * (short - price.input) + long_tokens * (long - price.input)


def _by_kind(usage: Usage, price: Price) -> int:
    """Each bucket at its own rate, in millionths of a nano-dollar."""
    parts = split(usage)
    cached, audio_cached, image_cached = _cached_rates(price)
    stored = _first(price.cache_write, price.input)
    audio_in, image_in = _first(price.audio_in, price.input), _first(price.image_in, price.input)
    return (
        parts.input * price.input
        + parts.cached * cached
        + parts.cache_write_5m * stored
        + parts.cache_write_1h * _first(price.cache_write_1h, stored)
        + parts.audio_in * audio_in
        + parts.audio_cached * audio_cached
        + parts.image_in * image_in
        + parts.image_cached * image_cached
        + parts.output * price.output
        + parts.reasoning * _first(price.reasoning, price.output)
        + parts.audio_out * _first(price.audio_out, price.output)
        + parts.image_out * _first(price.image_out, price.output)
    )


def _first(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate


def dollars(nano: int) -> str:
    """Nano-dollars as an exact decimal of dollars: `0.0000125`, `3`, `12.5`."""
    sign = "-" if nano < 0 else ""
    whole, rest = divmod(abs(nano), NANO)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")

"""What a request would cost at a target, before it is sent: the rows of `POST /v1/tokens`, `undimmed count` and `explain`.

Everything is said as it is known: an unknown price is null and so is every cost made of it, a request of unknown length of
answer is priced for a thousand tokens of it. Money is exact decimals of dollars, as text. Prices are those of the
moment (`wall`), and of the length of this request where a vendor charges more for long ones.
"""

from collections.abc import Mapping

from msgspec import Raw

from proxy.core.settings import Target
from proxy.core.usage import Price, Usage
from proxy.tokens.prices import cost, dollars, find_tier

#: Fields in which requests say how long the answer may be.
LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
#: Output tokens that are priced where it does not say.
PER = 1000

_RATES = ("input", "output", "cached", "cache_write", "audio_in", "image_in", "reasoning")


def find_limit(fields: Mapping[str, object]) -> int | None:
    """The longest answer that a request asks for, in tokens."""
    for name in LIMITS:
        raw = fields.get(name)
        text = bytes(raw) if isinstance(raw, Raw | bytes | bytearray | memoryview) else b""
        if text.isdigit() and len(text) < 10 and int(text):
            return int(text)
    return None


def price_of(target: Target, wall: float) -> Price | None:
    """What a target charges at a moment, for its usual service tier; None: unknown."""
    return target.price if target.tariff is None else target.tariff.price(wall)


def quote_price(target: Target, wall: float, tokens: int = 0) -> dict[str, object] | None:
    """Dollars per million tokens for a request of so many, and where they are from; None: unknown."""
    price = price_of(target, wall)
    if price is None:
        return None
    price = find_tier(price, tokens)
    rates: dict[str, object] = {name: dollars(rate) for name in _RATES if (rate := getattr(price, name)) is not None}
    if price.per_request:
        rates["per_request"] = dollars(price.per_request)
    return {**rates, "from": "file" if target.tariff is None else target.tariff.origin}


def quote(target: Target, usage: Usage, limit: int | None, wall: float) -> dict[str, object]:
    """One target's row. `usage`: the estimate of the input; `limit`: the longest answer asked for, None: it does not say."""
    window = target.context_window or target.facts.context_window
    price = price_of(target, wall)
    given = cost(usage, price)
    written = PER if limit is None else limit
    # Priced together, since what a long request costs is decided by its input.
    whole = cost(Usage(usage.input, written, image_in=usage.image_in, audio_in=usage.audio_in), price)
    media = usage.image_in + usage.audio_in
    fits = None if window is None else usage.input + (limit or 0) <= window
    return {
        "target": target.id,
        "input_tokens": usage.input,
        "input": {"text": usage.input - media, "image": usage.image_in, "audio": usage.audio_in},
        "source": usage.source.value,
        "lower_bound": usage.lower_bound,
        "raw_tokens": usage.raw_input,
        "factor": round(usage.factor, 4),
        "output_tokens": written,
        "price": quote_price(target, wall, usage.input),
        "cost_usd": None
        if given is None or whole is None
        else {"input": dollars(given), "output": dollars(whole - given), "total": dollars(whole)},
        "context_window": window,
        "fits": fits,
    }

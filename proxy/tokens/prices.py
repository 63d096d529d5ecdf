"""What an attempt cost, in whole nano-dollars (1e-9 USD).

Integers only, rounded once per attempt, so that sums never drift. An unknown price gives an unknown cost, never 0.
"""

from proxy.core.usage import Price, Usage

PER = 1_000_000
NANO = 1_000_000_000


def cost(usage: Usage, price: Price | None) -> int | None:
    """Nano-dollars, rounded half up; None: no price. Cached input costs `price.cached` where that is known, else the
    full input price. What the vendor says it bills goes before what was counted. Counts that contradict each other (more
    cached than input) are clamped, never charged negative."""
    if price is None:
        return None
    given, written = usage.billed or (usage.input, usage.output)
    whole = given if given > 0 else 0
    millionths = whole * price.input + (written if written > 0 else 0) * price.output
    if usage.cached > 0 and price.cached is not None:
        millionths += min(usage.cached, whole) * (price.cached - price.input)
    return price.per_request + (millionths + PER // 2) // PER


def dollars(nano: int) -> str:
    """Nano-dollars as an exact decimal of dollars: `0.0000125`, `3`, `12.5`."""
    sign = "-" if nano < 0 else ""
    whole, rest = divmod(abs(nano), NANO)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")

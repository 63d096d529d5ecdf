"""Numbers as people read them: few digits, units, and a word where something is unknown."""

UNKNOWN = "unknown"


def show_count(number: int) -> str:
    """`950`, `12.3k`, `4.56M`: three digits that matter."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size * 10 or (number >= size and size > 1000):
            value = number / size
            return f"{value:.{max(0, 3 - len(str(int(value))))}f}{unit}"
    return f"{number:,}"


def show_money(nano: int | None, unpriced: int = 0) -> str:
    """`$12.34`, small sums with more digits, `+` where something on top has no price."""
    if nano is None:
        return UNKNOWN
    dollars = abs(nano) / 1e9
    if 0 < dollars < 5e-7:
        return "<$0.000001"
    digits = 2 if dollars >= 0.1 or not dollars else 4 if dollars >= 0.001 else 6
    return f"{'-' if nano < 0 else ''}${dollars:,.{digits}f}{'+' if unpriced else ''}"


def show_share(share: float) -> str:
    """In percent."""
    return "0%" if not share else "<1%" if share < 0.01 else f"{share:.0%}"


def show_seconds(ms: float | None) -> str:
    """`0.42s`, `12.3s`."""
    if ms is None:
        return "–"
    return f"{ms / 1000:.2f}s" if ms < 10_000 else f"{ms / 1000:.1f}s"


def show_speed(tokens: float | None) -> str:
    """Tokens a second."""
    if tokens is None:
        return "–"
    return f"{tokens:.1f}" if tokens < 10 else f"{tokens:,.0f}"


def some(number: int, noun: str) -> str:
    """`1 call`, `1,200 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

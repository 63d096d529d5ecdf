"""Figures as people read them in a message: times in UTC, money in dollars, spans in their two largest units."""

from datetime import UTC, datetime

DAY = 86400.0


def clock(at: float, now: float) -> str:
    """`14:02 UTC`, with the date where it is not within a day of now."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M} UTC" if abs(now - at) < DAY / 2 else f"{moment:%Y-%m-%d %H:%M} UTC"


def span(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(seconds, 0):.0f} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes and not days else ""]
    return " ".join(part for part in parts if part)


def money(nano: float) -> str:
    """`$12.30`; cents are enough for people, except below one."""
    amount = nano / 1e9
    return f"${amount:,.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def amount(value: float, unit: str) -> str:
    """Nano-dollars or tokens."""
    return money(value) if unit == "usd" else f"{value:,.0f} tokens"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def every(seconds: float) -> str:
    """A budget's period: `day`, `week`, `month`, or its length."""
    for name, shortest, longest in (("day", 0.9, 1.1), ("week", 6.9, 7.1), ("month", 27.9, 31.1)):
        if shortest * DAY <= seconds <= longest * DAY:
            return name
    return span(seconds)

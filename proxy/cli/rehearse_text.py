"""Findings in words and short figures, for the terminal and for the page."""

from typing import TYPE_CHECKING

from proxy.stores.insight.figures import show_money

if TYPE_CHECKING:
    from proxy.rehearse.findings import Figures, Findings

NOTHING = "–"


def show_share(figures: "Figures") -> str:
    """`100%`, `99.98%`, `53.0%`: never rounded up to what it is not."""
    share = figures.availability
    if share == 1.0:
        return "100%"
    digits = 2 if share > 0.99 else 1
    scale = 10**digits
    return f"{int(share * 100 * scale) / scale:.{digits}f}%"


def show_seconds(seconds: float | None) -> str:
    """`0.53s`, `12s`, `4m`, `2.5h`."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 100:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 6000 else f"{seconds / 3600:.1f}h"


def show_hit(found: "Findings") -> str:
    """Who was hit; `as if` where the vendor is none of the configuration's."""
    names = ", ".join(found.hit) or "nobody here"
    return f"{names} (as if)" if found.as_if else names


def show_extra(found: "Findings") -> str:
    """Money beyond the usual; `+` where some attempts have no price."""
    return show_money(found.extra_cost, found.unpriced)


def verdict(found: "Findings") -> str:
    """`kept`; `lost`: requests, although another provider was healthy; `bare`: routes without another provider went down;
    `untouched`: the outage has nothing to hit here."""
    if not found.hit:
        return "untouched"
    if not found.kept:
        return "lost"
    gone = found.proxied.availability < found.promise
    return "bare" if gone and found.uncovered_routes else "kept"


def show_remark(found: "Findings") -> str:
    """What the figures don't say; "" where they say all."""
    kind = verdict(found)
    if kind == "untouched":
        return "no key here is a token that ends"
    lost = found.covered.requests - found.covered.answered
    parts = [f"{lost:,} lost" if lost else ""]
    if kind == "bare":
        parts.append(f"no other provider for {', '.join(found.uncovered_routes)}")
    if found.proxied.wrong:
        parts.append(f"{found.proxied.wrong:,} wrong answers")
    return "; ".join(filter(None, parts))

"""What `undimmed keys create` can be told about limits, as people write it."""

import argparse
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from proxy.stores.key_store import StoredBudget

NANO = 1_000_000_000
EXPIRY_FORMS = "a date, a time (UTC unless it says otherwise), or 30d (from now)"


def _count(text: str) -> int:
    from proxy.config.units import COUNT_FORMS, parse_count

    return _positive(text, parse_count, COUNT_FORMS)


def _positive(text: str, parse: Callable[[object], int], forms: str) -> int:
    try:
        number = parse(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected {forms}")
    return number


def _dollars(text: str) -> int:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(0)
    if not 0 < amount <= NANO:
        raise argparse.ArgumentTypeError("expected dollars, such as 20 or 0.5")
    return max(int(amount * NANO), 1)


def _zone(text: str) -> str:
    from proxy.config.limit_rules import ZONE_FORMS, check_zone

    try:
        return check_zone(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {ZONE_FORMS}") from None


def parse_grace(text: str) -> int:
    """Seconds; 0 is none."""
    from proxy.config.units import DURATION_FORMS, parse_duration

    if text == "0":
        return 0
    try:
        return max(int(parse_duration(text)), 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected 0, or {DURATION_FORMS}") from None


def parse_expiry(text: str) -> int:
    """Unix time, in the future."""
    from proxy.config.models import parse_moment
    from proxy.config.units import parse_duration

    now = time.time()  # noqa: TID251 (the command line is where the clock comes in)
    try:
        moment = now + parse_duration(text)
    except ValueError:
        try:
            moment = parse_moment(text)
        except (ValueError, OverflowError):
            raise argparse.ArgumentTypeError(f"expected {EXPIRY_FORMS}") from None
    if moment <= now:
        raise argparse.ArgumentTypeError("that is over already")
    return int(moment)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """--rpm, --tpm, --concurrent; --usd, --tokens, --per, --zone, --soft, --on-unpriced."""
    parser.add_argument("--rpm", type=_count, metavar="N", help="requests a minute")
    parser.add_argument("--tpm", type=_count, metavar="N", help="tokens a minute, such as 100k")
    parser.add_argument("--concurrent", type=_count, metavar="N", help="requests at a time")
    parser.add_argument("--usd", type=_dollars, metavar="AMOUNT", help="a budget in dollars")
    parser.add_argument("--tokens", type=_count, metavar="N", help="a budget in tokens")
    parser.add_argument("--per", choices=("day", "week", "month"), default="month", help="of the budgets; default: month")
    parser.add_argument("--zone", type=_zone, default="UTC", metavar="ZONE", help="of the budgets' days; default: UTC")
    parser.add_argument("--soft", action="store_true", help="budgets only tell, and refuse nobody")
    parser.add_argument(
        "--on-unpriced",
        choices=("block", "allow"),
        default="block",
        help="targets of unknown price under a budget in dollars; default: block",
    )


def budgets_of(args: argparse.Namespace) -> list[StoredBudget]:
    """The budgets that were asked for."""
    amounts = ((args.usd, "usd"), (args.tokens, "tokens"))
    return [
        StoredBudget(amount, unit, args.per, args.zone, args.soft, args.on_unpriced if unit == "usd" else "block")
        for amount, unit in amounts
        if amount is not None
    ]

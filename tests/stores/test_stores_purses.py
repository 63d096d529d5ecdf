"""Budgets of the configuration, as a forecast takes them."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from support.simulation import settings

from proxy.core.limits import Budget, Limits, Period, Unit
from proxy.core.settings import ClientKey
from proxy.stores.insight.outlooks import Purse
from proxy.stores.insight.purses import purses_of

ZONE = ZoneInfo("Europe/Berlin")


def test_budgets_of_everything_that_can_have_one() -> None:
    daily = Limits(budgets=(Budget(5_000, per=Period.DAY, zone=ZONE), Budget(70, Unit.TOKENS, Period.WEEK)))
    plain = settings([["a/x"]])
    monthly = Limits(budgets=(Budget(9),))
    config = replace(
        plain,
        keys=(ClientKey("ci", "00" * 32, limits=daily), ClientKey("free", "11" * 32)),
        tags={"team:a": monthly},
        routes=tuple(replace(route, limits=monthly) for route in plain.routes),
        providers={name: replace(provider, limits=monthly) for name, provider in plain.providers.items()},
    )
    assert purses_of(plain) == []
    assert purses_of(config) == [
        Purse("key", "ci", "usd", 5_000, "day", ZONE),
        Purse("key", "ci", "tokens", 70, "week"),
        Purse("tag", "team:a", "usd", 9, "month"),
        Purse("route", "lamp", "usd", 9, "month"),
        Purse("provider", "a", "usd", 9, "month"),
    ]

"""The budgets of a configuration, as forecasts look at them."""

from collections.abc import Iterator

from proxy.core.limits import Limits, Scope
from proxy.core.settings import Settings
from proxy.stores.insight.outlooks import Purse


def _limited(settings: Settings) -> Iterator[tuple[Scope, str, Limits]]:
    for key in settings.keys:
        yield Scope.KEY, key.name, key.limits
    for tag, limits in settings.tags.items():
        yield Scope.TAG, tag, limits
    for route in settings.routes:
        yield Scope.ROUTE, route.name, route.limits
    for provider in settings.providers.values():
        yield Scope.PROVIDER, provider.name, provider.limits


def purses_of(settings: Settings) -> list[Purse]:
    """Every budget of every key, tag, route and provider."""
    return [
        Purse(scope.value, name, budget.unit.value, budget.amount, budget.per.value, budget.zone)
        for scope, name, limits in _limited(settings)
        for budget in limits.budgets
    ]

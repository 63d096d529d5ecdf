"""What a call would have cost at its first choice: the measure of what failover costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.settings import Settings
from proxy.core.usage import Price


@dataclass(frozen=True, slots=True)
class Tariff:
    """`prices` by target id; `first` by route: the targets of its first tier that take any request, in order."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def first_choice(self, route: str, asked: str, served: str) -> str | None:
        """Where a call would have gone had nothing been wrong, if that is elsewhere: the first tier for one that was served
        beyond it, else the target that was asked first. None: it went where it should."""
        tier = self.first.get(route, ())
        if tier and served not in tier:
            return tier[0]
        return None if asked == served else asked


def tariff_of(settings: Settings) -> Tariff:
    """The tariff of a configuration."""
    targets = [target for route in settings.routes for target in route.targets]
    return Tariff(
        {target.id: target.price for target in targets if target.price is not None},
        {route.name: tuple(t.id for t in route.tiers[0] if t.when is None) for route in settings.routes if route.tiers},
    )

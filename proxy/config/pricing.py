"""What a target costs: what the file says, else what the bundled list says about its vendor's model.

The list is resolved here, once; what is left for a call is a look-up (`core.usage.Tariff`). A price in the file is the
operator's contract and stands for whatever answers under that target, at any time and in any service tier.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from proxy.config.shapes import PriceModel, RatesModel
from proxy.core.usage import Price, Tariff
from proxy.stores.price_file import bundled
from proxy.tokens.price_list import VendorPrices


def pricing_of(preset: str) -> VendorPrices | None:
    """None: the models of this preset have no usual price (a server of one's own, a vendor that is not in the list)."""
    return bundled().vendor(preset)


def usual_price(tariff: Tariff | None) -> Price | None:
    """What the model cost on the day of the list: the one figure for comparing and showing targets."""
    return None if tariff is None else tariff.price(bundled().as_of)


def make_price(model: PriceModel) -> Price:
    """The file's dollars as nano-dollars."""
    price = replace(Price(0, 0, per_request=_nano(model.per_request or 0)), **_rates(model))
    tiers = sorted(model.tiers, key=lambda tier: tier.above)
    return replace(price, tiers=tuple((tier.above, replace(price, **_rates(tier))) for tier in tiers))


def _rates(model: RatesModel) -> dict[str, Any]:
    said = {name: getattr(model, name) for name in RatesModel.model_fields}
    return {name: _nano(value) for name, value in said.items() if value is not None}


def _nano(dollars: float) -> int:
    return int(Decimal(str(dollars)) * 1_000_000_000)

"""Limits and budgets as the file has them: for keys, tags, routes and providers alike."""

from collections.abc import Iterator
from datetime import tzinfo
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from proxy.config.pricing import make_price
from proxy.config.shapes import OneOrMany, Positive, PriceModel, Section, Text, as_list, name_from
from proxy.core.limits import Budget, Limits, Period, Rates, Unit, Unpriced
from proxy.pipeline.tagging import is_tag

NANO = 1_000_000_000
ZONE_FORMS = "a time zone such as UTC, Europe/Berlin or America/New_York"
PERCENT_FORMS = "a share such as 80% or 0.8"

_check_period, _period_schema = name_from([period.value for period in Period], "period")
_check_policy, _policy_schema = name_from([policy.value for policy in Unpriced], "policy")


def check_zone(value: str) -> str:
    """The name of a zone that is known here; ValueError."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": ZONE_FORMS}) from None
    return value


def _share(value: object) -> object:
    text = f"{value}".strip()
    try:
        number = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ArithmeticError:
        number = Decimal(0)
    if isinstance(value, bool) or not 0 < number <= 1:
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": PERCENT_FORMS})
    return float(number)


def _tag(value: str) -> str:
    if not is_tag(value):
        raise PydanticCustomError("bad_text", "a tag has 1 to 48 letters, digits and . _ : / -")
    return value


PeriodName = Annotated[str, AfterValidator(_check_period), _period_schema]
PolicyName = Annotated[str, AfterValidator(_check_policy), _policy_schema]
Zone = Annotated[Text, AfterValidator(check_zone)]
Share = Annotated[float, BeforeValidator(_share), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})]
Tag = Annotated[Text, AfterValidator(_tag)]


class RatesModel(Section):
    """Rates of a key, tag, route or provider."""

    rpm: Positive | None = Field(default=None, description="Requests a minute. Default: no limit.")
    tpm: Positive | None = Field(default=None, description="Tokens a minute, in and out. Default: no limit.")
    concurrent: Positive | None = Field(default=None, description="Requests at a time. Default: no limit.")


class BudgetModel(Section):
    """Money or tokens that may be used per period."""

    usd: Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)] | None = Field(
        default=None, description="Dollars. Either this or tokens."
    )
    tokens: Positive | None = Field(default=None, description="Tokens, in and out.")
    per: PeriodName = Field(default="month", description="day, week (from Monday) or month. Default month.")
    zone: Zone = Field(default="UTC", description="Time zone in which the period begins at midnight. Default UTC.")
    soft: bool = Field(default=False, description="Only tell when it is used up, and refuse nobody. Default false.")
    on_unpriced: PolicyName = Field(
        default="block",
        description="Targets of unknown price: block, allow (they cost nothing here) or assume. Default block.",
    )
    assume: PriceModel | None = Field(default=None, description="The price for on_unpriced: assume.")
    low: Share | None = Field(
        default=None, description="Used share that counts as running low. Default 80% where to is given."
    )
    to: Text | None = Field(
        default=None, description="In a route: the target whose tier is preferred once the budget runs low."
    )


Budgets = Annotated[tuple[BudgetModel, ...], BeforeValidator(as_list), OneOrMany()]


class TagModel(Section):
    """Limits of everything that carries a tag."""

    limits: RatesModel | None = Field(default=None, description="Rates of all its calls together.")
    budget: Budgets = Field(default=(), description="What all its calls may use together; one or a list.")


def find_zone(name: str) -> tzinfo:
    """A zone whose name was checked."""
    return ZoneInfo(name)


def make_budget(model: BudgetModel) -> Budget:
    """A budget that was found consistent."""
    low = model.low if model.low is not None else 0.8 if model.to is not None else 1.0
    return Budget(
        amount=model.tokens if model.tokens is not None else round(Decimal(str(model.usd)) * NANO),
        unit=Unit.USD if model.tokens is None else Unit.TOKENS,
        per=Period(model.per),
        zone=find_zone(model.zone),
        soft=model.soft,
        on_unpriced=Unpriced(model.on_unpriced),
        assumed=None if model.assume is None else make_price(model.assume),
        low=low,
        to=model.to,
    )


def make_limits(rates: RatesModel | None, budgets: tuple[BudgetModel, ...]) -> Limits:
    """Everything that is said of one subject."""
    return Limits(Rates() if rates is None else Rates(**dict(rates)), tuple(map(make_budget, budgets)))


Finding = tuple[tuple[str | int, ...], str]


def judge_budgets(budgets: tuple[BudgetModel, ...], targets: tuple[str, ...] | None) -> Iterator[Finding]:
    """What cannot be meant in the budgets of one subject, and where below it. `targets`: those of a route, else None."""
    seen: set[tuple[bool, str, str]] = set()
    for place, budget in enumerate(budgets):
        here = ("budget", place)
        if (budget.usd is None) == (budget.tokens is None):
            yield here, "needs either usd or tokens"
            continue
        kind = (budget.usd is None, budget.per, budget.zone)
        if kind in seen:
            yield here, "there is another budget of this unit, period and zone; only the smaller one could count"
        seen.add(kind)
        for key, why in (*_judge_policy(budget), *_judge_low(budget, targets)):
            yield (*here, key), why


def _judge_policy(budget: BudgetModel) -> Iterator[tuple[str, str]]:
    if budget.usd is None:
        for key in ("on_unpriced", "assume"):
            if key in budget.model_fields_set:
                yield key, "has no effect on a budget of tokens"
    elif budget.on_unpriced == Unpriced.ASSUME and budget.assume is None:
        yield "on_unpriced", "needs a price to assume: add assume: {input: …, output: …}"
    elif budget.on_unpriced != Unpriced.ASSUME and budget.assume is not None:
        yield "assume", "has no effect without on_unpriced: assume"


def _judge_low(budget: BudgetModel, targets: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
    if budget.to is None:
        return
    if targets is None:
        yield "to", "only the budget of a route can name a cheaper target"
    elif budget.to not in targets:
        yield "to", f"is none of the route's targets: {', '.join(targets)}"
    elif budget.to == targets[0]:
        yield "to", "is the target that the route begins with anyway"

"""A list of prices as data: which row a model's name finds, and what that row says at a time and in a service tier.

Theory of operation. The list holds, per vendor, rows in order; each row says which names it matches, and the first match
wins. A row has steps: the last one that is in force counts (a price from a day on, a price between two hours of the day).
Other service tiers (batch, flex, priority, fast) replace single rates of it. A `ListTariff` resolves all that once and
remembers until when the answer holds, so that a call costs two look-ups.

What the list does not say stays unknown: a model in no row, a row that is not priced by tokens, a service tier that the
row has no rates for. A fine-tuned model never falls back to its base. Fees for tools that the vendor hosts (searches) are
not part of any price here.

Refuses to know where the list comes from (`stores/price_file.py`) and the clock. The shape of the data is that of the
`genai-prices` package, which `scripts/build_prices.py` reads.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from proxy.core.usage import Price

#: Nano-dollars per million tokens: one rate, or a rate followed by (above, rate) pairs for longer requests.
Rate = int | list[int]

#: Preset -> the lists that its models stand in, the vendor's own first. A preset that is missing here has no usual prices.
LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": ("openai",),
        "anthropic": ("anthropic",),
        "azure": ("azure", "openai", "anthropic", "deepseek", "x-ai", "moonshotai"),
        "openrouter": ("openrouter",),
        "groq": ("groq",),
        "mistral": ("mistral",),
        "deepseek": ("deepseek",),
        "xai": ("x-ai",),
        "together": ("together",),
        "fireworks": ("fireworks",),
        "perplexity": ("perplexity",),
        "zai": ("zai",),
        "cerebras": ("cerebras",),
        "gemini": ("google",),
        "vertex": ("google", "anthropic"),
        "bedrock": ("aws",),
        "cohere": ("cohere",),
    }
)
#: Service tiers that cost something else. All other words (`default`, `standard`, `on_demand`, …) mean the usual price.
SERVICES = frozenset(("batch", "flex", "priority", "fast"))
#: Names that a target is asked to remember, since an answer may name any model.
MAX_SERVED = 64
#: Models that a vendor is asked to remember, since clients may name any that they reach directly.
MAX_MODELS = 1000
FOREVER = float("inf")

_BLANK = Price(0, 0)

#: `models/gemini-…`, `publishers/google/models/gemini-…`: a resource's name, of which only the end counts.
_RESOURCE = re.compile(r"^(?:.*/)?models/(?=[^/]+$)")
_COMPACT_DATE = re.compile(r"-(20\d\d)(\d\d)(\d\d)$")


class Step(Struct, frozen=True):
    """Rates in force from a day on (`since`, ISO, UTC) or between two minutes of every day (`hours`, UTC)."""

    rates: dict[str, Rate]
    since: date | None = None
    hours: tuple[int, int] | None = None

    def holds(self, wall: float) -> bool:
        """Is it in force at this Unix time?"""
        now = datetime.fromtimestamp(wall, UTC)
        if self.since is not None and now.date() < self.since:
            return False
        if self.hours is None:
            return True
        minute, (start, end) = now.hour * 60 + now.minute, self.hours
        return start <= minute < end if start <= end else minute >= start or minute < end

    def turns(self, wall: float) -> list[float]:
        """Unix times around `wall` at which it may come into force or go out of it."""
        found = [] if self.since is None else [_midnight(self.since)]
        if self.hours is not None:
            today = datetime.fromtimestamp(wall, UTC).date()
            days = [_midnight(today + timedelta(days=shift)) for shift in (-1, 0, 1)]
            found += [day + 60 * minute for day in days for minute in self.hours]
        return found


class Row(Struct, frozen=True):
    """One model. `steps` empty: its price is not known. `doubt`: what a second source says otherwise."""

    id: str
    match: list[Any]
    steps: list[Step] = []
    services: dict[str, list[Step]] = {}
    doubt: str = ""


class Source(Struct, frozen=True):
    """A package that the list was made from or compared with."""

    name: str
    version: str
    licence: str
    use: str


class ListFile(Struct, frozen=True):
    """The whole list. `date`: the day it was made."""

    date: date
    sources: list[Source]
    vendors: dict[str, list[Row]]


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def matches(clause: Sequence[Any], name: str) -> bool:
    """Does a name (lower case) fit: `=` is one of, `^` begins with, `$` ends with, `*` contains, `~` a pattern."""
    kind, *values = clause
    if kind == "=":
        return name in values
    if kind == "^":
        return name.startswith(tuple(values))
    if kind == "$":
        return name.endswith(tuple(values))
    if kind == "*":
        return any(value in name for value in values)
    if kind == "~":
        return any(re.search(value, name) for value in values)
    if kind == "and":
        return all(matches(inner, name) for inner in values)
    return kind == "or" and any(matches(inner, name) for inner in values)


def make_price(rates: Mapping[str, Rate]) -> Price:
    """One price, with a tier for every length at which some rate changes."""
    edges = sorted({edge for rate in rates.values() if isinstance(rate, list) for edge in rate[1::2]})

    def above(edge: int) -> Price:
        found: dict[str, Any] = {name: _rate_above(rate, edge) for name, rate in rates.items()}
        return replace(_BLANK, **found)

    return replace(above(-1), tiers=tuple((edge, above(edge)) for edge in edges))


def _rate_above(rate: Rate, edge: int) -> int:
    """The rate of requests just above so many tokens."""
    if isinstance(rate, int):
        return rate
    found = rate[0]
    for above, value in zip(rate[1::2], rate[2::2], strict=True):
        if above <= edge:
            found = value
    return found


class VendorPrices:
    """The rows of one vendor, those of vendors whose models it resells after them. Implements `Pricing`. `origin`: of the
    list, for people."""

    def __init__(self, own: Sequence[Row], resold: Sequence[Row] = (), origin: str = "a list") -> None:
        self.origin = origin
        self._own = len(own)
        self._rows = [*own, *resold]
        self._exact: dict[str, int] = {}
        self._others: list[int] = []
        for place, row in enumerate(self._rows):
            if row.match[0] == "=":
                for name in row.match[1:]:
                    self._exact.setdefault(name, place)
            else:
                self._others.append(place)
        self._tariffs: dict[str, ListTariff] = {}

    def tariff(self, model: str) -> "ListTariff":
        known = self._tariffs.get(model)
        if known is None:
            known = ListTariff(self, model)
            if len(self._tariffs) < MAX_MODELS:
                self._tariffs[model] = known
        return known

    def find(self, model: str) -> tuple[Row, bool] | None:
        """The row of a model, and whether the vendor's own list has it; None: no row."""
        name = _RESOURCE.sub("", model.lower())
        place = self._find(name)
        if place is None:
            dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
            place = self._find(dashed) if dashed != name else None
        if place is None:
            return None
        row = self._rows[place]
        if name.startswith("ft:") and not row.id.startswith("ft:"):
            return None
        return row, place < self._own

    def _find(self, name: str) -> int | None:
        best = self._exact.get(name)
        for place in self._others:
            if best is not None and best < place:
                break
            if matches(self._rows[place].match, name):
                return place
        return best


class ListTariff:
    """What a model costs by the list. Implements `Tariff`."""

    __slots__ = ("_model", "_others", "_own", "_pricing", "_row", "_spans")

    def __init__(self, pricing: VendorPrices, model: str) -> None:
        found = pricing.find(model)
        self._pricing = pricing
        self._model = model
        self._row = None if found is None else found[0]
        self._own = found is not None and found[1]
        self._others: dict[str, ListTariff] = {}
        self._spans: dict[str, tuple[float, float, Price | None]] = {}

    def __repr__(self) -> str:
        return f"<ListTariff {self._model}: {'no row' if self._row is None else self._row.id}>"

    @property
    def row(self) -> Row | None:
        """Where the list has it."""
        return self._row

    @property
    def origin(self) -> str:
        """See `Tariff`."""
        return "" if self._row is None or not self._row.steps else self._pricing.origin

    def price(self, wall: float, served: str | None = None, tier: str = "") -> Price | None:
        """See `Tariff`. The model that answered counts, or the target's own where the list does not know that one."""
        if served and served != self._model:
            return self._serving(served).price(wall, None, tier)
        service = tier if tier in SERVICES else ""
        span = self._spans.get(service)
        if span is None or not span[0] <= wall < span[1]:
            span = self._spans[service] = self._resolve(service, wall)
        return span[2]

    def _serving(self, served: str) -> "ListTariff":
        known = self._others.get(served)
        if known is None:
            if len(self._others) >= MAX_SERVED:
                return self
            other = ListTariff(self._pricing, served)
            # A fine-tuned model that nobody has priced is not its base.
            known = self if other._row is None and not served.startswith("ft:") else other
            self._others[served] = known
        return known

    def _resolve(self, service: str, wall: float) -> tuple[float, float, Price | None]:
        """(since, until, price): what holds at `wall`, and how long."""
        row = self._row
        if row is None or not row.steps:
            return -FOREVER, FOREVER, None
        special = row.services.get(service, []) if self._own else []
        turns = [turn for step in (*row.steps, *special) for turn in step.turns(wall)]
        since = max((turn for turn in turns if turn <= wall), default=-FOREVER)
        until = min((turn for turn in turns if turn > wall), default=FOREVER)
        step = next((step for step in reversed(row.steps) if step.holds(wall)), row.steps[0])
        rates = dict(step.rates)
        if service:
            changes = [change for change in special if change.holds(wall)]
            if not changes:
                return since, until, None
            for change in reversed(changes):  # the first one that names a rate counts
                rates.update(change.rates)
        return since, until, make_price(rates)


class PriceList:
    """Every vendor's prices. `date`: the day they were gathered, None where there is no list."""

    def __init__(self, file: ListFile | None = None, trouble: str = "") -> None:
        self._file = file
        self._vendors: dict[str, VendorPrices] = {}
        self.trouble = trouble
        self.date = None if file is None else file.date

    def __str__(self) -> str:
        """What an operator is told of it."""
        if self._file is None:
            return f"none ({self.trouble})" if self.trouble else "none"
        first = self._file.sources[0] if self._file.sources else None
        origin = "" if first is None else f" ({first.name} {first.version})"
        return f"bundled list of {self.date}{origin}; a price in the file goes before it"

    @property
    def as_of(self) -> float:
        """Unix time of the list's day: when nothing is being charged, its prices are shown as of then."""
        return 0.0 if self.date is None else _midnight(self.date)

    def vendor(self, preset: str) -> VendorPrices | None:
        """The prices of a preset's models; None: it has no usual ones."""
        names = LISTS.get(preset)
        if names is None or self._file is None:
            return None
        known = self._vendors.get(preset)
        if known is None:
            own, *resold = (self._file.vendors.get(name, []) for name in names)
            known = self._vendors[preset] = VendorPrices(
                own, [row for rows in resold for row in rows], f"list of {self._file.date}"
            )
        return known

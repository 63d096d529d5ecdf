"""Tokens of one attempt, where the numbers come from, and what tokens cost."""

import enum
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct


class UsageSource(enum.StrEnum):
    """A number that the provider reported is never silently mixed with one that we estimated. `mixed`: the provider reported
    the input before its stream was cut, and the output is our estimate; or the other way round."""

    PROVIDER = "provider"
    ESTIMATE = "estimate"
    MIXED = "mixed"


class Usage(Struct, gc=False):
    """Tokens. `input` includes `cached` and `cache_write`; `output` includes `reasoning`.

    Every other count is part of one of these too: `cache_write_1h` of `cache_write` (the rest lives for minutes),
    `audio_in` and `image_in` of `input`, `audio_cached` and `image_cached` of them and of `cached`, `audio_out` and
    `image_out` of `output`. `tokens/buckets.py` takes them apart.

    `lower_bound`: an estimate that cannot see all (hidden reasoning, remote images). `billed`: input and output that cost
    money, where the vendor says that they are others (Cohere does not bill its own instructions). `tier`: the service
    tier that answered, in the vendor's word ("": the usual one, or not said). `raw_input`: where `input` is an estimate,
    what it was before the target's own `factor` (learned from answers that reported) was laid over it; 0: no estimate.
    `contradicts`: as it was reported, some part was larger than its whole; it has been cut down.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    source: UsageSource = UsageSource.PROVIDER
    lower_bound: bool = False
    billed: tuple[int, int] | None = None
    cache_write_1h: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    image_in: int = 0
    image_cached: int = 0
    audio_out: int = 0
    image_out: int = 0
    tier: str = ""
    raw_input: int = 0
    factor: float = 1.0
    contradicts: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output


#: Words for the service tier that everybody gets.
_USUAL_TIERS = frozenset(("default", "standard", "auto", "on_demand"))


def unusual_tier(word: object) -> str:
    """The service tier that a vendor names, for `Usage.tier`; "" for the usual one and for what is no word."""
    return word if isinstance(word, str) and word not in _USUAL_TIERS else ""


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars (1e-9 USD) for a million tokens; USD 2.50 per million is 2_500_000_000. `per_request` in nano-dollars.

    What is None costs what its whole costs: `cached` and `cache_write` as `input`, `cache_write_1h` as `cache_write`,
    `audio_in` as `input`, `reasoning` as `output`, and so on. `tiers`: (n, price) by rising n; a request of more than n
    input tokens, cached ones included, is priced by it as a whole.
    """

    input: int
    output: int
    cached: int | None = None
    per_request: int = 0
    cache_write: int | None = None
    cache_write_1h: int | None = None
    audio_in: int | None = None
    audio_cached: int | None = None
    image_in: int | None = None
    image_cached: int | None = None
    audio_out: int | None = None
    image_out: int | None = None
    reasoning: int | None = None
    tiers: "tuple[tuple[int, Price], ...]" = ()

    #: Some kind of token has a rate of its own besides text and the cache. Worked out once: pricing asks for every attempt.
    by_kind: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kinds = (self.audio_in, self.audio_cached, self.image_in, self.image_cached, self.audio_out, self.image_out)
        object.__setattr__(self, "by_kind", any(rate is not None for rate in (*kinds, self.reasoning)))


class Tariff(Protocol):
    """What a target costs where that depends on more than the target: prices change, and a vendor may answer with
    another model or in another service tier than was asked for."""

    def price(self, wall: float, served: str | None = None, tier: str = "") -> Price | None:
        """For a call that began at `wall` (Unix time). None: unknown."""

    @property
    def origin(self) -> str:
        """Where the price is from, and of which day; "" where there is none."""


class Pricing(Protocol):
    """The prices of one vendor's models."""

    def tariff(self, model: str) -> Tariff:
        """Of a model by its upstream name, known or not."""

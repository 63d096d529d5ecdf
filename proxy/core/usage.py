"""Tokens of one attempt, and where the numbers come from."""

import enum
from dataclasses import dataclass

from msgspec import Struct


class UsageSource(enum.StrEnum):
    """A number that the provider reported is never silently mixed with one that we estimated."""

    PROVIDER = "provider"
    ESTIMATE = "estimate"
    MIXED = "mixed"


class Usage(Struct, gc=False):
    """Tokens. `input` includes `cached` and `cache_write`; `output` includes `reasoning`.

    `lower_bound`: an estimate that cannot see all (hidden reasoning, remote images). `billed`: input and output that cost
    money, where the vendor says that they are others (Cohere does not bill its own instructions).
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    source: UsageSource = UsageSource.PROVIDER
    lower_bound: bool = False
    billed: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars (1e-9 USD) for a million tokens; USD 2.50 per million is 2_500_000_000."""

    input: int
    output: int
    cached: int | None = None
    per_request: int = 0

"""What a route may do beyond trying its targets in turn, as it is written in the file. All of it is off unless written."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.shapes import Section
from proxy.config.units import parse_duration

P95 = "p95"


def _after(value: object) -> float | None:
    return None if value == P95 else parse_duration(value)


def read_share(value: object) -> float:
    """5% or 0.05; PydanticCustomError."""
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise PydanticCustomError("wrong_form", "expected a share such as 5% or 0.05")
    return share


Share = Annotated[
    float,
    BeforeValidator(read_share),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "string"}]}),
]
Patience = Annotated[
    float | None,
    BeforeValidator(_after),
    WithJsonSchema({"anyOf": [{"const": P95}, {"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


class HedgeModel(Section):
    """A second copy of a request that is slow to begin goes to another target; the first content wins. Written as
    `hedge: p95`, as a time, or with more said about it."""

    after: Patience = Field(
        default=None, description="Without content for so long; p95: than 95 of 100 calls of its target need. Default p95."
    )
    share: Share = Field(default=0.05, description="Part of the route's calls that may be sent twice. Default 5%.")

    @model_validator(mode="before")
    @classmethod
    def from_text(cls, value: object) -> object:
        """`p95` and `800ms` stand for `{after: …}`."""
        return value if isinstance(value, dict) else {"after": value}

"""What a route may do beyond trying its targets in turn, as it is written in the file. All of it is off unless written."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.shapes import OneOrMany, Section, Text, as_list
from proxy.config.units import Count, Duration, Size, parse_duration

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


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise PydanticCustomError("bad_text", "is no regular expression: {why}", {"why": str(error)}) from None
    return value


Pattern = Annotated[Text, AfterValidator(_pattern)]


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


class EscalateModel(Section):
    """A cheap target first: a whole answer has to pass these checks, or a later tier is asked. Streams are held back to
    their end."""

    finish: bool = Field(default=True, description="It must have ended by itself, not at a limit. Default true.")
    refusal: bool = Field(default=True, description="It must not be a refusal (told in English). Default true.")
    valid_json: bool = Field(default=True, description="Where JSON is asked for it must be JSON. Default true.")
    valid_schema: bool = Field(
        default=False, description="And meet the schema that is asked for; needs undimmed[schema]. Default false."
    )
    matches: Pattern | None = Field(default=None, description="A regular expression that must be found in its text.")
    rejects: Pattern | None = Field(default=None, description="A regular expression that must not be found in its text.")
    min_length: Count | None = Field(default=None, description="Characters that it must have.")
    min_logprob: Annotated[float, Field(le=0)] | None = Field(
        default=None, description="Least mean logprob of its tokens, for requests that ask for logprobs."
    )
    command: Annotated[tuple[Text, ...], BeforeValidator(as_list), OneOrMany()] = Field(
        default=(), description="A program that gets it as JSON on its input, and ends with status 0 if it passes; no shell."
    )
    webhook: Text | None = Field(default=None, description="An address that is sent the same, and answers 2xx if it passes.")
    timeout: Duration | None = Field(
        default=None, description="For command and webhook; one that does not answer lets it pass. Default 5s."
    )


class CacheModel(Section):
    """Where answers are kept that routes with `degrade.stale` may repeat. It holds what models said."""

    file: Text = Field(
        default="undimmed-cache.db", description="A file that only this user can read. Default undimmed-cache.db."
    )
    size: Size = Field(default=256 * 1024 * 1024, description="Most bytes of answers; the oldest go. Default 256MiB.")

"""What the models of the file are made of: the strict base, values in two notations, names from a table."""

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema

from proxy.config.units import Count, Duration, whole_number
from proxy.core.features import HARD
from proxy.policy.strategies import STRATEGIES
from proxy.providers.presets import PRESETS
from proxy.providers.table import KINDS


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors. None in a field means that the file does not say."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OneOrMany:
    """Shows editors that a list may also be written as its single item."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def as_list(value: object) -> object:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def name_from(choices: Iterable[str], what: str) -> tuple[Callable[[str], str], WithJsonSchema]:
    """Validator and schema of a text that must be one of `choices`; the nearest one is named by the reader of errors."""
    known = list(choices)

    def check(value: str) -> str:
        if value not in known:
            raise PydanticCustomError("unknown_name", "unknown {what}", {"what": what, "choices": known})
        return value

    return check, WithJsonSchema({"type": "string", "enum": known})


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected text")
    if not value or value != value.strip() or not value.isprintable():
        raise PydanticCustomError("bad_text", "must be text without surrounding spaces or control characters")
    return value


#: Text with something in it.
Text = Annotated[str, BeforeValidator(_text)]

# A preset's name may be used in place of a kind's.
_check_kind, _kind_schema = name_from(dict.fromkeys([*KINDS, *PRESETS]), "kind")
_check_preset, _preset_schema = name_from(PRESETS, "preset")
_check_strategy, _strategy_schema = name_from(STRATEGIES, "strategy")
_check_feature, _feature_schema = name_from(sorted(feature.value for feature in HARD), "feature")
_check_leave, _leave_schema = name_from(("cancel", "drain"), "way to leave")
_check_probe, _probe_schema = name_from(("auto", "passive", "free", "completion"), "probe kind")

Kind = Annotated[str, AfterValidator(_check_kind), _kind_schema]
PresetName = Annotated[str, AfterValidator(_check_preset), _preset_schema]
Strategy = Annotated[str, AfterValidator(_check_strategy), _strategy_schema]
FeatureName = Annotated[str, AfterValidator(_check_feature), _feature_schema]
OnLeave = Annotated[str, AfterValidator(_check_leave), _leave_schema]
ProbeKind = Annotated[str, AfterValidator(_check_probe), _probe_schema]

Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[Count, Field(ge=1)]
Weight = Annotated[int, *whole_number(1, 10_000)]
Attempts = Annotated[int, *whole_number(1, 20)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


#: USD per million tokens. The cheapest price known is six times as much.
LEAST_RATE = 0.0005


def _per_million(value: float) -> float:
    """No model costs so little that this is not a price per token, which most price lists are written in."""
    if 0 < value < LEAST_RATE:
        raise PydanticCustomError("bad_text", "looks like a price per token; write USD per million tokens")
    return value


Rate = Annotated[Dollars, AfterValidator(_per_million)]


class TimeoutModel(Section):
    """Time limits of a call. What is not written here comes from `defaults`, then from the shipped values."""

    connect: Duration | None = Field(default=None, description="DNS, TCP and TLS of one attempt. Default 3s.")
    first_content: Duration | None = Field(
        default=None, description="From sending a streamed request to the first event with content. Default 15s."
    )
    idle: Duration | None = Field(default=None, description="Longest silence between two events of a stream. Default 30s.")
    total: Duration | None = Field(default=None, description="Over all attempts of a call, waiting included. Default 10m.")
    answer: Duration | None = Field(
        default=None, description="Until the end of an answer that is not streamed. Default: four times first_content."
    )


class RetryModel(Section):
    """How often, and how soon, a call is tried again after a failure that allows it."""

    attempts: Attempts | None = Field(
        default=None, description="Attempts of one call over all its targets, the first one included. Default 3."
    )
    base: Duration | None = Field(
        default=None, description="First wait before the same target is tried again. Default 100ms."
    )
    cap: Duration | None = Field(default=None, description="Longest such wait. Default 2s.")
    budget_ratio: Ratio | None = Field(
        default=None, description="Part of a target's attempts in the last 10 s that may be retries. Default 0.2."
    )
    budget_floor: Count | None = Field(default=None, description="Retries in 10 s that are always allowed. Default 3.")
    on_content_filter: bool | None = Field(
        default=None, description="Ask the next target when one refuses on grounds of content. Default false."
    )


class BreakerModel(Section):
    """When a target is taken out of traffic, and how it comes back. Rules are alternatives: any of them trips."""

    window: Duration | None = Field(default=None, description="How far back the rates look. Default 30s.")
    minimum: Positive | None = Field(default=None, description="Calls in the window before a rate counts. Default 20.")
    recent: Positive | None = Field(default=None, description="The last so many calls, for recent_failures. Default 20.")
    recent_failures: Positive | None = Field(
        default=None, description="Failures among the recent calls that trip. Default 16."
    )
    failure_rate: Ratio | None = Field(default=None, description="Failed part of the window that trips. Default 0.5.")
    slow: Duration | None = Field(default=None, description="A call slower than this to first content is slow. Default 10s.")
    slow_rate: Ratio | None = Field(default=None, description="Slow part of the window that trips. Default 0.8.")
    consecutive: Positive | None = Field(
        default=None, description="Failures in a row that trip while the window holds fewer calls than minimum. Default 5."
    )
    stall: bool | None = Field(default=None, description="Trip when requests wait far beyond the usual. Default true.")
    stall_count: Positive | None = Field(default=None, description="Waiting requests that the stall rule needs. Default 10.")
    stall_factor: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        default=None, description="How many times the target's p99 time to first byte they must have waited. Default 3."
    )
    stall_floor: Duration | None = Field(default=None, description="And at least this long. Default 1s.")
    open_for: Duration | None = Field(
        default=None, description="Pause after the first trip, doubled at each failed trial. Default 10s."
    )
    open_cap: Duration | None = Field(default=None, description="Longest pause. Default 5m.")
    jitter: Ratio | None = Field(default=None, description="Random part of the pause, both ways. Default 0.2.")
    ramp: Duration | None = Field(default=None, description="Time from a successful trial to full traffic. Default 30s.")
    ramp_from: Ratio | None = Field(default=None, description="Part of the traffic the ramp begins with. Default 0.1.")


class ProbeModel(Section):
    """Active probes. Only targets out of traffic, or idle, are probed; healthy ones show their health by themselves."""

    kind: ProbeKind | None = Field(
        default=None,
        description="auto (free, then paid where the free one is known to lie), passive (never), free, completion.",
    )
    path: Text | None = Field(default=None, description="Path of the free probe instead of the provider's usual one.")
    every: Duration | None = Field(default=None, description="Time between probes of one target. Default 30s.")
    idle_after: Duration | None = Field(
        default=None, description="No traffic for this long makes a target idle. Default 1m."
    )
    jitter: Ratio | None = Field(default=None, description="Random part of `every`, both ways. Default 0.2.")
    timeout: Duration | None = Field(default=None, description="Time limit of a probe. Default 10s.")
    healthy: Positive | None = Field(default=None, description="Good probes in a row before a trial. Default 2.")
    unhealthy: Positive | None = Field(default=None, description="Bad probes in a row that open an idle target. Default 3.")
    hourly_completions: Count | None = Field(
        default=None, description="Most paid (1-token) probes per hour and provider. Default 120."
    )


class RatesModel(Section):
    """US dollars for a million tokens."""

    input: Rate | None = Field(default=None, description="USD for a million input tokens.")
    output: Rate | None = Field(default=None, description="USD for a million output tokens.")
    cached: Rate | None = Field(
        default=None, description="USD for a million input tokens read from a cache. Default: as input."
    )
    cache_write: Rate | None = Field(
        default=None, description="USD for a million input tokens written into a cache. Default: as input."
    )
    cache_write_1h: Rate | None = Field(
        default=None, description="The same where the cache keeps them for an hour. Default: as cache_write."
    )
    audio_in: Rate | None = Field(default=None, description="USD for a million tokens of audio heard. Default: as input.")
    audio_cached: Rate | None = Field(
        default=None, description="USD for a million tokens of audio read from a cache. Default: as audio_in, else cached."
    )
    audio_out: Rate | None = Field(default=None, description="USD for a million tokens of audio spoken. Default: as output.")
    image_in: Rate | None = Field(default=None, description="USD for a million tokens of images seen. Default: as input.")
    image_out: Rate | None = Field(default=None, description="USD for a million tokens of images made. Default: as output.")
    reasoning: Rate | None = Field(default=None, description="USD for a million reasoning tokens. Default: as output.")


class TierModel(RatesModel):
    """The rates of longer requests, for all of their tokens. What is not written here stays as in the price."""

    above: Positive = Field(description="Input tokens, cached ones included, above which these rates hold.")


class PriceModel(RatesModel):
    """US dollars, in place of the bundled price. Unknown prices stay unknown: they are never counted as 0."""

    input: Rate = Field(description="USD for a million input tokens.")
    output: Rate = Field(description="USD for a million output tokens.")
    tiers: tuple[TierModel, ...] = Field(default=(), description="Rates of longer requests; the highest that fits holds.")
    per_request: Dollars | None = Field(default=None, description="USD for each request, on top. Default 0.")

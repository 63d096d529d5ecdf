"""Priorities, and the limits at which the proxy protects itself, as the file has them."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from proxy.config.resilience_models import Share, read_share
from proxy.config.shapes import Section, name_from
from proxy.config.units import Duration, parse_duration
from proxy.core.overload import USUAL, OverloadSettings
from proxy.core.priorities import PRIORITIES

OFF = "off"
_check_priority, _priority_schema = name_from(PRIORITIES, "priority")

PriorityName = Annotated[str, AfterValidator(_check_priority), _priority_schema]


def _is_off(value: object) -> bool:
    # YAML's `off` is a boolean to most readers.
    return value is False or value == OFF


def _lag(value: object) -> float:
    return 0.0 if _is_off(value) else parse_duration(value)


def _part(value: object) -> float:
    return 0.0 if _is_off(value) else read_share(value)


_SCHEMA = WithJsonSchema({"anyOf": [{"const": OFF}, {"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]})
#: 0 is off.
Lag = Annotated[float, BeforeValidator(_lag), _SCHEMA]
Part = Annotated[float, BeforeValidator(_part), _SCHEMA]


class OverloadModel(Section):
    """When the proxy turns calls away to stay alive itself, those of the lowest priority first; or `off`."""

    lag: Lag | None = Field(
        default=None, description="The event loop is late by this, standing: calls are shed; or off. Default 50ms."
    )
    refuse_lag: Duration | None = Field(default=None, description="By this: all are refused. Default 500ms.")
    memory: Part | None = Field(
        default=None, description="Used part of memory_limit from which on calls are shed; or off. Default 95%."
    )
    refuse_memory: Share | None = Field(default=None, description="From which on all are refused. Default 98%.")

    @model_validator(mode="before")
    @classmethod
    def from_off(cls, value: object) -> object:
        """`off` stands for neither lag nor memory."""
        return {"lag": OFF, "memory": OFF} if _is_off(value) else value


def make_overload(model: OverloadModel | None) -> OverloadSettings:
    """The shipped values, with what is written on top."""
    usual = USUAL
    if model is None:
        return usual
    lag, refuse_lag = model.lag or usual.lag, model.refuse_lag or usual.refuse_lag
    memory, refuse_memory = model.memory or usual.memory, model.refuse_memory or usual.refuse_memory
    if model.lag == 0.0:
        lag = refuse_lag = None
    if model.memory == 0.0:
        memory = refuse_memory = None
    return OverloadSettings(lag, refuse_lag, memory, refuse_memory)

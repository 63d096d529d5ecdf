"""The block `detect`: how closely answers are watched for brownouts. On by default, for every provider."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from proxy.config.shapes import Section
from proxy.core.detection import ON, DetectSettings, Sensitivity

if TYPE_CHECKING:
    from proxy.config.source import Path
    from proxy.config.validation import Draft

_OFF = {"slow": False, "wrong": False, "domains": False, "min_rate": 0}


class DetectModel(Section):
    """Brownouts: what is watched. `on` and `off` stand for all of it."""

    slow: bool | None = Field(default=None, description="Speed against a target's own baseline. Default true.")
    wrong: bool | None = Field(
        default=None, description="Answers that are empty, cut, refused or broken more often than usual. Default true."
    )
    domains: bool | None = Field(
        default=None, description="Targets that fail together: one host, region, vendor or refused account. Default true."
    )
    sensitivity: Literal["low", "normal", "high"] | None = Field(
        default=None, description="How much has to be wrong before a target is passed over. Default normal."
    )
    min_rate: Annotated[float, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Tokens a second below which a stream is cut, over half a minute; 0: never."
        " Default 0.5, for local servers 0.",
    )

    @model_validator(mode="before")
    @classmethod
    def from_word(cls, value: object) -> object:
        """`off` (which YAML reads as false) switches everything off."""
        if value is False or value == "off":
            return _OFF
        return {} if value is True or value == "on" else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "boolean"}, {"enum": ["on", "off"]}, handler(schema)]}


def detect_settings(usual_rate: float | None, *sections: DetectModel | None) -> DetectSettings:
    """What holds for a provider: later sections on top. `usual_rate`: its least pace where nobody wrote one, None: the
    general one."""
    settings = ON if usual_rate is None else replace(ON, min_rate=usual_rate)
    for section in sections:
        if section is not None:
            said = {key: value for key, value in section if value is not None}
            if "sensitivity" in said:
                said["sensitivity"] = Sensitivity(said["sensitivity"])
            settings = replace(settings, **said)
    return settings


def check_detect(draft: "Draft") -> "Iterator[tuple[Path, str]]":
    """A sensitivity of nothing."""
    defaults = draft.document.defaults.detect
    places: list[tuple[Path, DetectModel | None]] = [(("defaults", "detect"), defaults)]
    places += [(("providers", name, "detect"), provider.detect) for name, provider in draft.document.providers.items()]
    for place, section in places:
        if section is None or section.sensitivity is None:
            continue
        if not detect_settings(None, defaults, section).watches:
            yield (*place, "sensitivity"), "has no effect with slow: false and wrong: false"

"""The shape of `alerts:`: a webhook, what it is told, and from where on."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from proxy.config.shapes import Dollars, OneOrMany, Positive, Ratio, Section, Text, as_list, name_from
from proxy.config.units import Duration
from proxy.core.alarming import Topic
from proxy.wire.alert_messages import ENCODERS

_check_topic, _topic_schema = name_from([topic.value for topic in Topic], "topic")
_check_format, _format_schema = name_from(ENCODERS, "format")

TopicName = Annotated[str, AfterValidator(_check_topic), _topic_schema]
FormatName = Annotated[str, AfterValidator(_check_format), _format_schema]
Factor = Annotated[float, Field(ge=0.1, le=1000, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.01, le=10, allow_inf_nan=False)]


def _feed(value: object) -> object:
    return "off" if value is False else value


StatusFeed = Annotated[Text, BeforeValidator(_feed)]


class AlertModel(Section):
    """A webhook, and what it is told. Thresholds that are not written are the shipped ones."""

    webhook: SecretStr = Field(description="Address that messages are posted to; better ${NAME} than the address itself.")
    when: Annotated[tuple[TopicName, ...], BeforeValidator(as_list), OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="budget, spend, target, credential, estimates, unpriced, ledger, config, incident. Default: all.",
    )
    name: Text | None = Field(
        default=None, description="Shown in health, metrics and logs in place of the address. Default: its number."
    )
    format: FormatName | None = Field(
        default=None, description="json, or slack for Slack's incoming webhooks. Default: told by the address."
    )
    secret: SecretStr | None = Field(
        default=None, description="Signs the messages (Standard Webhooks): whsec_ and base64, or 24 characters and more."
    )
    budget_steps: tuple[Share, ...] | None = Field(
        default=None, description="Used parts of a budget that are told. Default [0.5, 0.8, 1]."
    )
    budget_pace: Factor | None = Field(
        default=None,
        description="Multiplies the paces at which a budget burns too fast; above 1 is quieter. Default 1.",
    )
    spend_deviations: Factor | None = Field(
        default=None, description="Deviations above the usual at which an hour is unusual. Default 6."
    )
    spend_factor: Annotated[Factor, Field(ge=1)] | None = Field(
        default=None, description="And at least so many times the usual. Default 2."
    )
    spend_floor: Dollars | None = Field(default=None, description="And at least so many dollars in the hour. Default 1.")
    token_floor: Positive | None = Field(
        default=None, description="Tokens of an hour below which they are never unusual. Default 1M."
    )
    target_after: Duration | None = Field(
        default=None, description="How long a target is out of traffic before that is told. Default 30s."
    )
    estimates_share: Ratio | None = Field(
        default=None, description="Estimated part of an hour's tokens that is too much. Default 0.2."
    )
    unpriced_attempts: Positive | None = Field(
        default=None, description="Attempts of unknown price in an hour, at one target, that are told. Default 10."
    )

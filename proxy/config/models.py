"""The shape of `undimmed.yaml`, one class per section. `undimmed schema` prints it for editors."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SecretStr, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema

from proxy.config.alert_models import AlertModel, StatusFeed
from proxy.config.capacity_models import OverloadModel, PriorityName
from proxy.config.continuity_rules import Hold, ResumeMode
from proxy.config.credential_models import CredentialModel
from proxy.config.detect_rules import DetectModel
from proxy.config.limit_rules import Budgets, RatesModel, Tag, TagModel
from proxy.config.resilience_models import CacheModel, EscalateModel, HedgeModel
from proxy.config.shapes import (
    BreakerModel,
    FeatureName,
    Kind,
    OneOrMany,
    OnLeave,
    Positive,
    PresetName,
    PriceModel,
    ProbeModel,
    RetryModel,
    Section,
    Strategy,
    Text,
    TimeoutModel,
    Weight,
    as_list,
)
from proxy.config.units import Count, Duration, Size
from proxy.core.keys import KEYED
from proxy.core.priorities import NORMAL

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
ADDRESS_FORMS = "an address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080"


MOMENT_FORMS = "a date or a time, such as 2027-01-31 or 2027-01-31T18:00+01:00"
LEDGER_FORMS = (
    "sqlite: and a file, such as sqlite:undimmed.db or sqlite:/var/lib/undimmed/undimmed.db, or "
    "postgresql://USER:PASSWORD@HOST/DATABASE"
)


def split_address(value: str) -> tuple[str, int]:
    """Host (no brackets) and port of a listen address that has passed validation."""
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _address(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"127.0.0.1:{value}"
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found.group(2)) > 65535:
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": ADDRESS_FORMS})
    return value


def _address_or_off(value: object) -> object:
    return "off" if value is False or value == "off" else _address(value)


def _has_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        return False


def _ledger_url(value: object) -> object:
    """The value is in no message: it may hold a password."""
    if isinstance(value, str) and value.startswith(("postgresql://", "postgres://")) and _has_database(value):
        return value
    path = value.removeprefix("sqlite:") if isinstance(value, str) and value.startswith("sqlite:") else ""
    if path.startswith("//"):
        path = path[2:] if path.startswith("///") else ""
    if not path or path.endswith("/") or "?" in path:
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": LEDGER_FORMS})
    return f"sqlite:{path}"


def _digest(value: object) -> object:
    text = value.lower().removeprefix("sha256:") if isinstance(value, str) else ""
    if not re.fullmatch(f"({KEYED})?[0-9a-f]{{64}}", text):
        raise PydanticCustomError("bad_hash", "")
    if text == hashlib.sha256(b"").hexdigest():
        raise PydanticCustomError("empty_hash", "")
    return text


def parse_moment(text: str) -> float:
    """Unix time of a date or time; UTC where it names no offset. ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(value: object) -> object:
    try:
        parse_moment(str(value))
    except (ValueError, OverflowError):
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": MOMENT_FORMS}) from None
    return str(value)


Address = Annotated[str, BeforeValidator(_address)]
AddressOrOff = Annotated[str, BeforeValidator(_address_or_off)]
LedgerUrl = Annotated[str, BeforeValidator(_ledger_url)]
Digest = Annotated[str, BeforeValidator(_digest)]
Moment = Annotated[str, BeforeValidator(_moment)]


class ServerModel(Section):
    """The listeners and their limits."""

    listen: Address = Field(default="127.0.0.1:8080", description="Where clients connect. Beyond loopback only with keys.")
    admin: AddressOrOff = Field(default="127.0.0.1:8081", description="Where operators connect, or off.")
    max_body: Size | None = Field(default=None, description="Largest request body. Default 32MiB.")
    max_answer: Size | None = Field(default=None, description="Largest answer that is not streamed. Default 64MiB.")
    max_connections: Positive | None = Field(default=None, description="Client connections at a time. Default 20000.")
    header_timeout: Duration | None = Field(default=None, description="For a request's head to arrive whole. Default 10s.")
    body_timeout: Duration | None = Field(default=None, description="Longest silence within a request's body. Default 30s.")
    keepalive_timeout: Duration | None = Field(default=None, description="For an idle connection to be closed. Default 75s.")
    write_timeout: Duration | None = Field(default=None, description="For a client to take in anything at all. Default 30s.")
    drain: Duration | None = Field(default=None, description="For calls under way when the proxy is stopped. Default 30s.")
    hosts: Annotated[tuple[Text, ...], BeforeValidator(as_list), OneOrMany()] = Field(
        default=(),
        description="Host names clients use for it, besides this machine's. Default: any, unless on loopback.",
    )
    metrics_aliases: Literal["none", "litellm"] = Field(
        default="none", description="Show metrics under the names of another proxy too: litellm. Default none."
    )
    memory_limit: Size | None = Field(
        default=None, description="Memory it may take, for overload. Default: the container's."
    )
    overload: OverloadModel | None = Field(default=None, description="When calls are turned away to keep it alive; or off.")


class UpstreamModel(Section):
    """What is known of one model of a provider, wherever routes use it."""

    price: PriceModel | None = Field(default=None, description="What its tokens cost.")
    context_window: Positive | None = Field(default=None, description="Tokens it can take in. Longer requests go elsewhere.")
    max_output: Positive | None = Field(
        default=None, description="Tokens of its longest answer. Requests for more go elsewhere, if the route has another."
    )
    lacks: Annotated[tuple[FeatureName, ...], BeforeValidator(as_list), OneOrMany()] | None = Field(
        default=None, description="What it cannot do, in place of what is bundled; [] for a model that can do everything."
    )
    max_in_flight: Positive | None = Field(default=None, description="Requests at a time. Default: no limit.")
    max_queue: Count | None = Field(default=None, description="Requests that may wait for max_in_flight. Default 100.")


class ProviderModel(Section):
    """A vendor account or a server of your own."""

    kind: Kind = Field(
        description="openai for anything that speaks its format, bedrock, cohere, gemini, vertex, or the name of a preset."
    )
    preset: PresetName | None = Field(default=None, description="Whose quirks to expect. Default: told by kind or base_url.")
    base_url: Text | None = Field(
        default=None, description="Up to and including the version, as SDKs want it. Default: the preset's."
    )
    credentials: Annotated[tuple[CredentialModel, ...], BeforeValidator(as_list), OneOrMany()] = Field(
        default=(), description="Keys, used in turn. Each has a health of its own. Empty ones (${NAME:-}) are left out."
    )
    region: Text | None = Field(
        default=None, description="Where its models run, for vendors with regions (Google calls it location)."
    )
    api_version: Text | None = Field(
        default=None, description="Azure's dated version of the API, for its classic addresses. Default: the v1 addresses."
    )
    project: Text | None = Field(
        default=None, description="Google Cloud project, for kind vertex. Without one: express mode."
    )
    headers: dict[Text, SecretStr] = Field(default={}, description="Sent with every request, besides the credential.")
    models: dict[Text, UpstreamModel] = Field(default={}, description="Prices, context windows and caps per upstream model.")
    direct: bool = Field(default=False, description="Clients may ask for `provider/model` without a route.")
    relay: bool = Field(
        default=False, description="Requests to /v1/ paths that this proxy does not know go to it as they are."
    )
    probe: ProbeModel | None = Field(default=None, description="Active probes of this provider; see defaults.probe.")
    detect: DetectModel | None = Field(default=None, description="Brownouts of this provider; see defaults.detect.")
    max_connections: Positive | None = Field(default=None, description="Connections to it at a time. Default 1024.")
    adaptive: bool | None = Field(default=None, description="Learn how much its models take; see defaults.adaptive.")
    status_feed: StatusFeed | None = Field(
        default=None,
        description="usual for the vendor's own status page, the address of another one's JSON, or off. Default: see hints.",
    )
    allow_plaintext: bool = Field(default=False, description="Send credentials over http:// to a host that is not private.")
    limits: RatesModel | None = Field(default=None, description="Rates of all attempts at it together.")
    budget: Budgets = Field(default=(), description="What all attempts at it may use together; one or a list.")


class WhenModel(Section):
    """A target with conditions serves only requests that meet all of them."""

    tools: bool | None = Field(default=None, description="Requests with (true) or without (false) tools.")
    images: bool | None = Field(default=None, description="Requests with or without images.")
    audio: bool | None = Field(default=None, description="Requests with or without audio to listen to.")
    documents: bool | None = Field(default=None, description="Requests with or without documents.")
    json_schema: bool | None = Field(default=None, description="Requests with or without a JSON Schema for the answer.")
    reasoning: bool | None = Field(default=None, description="Requests that do or don't ask for reasoning.")
    stream: bool | None = Field(default=None, description="Streamed or plain requests.")
    min_tokens: Count | None = Field(default=None, description="At least so many input tokens (estimated).")
    max_tokens: Count | None = Field(default=None, description="At most so many input tokens (estimated).")


class TargetModel(Section):
    """A provider and one of its models: `provider/model`, or the same as `to` with more said about it."""

    to: Text = Field(description="provider/model; the provider is what stands before the first slash.")
    weight: Weight | None = Field(
        default=None, description="Share among the targets of its tier, for strategy weighted. Default 1."
    )
    max_in_flight: Positive | None = Field(default=None, description="Requests at a time. Default: no limit.")
    max_queue: Count | None = Field(default=None, description="Requests that may wait for max_in_flight. Default 100.")
    context_window: Positive | None = Field(default=None, description="Tokens it can take in. Longer requests go elsewhere.")
    price: PriceModel | None = Field(default=None, description="What its tokens cost.")
    when: WhenModel | None = Field(default=None, description="Only for requests like this.")

    @model_validator(mode="before")
    @classmethod
    def from_text(cls, value: object) -> object:
        """`openai/gpt-5` stands for `{to: openai/gpt-5}`."""
        return {"to": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": "^[^/]+/.+$", "description": "provider/model"}, handler(schema)]}

    @property
    def provider(self) -> str:
        return self.to.partition("/")[0]

    @property
    def model(self) -> str:
        return self.to.partition("/")[2]


Tier = Annotated[tuple[TargetModel, ...], BeforeValidator(as_list), OneOrMany(), Field(min_length=1)]


class DegradeModel(Section):
    """What a route falls to when none of its targets can answer. Replies say so in `x-undimmed-degraded`."""

    targets: tuple[Tier, ...] = Field(default=(), description="Tiers of last resort, asked after all others.")
    max_output: Positive | None = Field(
        default=None, description="Tokens of their longest answer, whatever is asked for. Default: as asked."
    )
    stale: Duration | None = Field(
        default=None, description="When nobody can answer, repeat the answer that the same request got, up to this old."
    )


class RouteModel(Section):
    """One or more public model names, and what serves them."""

    model: Annotated[tuple[Text, ...], BeforeValidator(as_list), OneOrMany(), Field(min_length=1)] = Field(
        description="What clients ask for; a list of names works too, and * in a name stands for anything."
    )
    targets: Annotated[tuple[Tier, ...], Field(min_length=1)] = Field(
        description="Tiers in order. Each is a target or a list of targets among which the strategy picks."
    )
    strategy: Strategy | None = Field(default=None, description="How a tier of several targets picks. Default ordered.")
    timeout: TimeoutModel | None = Field(default=None, description="Time limits of this route; see defaults.timeout.")
    retry: RetryModel | None = Field(default=None, description="Further attempts in this route; see defaults.retry.")
    sticky_header: Text | None = Field(
        default=None, description="Request header that names a session, for strategy sticky. Default x-undimmed-session."
    )
    heartbeat: Duration | None = Field(
        default=None, description="A comment goes to streaming clients after so much silence, for middleboxes. Default 15s."
    )
    on_leave: OnLeave | None = Field(
        default=None,
        description="When a client leaves: cancel (cut the provider off and estimate) or drain (read on for up to 30s "
        "and 4,096 tokens, for the provider's own count). Default cancel.",
    )
    resume: ResumeMode | None = Field(
        default=None,
        description="What follows when a stream of text is cut after its first words: `off`, `splice`, `continue` or `auto`;"
        " see Cut streams. Default off.",
    )
    hold: Hold | None = Field(
        default=None,
        description="How much of a stream is held back, so that a failure in it can go elsewhere unseen: `first-content`,"
        " a number such as `50 tokens`, or `whole`. Default first-content.",
    )
    hedge: HedgeModel | None = Field(
        default=None, description="Second copies of requests that are slow to begin. Default: none."
    )
    degrade: DegradeModel | None = Field(
        default=None, description="What to fall to when none of the targets can answer. Default: an honest error."
    )
    limits: RatesModel | None = Field(default=None, description="Rates of all its calls together.")
    budget: Budgets = Field(default=(), description="What all its calls may use together; one or a list.")

    escalate: EscalateModel | None = Field(
        default=None, description="Ask a later tier where an earlier one's answer does not do. Default: every answer does."
    )

    @property
    def last_resorts(self) -> tuple[Tier, ...]:
        return self.degrade.targets if self.degrade is not None else ()


class KeyModel(Section):
    """A key that clients present. Only its hash is kept."""

    name: Text = Field(description="Shown in logs and reports.")
    hash: Digest = Field(
        description="SHA-256 of the key in hex, `sha256:` in front allowed; or `hmac:` and an HMAC (see Client keys)."
    )
    routes: Annotated[tuple[Text, ...], BeforeValidator(as_list), OneOrMany()] | None = Field(
        default=None,
        description="Model names it may use; `direct` for provider/model addresses, `relay` for batches and relayed paths."
        " Default: everything.",
    )
    tags: Annotated[tuple[Tag, ...], BeforeValidator(as_list), OneOrMany()] = Field(
        default=(), description="What its calls are counted under, besides its name."
    )
    priority: PriorityName = Field(
        default=NORMAL, description="How urgent its calls are at most: critical, normal or batch. Default normal."
    )
    expires: Moment | None = Field(
        default=None, description="From then on it is refused: a date or a time, UTC unless said."
    )
    limits: RatesModel | None = Field(default=None, description="Rates of its calls.")
    budget: Budgets = Field(default=(), description="What its calls may use; one or a list.")


class LedgerModel(Section):
    """Where every call is written down for good. Without this section nowhere."""

    url: LedgerUrl = Field(
        default="sqlite:undimmed.db",
        description="sqlite:FILE, whose folder must exist, or postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full.",
    )
    journal: str | None = Field(
        default=None,
        min_length=1,
        description="With postgresql: FILE that rows wait beside (FILE.spill-…). Default undimmed-ledger.",
    )
    retention: Duration | None = Field(
        default=None, description="For calls and attempts to be kept. Hourly sums stay for good. Default 90d."
    )


class DefaultsModel(Section):
    """What holds where a route or provider says nothing else."""

    strategy: Strategy | None = Field(default=None, description="For tiers of several targets. Default ordered.")
    timeout: TimeoutModel | None = Field(default=None, description="Time limits of every route.")
    retry: RetryModel | None = Field(default=None, description="Further attempts in every route.")
    breaker: BreakerModel | None = Field(default=None, description="When targets are taken out of traffic.")
    probe: ProbeModel | None = Field(default=None, description="Active probes of every provider.")
    detect: DetectModel | None = Field(default=None, description="How closely answers are watched for brownouts.")
    adaptive: bool | None = Field(
        default=None,
        description="Learn how many requests at a time a target takes, from its refusals and from queueing. Default true.",
    )


class Document(Section):
    """The configuration of an Undimmed proxy."""

    server: ServerModel = Field(default_factory=ServerModel, description="Listeners and their limits.")
    providers: dict[Text, ProviderModel] = Field(
        {}, description="Vendor accounts and own servers, by a name of your choice."
    )
    routes: tuple[RouteModel, ...] = Field(default=(), description="What clients may ask for, and what serves it.")
    defaults: DefaultsModel = Field(default_factory=DefaultsModel, description="For all routes and providers.")
    keys: tuple[KeyModel, ...] = Field(default=(), description="Client keys. Without any, only this machine may connect.")
    cache: CacheModel | None = Field(default=None, description="Where answers for `degrade.stale` are kept.")
    key_store: Text | None = Field(
        default=None, description="The file in which `undimmed keys` keeps more of them; see Client keys."
    )
    tags: dict[Tag, TagModel] = Field(default={}, description="Limits of everything that carries a tag.")
    ledger: LedgerModel | None = Field(
        default=None, description="Where calls, tokens and money are written down for good. Default: nowhere."
    )
    alerts: tuple[AlertModel, ...] = Field(default=(), description="Webhooks, and what they are told. Default: none.")
    hints: bool = Field(default=False, description="Read the status pages of all providers that have a usual one.")

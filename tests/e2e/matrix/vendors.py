"""The vendors of the matrix: one line each, with what their own errors look like, and the settings that hold them all.

Every vendor serves two routes: one of its name, alone, and one of its name with `+spare`, where a server of OpenAI's chat
format stands behind it. A few more routes have several vendors, for conversations that move.
"""

from dataclasses import dataclass, field
from typing import Any

from support.simulation import BREAKER, PASSIVE, TIMEOUTS, replace

from proxy.core.settings import Credential, Origin, Provider, RetrySettings, Route, ServerSettings, Settings, Target
from proxy.providers.model_facts import facts_of

SPARE = "spare"


@dataclass(frozen=True)
class Vendor:
    """`bad_request`, `outage`: names of `vendor_errors` lines, and words that stand in the first one. `places`: members of
    `Provider` that its addresses need."""

    name: str
    kind: str
    preset: str
    model: str
    bad_request: str
    words: str
    outage: str
    places: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"{self.name}/{self.model}"


_OPENAI = ("openai_bad_request", "robot", "openai_server_error")
_CLAUDE = ("anthropic_bad_request", "at least one message", "anthropic_overloaded")
_GEMINI = ("gemini_bad_request", "hinking", "gemini_overloaded")
_PROJECT = {"project": "p", "region": "us-central1"}

VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor("openai", "openai", "openai", "gpt-5", *_OPENAI),
        Vendor("azure", "azure", "azure", "gpt-5-deployment", *_OPENAI),
        Vendor("anthropic", "anthropic", "anthropic", "claude-sonnet-4-6", *_CLAUDE),
        Vendor("gemini", "gemini", "gemini", "gemini-3-flash", *_GEMINI),
        Vendor("vertex-gemini", "vertex", "vertex", "gemini-3-flash", *_GEMINI, _PROJECT),
        Vendor("vertex-claude", "vertex", "vertex", "claude-sonnet-4-6", *_CLAUDE, _PROJECT),
        Vendor(
            "bedrock",
            "bedrock",
            "bedrock",
            "us.anthropic.claude-sonnet-4-6",
            "bedrock_bad_request",
            "field is blank",
            "bedrock_unavailable",
            {"region": "us-east-1"},
        ),
        Vendor(
            "cohere",
            "cohere",
            "cohere",
            "command-a-reasoning-08-2025",
            "cohere_bad_request",
            "all elements in tools",
            "cohere_internal",
        ),
        Vendor(
            "mistral", "openai", "mistral", "mistral-medium-latest", "mistral_bad_request", "robot", "openai_server_error"
        ),
    )
}

#: Who takes over from whom.
ORDERS = (
    ("anthropic", "gemini", "openai"),
    ("gemini", "bedrock", "anthropic"),
    ("openai", "vertex-claude", "gemini"),
    ("bedrock", "openai", "cohere"),
    ("cohere", "mistral", "vertex-gemini"),
)

#: Nothing here is about breakers, and every vendor fails often.
CALM = replace(BREAKER, minimum=10**6, recent=10**6, recent_failures=10**6, consecutive=10**6, stall=False)
EAGER = RetrySettings(budget_floor=10**6)
#: SDKs build their types when they are first used, which holds up the loop that all of this shares.
PATIENT = replace(TIMEOUTS, connect=5.0, first_content=20.0, idle=20.0, total=60.0)


def configure() -> Settings:
    providers = {vendor.name: provide(vendor) for vendor in VENDORS.values()}
    providers[SPARE] = _provide(SPARE, "openai", "custom")
    targets = {v.name: Target(v.name, v.model, facts=facts_of(v.model)) for v in VENDORS.values()}
    routes = [_route(name, target) for name, target in targets.items()]
    routes += [_route(f"{name}+{SPARE}", target, Target(SPARE, "m")) for name, target in targets.items()]
    routes += [_route("+".join(order), *(targets[name] for name in order)) for order in ORDERS]
    return Settings(ServerSettings(), providers, tuple(routes), breaker=CALM, timeouts=PATIENT, retry=EAGER, source="matrix")


def _route(name: str, *targets: Target) -> Route:
    retry = replace(EAGER, attempts=len(targets))
    return Route(name, (name,), tuple((target,) for target in targets), timeouts=PATIENT, retry=retry)


def provide(vendor: Vendor) -> Provider:
    """The vendor's account, wherever it listens."""
    return replace(_provide(vendor.name, vendor.kind, vendor.preset), **vendor.places)


def _provide(name: str, kind: str, preset: str) -> Provider:
    return Provider(
        name, kind, preset, Origin("http", "here.test", 80, "/v1"), (Credential(f"{name}#1", f"k-{name}"),), probe=PASSIVE
    )

"""Settings as the running proxy sees them: frozen, complete, in seconds, bytes and counts.

`config/` reads YAML into its own models and `assemble` turns those into these; nothing below knows YAML. The
defaults are the shipped profile of the design, and `config/` takes them from here, so a default is written once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.alarming import AlertSettings
from proxy.core.continuity import FIRST_CONTENT, Resume
from proxy.core.detection import ON, DetectSettings
from proxy.core.escalation import Escalation
from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.limits import UNLIMITED, Limits
from proxy.core.overload import USUAL, OverloadSettings
from proxy.core.priorities import NORMAL
from proxy.core.sources import TOKEN_SOURCES, AwsKeys, CredentialSource
from proxy.core.usage import Price, Pricing, Tariff


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_content`: from sending the request to the first event that carries content; `answer`: to the end of
    an answer that is not streamed, which has to be generated whole before a byte of it comes (None: four times
    `first_content`; embeddings have nothing to generate and keep to `first_content`); `idle`: between two data events;
    `total`: over all attempts of one call, waiting included."""

    connect: float = 3.0
    first_content: float = 15.0
    idle: float = 30.0
    total: float = 600.0
    answer: float | None = None

    @property
    def whole(self) -> float:
        """The limit for an answer that is not streamed."""
        return self.first_content * 4 if self.answer is None else self.answer


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """`attempts` counts the first one. Same-target waits are full jitter between `base` and `cap` seconds. The
    budget allows `budget_ratio` of a target's attempts in the last 10 s, at least `budget_floor`."""

    attempts: int = 3
    base: float = 0.1
    cap: float = 2.0
    budget_ratio: float = 0.2
    budget_floor: int = 3
    on_content_filter: bool = False


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Trip rules and recovery of one breaker (reference values: the shipped profile of the design).

    Trips on any of: `recent_failures` of the last `recent` calls failed; `failure_rate` of at least `minimum` calls in
    `window` seconds failed; `slow_rate` of them needed longer than `slow` seconds to first content; `consecutive`
    failures with fewer than `minimum` calls in the window; the stall rule: `stall_count` requests have each waited
    longer than max(`stall_factor` x the target's p99 time to first byte, `stall_floor` seconds) and none sent
    after the oldest of them was answered. Open for `open_for` seconds, doubled at each failed trial up to
    `open_cap`, +-`jitter`; then one trial, then a ramp from `ramp_from` to 1 over `ramp` seconds.
    """

    window: float = 30.0
    minimum: int = 20
    recent: int = 20
    recent_failures: int = 16
    failure_rate: float = 0.5
    slow: float = 10.0
    slow_rate: float = 0.8
    consecutive: int = 5
    stall: bool = True
    stall_count: int = 10
    stall_factor: float = 3.0
    stall_floor: float = 1.0
    open_for: float = 10.0
    open_cap: float = 300.0
    jitter: float = 0.2
    ramp: float = 30.0
    ramp_from: float = 0.1


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """`kind`: `auto` (free, then a completion where the free one is known to lie), `passive` (never probe), `free`,
    `completion`. Only targets that are open, or without traffic for `idle_after` seconds, are probed, every `every`
    seconds +-`jitter`; at most `hourly_completions` paid probes an hour and provider."""

    kind: str = "auto"
    path: str | None = None
    every: float = 30.0
    idle_after: float = 60.0
    jitter: float = 0.2
    timeout: float = 10.0
    healthy: int = 2
    unhealthy: int = 3
    hourly_completions: int = 120


@dataclass(frozen=True, slots=True)
class Credential:
    """One key of a provider. `id` (`openai#1`) is safe to show; the secret is not, and stays out of every repr.

    `aws` instead of `secret` where requests are signed. A key with a `source` does not last: settings hold it without a
    secret, and the live state replaces it by one with a token each time one is fetched. `expires_at` is loop time; None: as
    long as it is accepted."""

    id: str
    secret: str | None = field(default=None, repr=False)
    aws: AwsKeys | None = field(default=None, repr=False)
    expires_at: float | None = None
    source: CredentialSource | None = None

    @property
    def bearer(self) -> bool:
        """The secret is an access token: it goes into `Authorization: Bearer` even where a vendor has a header for keys."""
        return isinstance(self.source, TOKEN_SOURCES)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What of it goes over the wire, and so may be quoted back."""
        keys = (self.aws.access_key, self.aws.session_token) if self.aws is not None else ()
        return tuple(text for text in (self.secret, *keys) if text)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a provider listens. `prefix` is the path of its base URL without a trailing slash (`/v1`)."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Provider:
    """A vendor account: `kind` names the wire format (`providers/table.py`), `preset` the vendor's quirks
    (`providers/presets.py`). Where a vendor's addresses are made of parts: `region` (AWS; Google calls it location),
    `project` (Google), `api_version` (Azure); "" where it has none. `pricing`: what its models usually cost, where that is
    known."""

    name: str
    kind: str
    preset: str
    origin: Origin
    credentials: tuple[Credential, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    probe: ProbeSettings = ProbeSettings()
    direct: bool = False  # may clients name `provider/model` themselves?
    relay: bool = False  # do requests to paths that nothing else here serves go to it?
    max_connections: int = 1024
    first_content: float | None = None  # seconds; for servers that load models or queue silently
    region: str = ""
    project: str = ""
    api_version: str = ""
    pricing: Pricing | None = None
    limits: Limits = UNLIMITED
    adaptive: bool = True  # learn how many requests at a time its targets take?
    status_feed: str | None = None  # address of its status page's JSON, if that is to be read
    detect: DetectSettings = ON


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a target: it is a candidate only for requests that fit. None: don't care."""

    tools: bool | None = None
    images: bool | None = None
    audio: bool | None = None
    documents: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    stream: bool | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Provider + upstream model in one route. Targets with the same `id` share their live state (breaker, in-flight
    requests, caps): `max_in_flight` and `max_queue` are properties of the id, `weight`, `when` of the place.
    `first_content` (seconds) replaces the route's limit for a slow starter, where nobody has written a limit. `facts`:
    what is known of the model. `price`: what its tokens cost, as far as that is one figure; `tariff`: by when, by which
    model and in which service tier a call was answered, None where `price` is all there is to say. `last_resort`: what it
    answers is marked as degraded, and has `max_answer` tokens at most (None: as many as are asked for)."""

    provider: str
    model: str
    weight: int = 1
    max_in_flight: int | None = None
    max_queue: int = 100
    context_window: int | None = None
    price: Price | None = None
    when: When | None = None
    first_content: float | None = None
    facts: ModelFacts = UNKNOWN
    tariff: Tariff | None = None
    last_resort: bool = False
    max_answer: int | None = None

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Hedge:
    """Send a second copy of a request that is slow to begin: `after` seconds without content (None: after the time within
    which its target usually begins, in 95 of 100 calls), for `share` of a route's calls at most."""

    after: float | None = None
    share: float = 0.05


@dataclass(frozen=True, slots=True)
class Route:
    """Public model names and the tiers of targets that serve them. `name` is the first of `models`; a model with
    `*` is a glob. `hold`: tokens of a stream held back until they are known to be followed by more. `stale`: seconds
    for which an answer may be given again when nobody can answer; None: never. `on_leave`: what becomes of an attempt
    whose client leaves, `cancel` or `drain` (`pipeline/leaving.py`)."""

    name: str
    models: tuple[str, ...]
    tiers: tuple[tuple[Target, ...], ...]
    strategy: str = "ordered"
    timeouts: Timeouts = Timeouts()
    retry: RetrySettings = RetrySettings()
    sticky_header: str = "x-undimmed-session"
    heartbeat: float = 15.0
    on_leave: str = "cancel"
    resume: Resume = Resume.OFF
    hold: int = FIRST_CONTENT
    hedge: Hedge | None = None
    stale: float | None = None
    limits: Limits = UNLIMITED
    escalate: Escalation | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(target for tier in self.tiers for target in tier)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key that clients of the proxy present. `digest` is what is kept of it (`core/keys.py`); `routes` None: all.
    `former`: the digests of keys that this one has replaced, and until when each is still good. Unix times. `priority`: how
    urgent its calls are at most (`core/priorities.py`)."""

    name: str
    digest: str = field(repr=False)
    routes: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    expires: float | None = None
    former: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    limits: Limits = UNLIMITED
    priority: str = NORMAL


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Listeners and their limits; seconds and bytes. `metrics_aliases`: whose names our metrics also go by."""

    host: str = "127.0.0.1"
    port: int = 8080
    admin_host: str = "127.0.0.1"
    admin_port: int | None = 8081
    max_body: int = 32 * 1024 * 1024
    max_connections: int = 20_000
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    keepalive_timeout: float = 75.0
    write_timeout: float = 30.0
    drain: float = 30.0
    max_answer: int = 64 * 1024 * 1024
    hosts: tuple[str, ...] = ()
    metrics_aliases: str = "none"
    memory_limit: int | None = None  # None: what the control group leaves
    overload: OverloadSettings = USUAL


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where calls are written down for good, and for how many seconds rows are kept (sums stay). `url`: of PostgreSQL, with
    a password perhaps; None: `path` is a file of SQLite. Rows that wait stand in files beside `path`."""

    path: str
    retention: float = 90 * 86400.0
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ShelfSettings:
    """Where answers are kept that routes may give again, and how many bytes of them."""

    path: str
    size: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeyStoreSettings:
    """The file in which `undimmed keys` keeps client keys; its keys are among those of the settings. `found`: it was
    there."""

    path: str
    found: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """One complete configuration. Replaced as a whole on reload, never changed. `pepper`: the secret that keyed digests of
    client keys are made with; empty where there are none."""

    server: ServerSettings
    providers: Mapping[str, Provider]
    routes: tuple[Route, ...]
    keys: tuple[ClientKey, ...] = ()
    breaker: BreakerSettings = BreakerSettings()
    timeouts: Timeouts = Timeouts()
    retry: RetrySettings = RetrySettings()
    source: str = "environment"
    ledger: LedgerSettings | None = None
    shelf: ShelfSettings | None = None
    tags: Mapping[str, Limits] = field(default_factory=dict)
    key_store: KeyStoreSettings | None = None
    pepper: bytes = field(default=b"", repr=False)
    alerts: tuple[AlertSettings, ...] = ()

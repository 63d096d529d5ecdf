"""What the heads of all requests have in common: configured and forwarded headers, checked, and secrets kept out of sight.

Invariants: nothing that a configuration or a client says can end a line or add one; of a client's headers only those on a
list go upstream; no header stands twice. Refuses to know how a vendor wants to be told who asks.
"""

from collections.abc import Mapping, Sequence

from proxy import __version__
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.outcome import Outcome
from proxy.core.settings import Provider

#: Client headers that go to every vendor as they are.
FORWARDED = ("idempotency-key", "traceparent", "tracestate", "x-client-request-id")

#: Headers that kinds write themselves; configuring them would make two of them.
OWN_HEADERS = frozenset(
    (
        "host",
        "authorization",
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept",
        "accept-encoding",
    )
)

_SHORTEST_SECRET = 8


def write_headers(provider: Provider, own: frozenset[str] = OWN_HEADERS) -> bytes:
    """The configured headers as lines. `own`: those that cannot be configured. Raises ConfigError for what would break a
    head."""
    headers = {"accept-encoding": "identity", "user-agent": f"undimmed/{__version__}"}
    problems: list[ConfigProblem] = []
    for name, value in provider.headers.items():
        lower = name.lower()
        if lower in own or not _is_token(lower) or not is_line(value):
            problems.append(ConfigProblem("this header cannot be set", key=f"providers.{provider.name}.headers.{name}"))
        headers[lower] = value
    for credential in provider.credentials:
        if credential.secret is not None and not is_line(credential.secret):
            problem = "this credential holds characters that no header can carry"
            problems.append(ConfigProblem(problem, key=f"providers.{provider.name}.credentials ({credential.id})"))
    if problems:
        raise ConfigError(problems)
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


def forward_headers(headers: Mapping[str, str], names: Sequence[str] = FORWARDED) -> bytes:
    """Those of a client's headers that go on, as lines."""
    lines = b""
    for name in names:
        value = headers.get(name)
        if value is not None and is_line(value):
            lines += f"{name}: {value}\r\n".encode("latin-1")
    return lines


def is_line(value: str) -> bool:
    """Whether a value stands on one line and nobody can read it as something else."""
    return value.isascii() and value.isprintable()


def hide_secrets(outcome: Outcome, provider: Provider) -> Outcome:
    """The outcome without this provider's secrets, which errors tend to quote."""
    if not outcome.message:
        return outcome
    for credential in provider.credentials:
        for secret in credential.secrets:
            if len(secret) >= _SHORTEST_SECRET and secret in outcome.message:
                outcome.message = outcome.message.replace(secret, "[redacted]")
    return outcome


def _is_token(name: str) -> bool:
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()

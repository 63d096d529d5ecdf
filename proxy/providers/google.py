"""What the Gemini API and Vertex AI have in common: heads, credentials, errors.

An API key goes into `x-goog-api-key`, an access token into `Authorization`. The model is part of the path, so only what
follows the request's first line is made once per credential. Model names are percent-encoded: whatever is configured, or
named by a client, stays one part of the path.
"""

from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider
from proxy.providers.heads import OWN_HEADERS, hide_secrets, write_headers
from proxy.wire.failures import classify

KEY_HEADER = "x-goog-api-key"
#: Endpoints whose clients are served by translation into generateContent.
TRANSLATED = frozenset((Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES, Endpoint.MESSAGES))
#: The smallest request there is.
QUESTION = msgspec.json.encode(
    {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1}}
)


def encode_name(model: str) -> str:
    """A model's name as one part of a path. Versions after an @ stay readable, as the vendors' SDKs write them."""
    return quote(model, safe="@")


def verb_of(call: Call) -> str:
    return "streamGenerateContent?alt=sse" if call.envelope.stream else "generateContent"


@dataclass(frozen=True, slots=True)
class Draft:
    """A request without its host and credential; `body` None: a GET."""

    path: str
    body: bytes | None = None
    stream: bool = False
    dropped: tuple[str, ...] = ()


class GoogleService:
    """One configured provider. `keyed`: a configured secret is an API key, not an access token. Raises ConfigError for
    what cannot be put into a head."""

    def __init__(self, provider: Provider, keyed: bool) -> None:
        self._provider = provider
        self._keyed = keyed
        self._fixed = write_headers(provider, OWN_HEADERS | {KEY_HEADER})
        self._tails: dict[tuple[str, bool], tuple[str | None, bytes]] = {}

    def make(self, draft: Draft, credential: Credential, forwarded: bytes = b"") -> UpstreamRequest:
        """`forwarded`: lines of the client's. connect_timeout is the caller's to set."""
        provider, body = self._provider, draft.body
        method = "POST" if body is not None else "GET"
        line = f"{method} {draft.path} HTTP/1.1\r\n".encode("latin-1")
        head = line + self._get_tail(credential, draft.stream) + forwarded
        if body is not None:
            head += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        return UpstreamRequest(provider.name, provider.origin, head + b"\r\n", body or b"", dropped=draft.dropped)

    def probe(self, path: str, credential: Credential) -> UpstreamRequest:
        """A free probe: `path` from the origin with a leading slash, from the base URL without one."""
        place = path if path.startswith("/") else f"{self._provider.origin.prefix}/{path}"
        return self.make(Draft(place), credential)

    def judge(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return self.hide_secrets(classify(status, headers, body))

    def hide_secrets(self, outcome: Outcome) -> Outcome:
        return hide_secrets(outcome, self._provider)

    def _get_tail(self, credential: Credential, stream: bool) -> bytes:
        """The head after its first line, but for what depends on the request."""
        key = (credential.id, stream)
        known = self._tails.get(key)
        if known is not None and known[0] == credential.secret:
            return known[1]
        accept = "text/event-stream" if stream else "application/json"
        lines = f"host: {self._provider.origin.authority}\r\n{self._authorize(credential)}accept: {accept}\r\n"
        tail = lines.encode("latin-1") + self._fixed
        self._tails[key] = (credential.secret, tail)
        return tail

    def _authorize(self, credential: Credential) -> str:
        secret = credential.secret
        if not secret:
            return ""
        if self._keyed and not credential.bearer:
            return f"{KEY_HEADER}: {secret}\r\n"
        return f"authorization: Bearer {secret}\r\n"

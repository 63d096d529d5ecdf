"""Anthropic, and hosts that serve its API as it is: requests, answers, errors and probes.

Theory of operation. Bodies are made in `messages.py`, judged in `wire`; this file writes heads. A key goes into
`x-api-key`; an access token (OAuth's, or one that the configuration fetches) into `Authorization`, and Anthropic's own
tokens need a beta besides. Microsoft's Foundry wants the key under its own name too, AWS's Bedrock (`bedrock-mantle`) as a
token. Version and betas are the client's where it speaks this format, and the operator's where headers are configured.

Invariants: as for every kind, destination and credential come from the configuration alone. Sources: Anthropic's
documentation, the official SDK and its classes for those hosts.
"""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers.heads import OWN_HEADERS, forward_headers, hide_secrets, is_line, write_headers
from proxy.providers.messages import (
    NATIVE,
    OLD_VERSION,
    SERVED,
    find_fate,
    open_reader,
    read_answer,
    write_continuation,
    write_messages,
)
from proxy.wire.failures import classify
from proxy.wire.reading import Answer, StreamReader

_MESSAGES = "/v1/messages"
_COUNT_TOKENS = "/v1/messages/count_tokens"
_MODELS = "/v1/models"

_VERSION = "anthropic-version"
_BETA = "anthropic-beta"
_OAUTH_SIGN = "sk-ant-oat"
_OAUTH_BETA = "oauth-2025-04-20"
_FOUNDRY = ".services.ai.azure.com"
_MANTLE = "bedrock-mantle."

_ENCODE = msgspec.json.Encoder().encode


class AnthropicKind:
    """A provider of kind `anthropic`; implements `ProviderKind`. Raises ConfigError for what cannot be put into a head."""

    endpoints = SERVED

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        headers = {name.lower(): value for name, value in provider.headers.items()}
        # Checked with the rest, written where the client's are.
        write_headers(provider, OWN_HEADERS | {"x-api-key", "api-key"})
        self._version = headers.pop(_VERSION, None)
        self._beta = headers.pop(_BETA, "")
        self._fixed = write_headers(replace(provider, headers=headers))
        prefix = provider.origin.prefix
        # People write the base URL with and without the version.
        self._root = prefix.removesuffix("/v1")
        self._heads: dict[tuple[str, str, bool], tuple[str | None, bytes]] = {}

    def __repr__(self) -> str:
        return f"<AnthropicKind {self._provider.name} at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # The list of models is static; a path that the operator chose is the operator's word.
        return self._provider.probe.path is None

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        return find_fate(endpoint, feature)

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        draft = write_messages(call, target)
        path = _COUNT_TOKENS if call.endpoint is Endpoint.COUNT_TOKENS else _MESSAGES
        head = self._get_head(path, credential, call.envelope.stream)
        head += self._write_api(credential, draft.version, call.headers if call.endpoint in NATIVE else {})
        request = self._make_request(head + forward_headers(call.headers), draft.body)
        request.dropped = draft.dropped
        return request

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        return write_continuation(call, target, text)

    def reader(self, call: Call) -> StreamReader:
        return open_reader(call)

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        answer = read_answer(call, body)
        hide_secrets(answer.outcome, self._provider)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return hide_secrets(classify(status, headers, body), self._provider)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        origin, path = self._provider.origin, self._provider.probe.path or self._root + _MODELS
        place = path if path.startswith("/") else f"{origin.prefix}/{path}"
        head = self._write_head(f"GET {place}", credential, False) + self._write_api(credential, OLD_VERSION, {})
        return UpstreamRequest(self._provider.name, origin, head + b"\r\n")

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        question = {"model": target.model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
        head = self._get_head(_MESSAGES, credential, False) + self._write_api(credential, OLD_VERSION, {})
        return self._make_request(head, _ENCODE(question))

    def _make_request(self, head: bytes, body: bytes) -> UpstreamRequest:
        # connect_timeout is the caller's to set
        lines = b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (head, len(body))
        return UpstreamRequest(self._provider.name, self._provider.origin, lines, body)

    def _get_head(self, path: str, credential: Credential, stream: bool) -> bytes:
        key = (credential.id, path, stream)
        known = self._heads.get(key)
        if known is not None and known[0] == credential.secret:
            return known[1]
        head = self._write_head(f"POST {self._root}{path}", credential, stream)
        self._heads[key] = (credential.secret, head)
        return head

    def _write_head(self, line: str, credential: Credential, stream: bool) -> bytes:
        """The head but for what depends on the request."""
        accept = "text/event-stream" if stream else "application/json"
        host = self._provider.origin.authority
        head = f"{line} HTTP/1.1\r\nhost: {host}\r\n{self._authorize(credential)}accept: {accept}\r\n"
        return head.encode("latin-1") + self._fixed

    def _authorize(self, credential: Credential) -> str:
        secret, host = credential.secret, self._provider.origin.host
        if not secret:
            return ""
        if credential.bearer or secret.startswith(_OAUTH_SIGN) or host.startswith(_MANTLE):
            return f"authorization: Bearer {secret}\r\n"
        also = f"api-key: {secret}\r\n" if host.endswith(_FOUNDRY) else ""
        return f"x-api-key: {secret}\r\n{also}"

    def _write_api(self, credential: Credential, version: str, headers: Mapping[str, str]) -> bytes:
        """The version of the API and its betas. `headers`: the client's, where it speaks this format."""
        own = _OAUTH_BETA if (credential.secret or "").startswith(_OAUTH_SIGN) else ""
        asked = headers.get(_BETA, "")
        named = [name.strip() for text in (own, self._beta, asked if is_line(asked) else "") for name in text.split(",")]
        betas = ",".join(dict.fromkeys(name for name in named if name))
        version = self._version or (version if is_line(version) else OLD_VERSION)
        lines = f"{_VERSION}: {version}\r\n"
        if betas:
            lines += f"{_BETA}: {betas}\r\n"
        return lines.encode("latin-1")

"""Cohere by its own API, version 2: any client of a chat, embeddings, and rankings.

Nobody speaks its chat to this proxy, so requests are written anew and answers back (`providers/translating.py`); embeddings
have a translation of their own, rankings are Cohere's format already. Source: Cohere's SDK and API reference.
"""

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers import translating
from proxy.providers.heads import forward_headers, hide_secrets, write_headers
from proxy.wire.cohere.embeddings import EMBED_PATH, USUAL_INPUT_TYPE, read_embeddings, write_embeddings
from proxy.wire.cohere.format import COHERE_FORMAT
from proxy.wire.cohere.rerank import RERANK_PATH, read_rerank, write_rerank
from proxy.wire.dialects import CLIENTS
from proxy.wire.failures import classify
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.reading import Answer, StreamReader

CHAT_PATH = "/v2/chat"
MODELS_PATH = "/v1/models"

#: Whoever's format can be translated is served.
TRANSLATED = frozenset(CLIENTS)

_ENCODE = msgspec.json.Encoder().encode
_JSON, _EVENTS = "application/json", "text/event-stream"


class CohereKind:
    """A provider of kind `cohere`; implements `ProviderKind`. Raises ConfigError for what cannot be put into a head."""

    endpoints = TRANSLATED | {Endpoint.EMBEDDINGS, Endpoint.RERANK}

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._fixed = write_headers(provider)

    def __repr__(self) -> str:
        return f"<CohereKind {self._provider.name} at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # The list of models is static; a path that the operator chose is the operator's word.
        return self._provider.probe.path is None

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        if endpoint in TRANSLATED:
            return COHERE_FORMAT.fates[feature]
        return Fate.CARRIED if endpoint in self.endpoints else Fate.REFUSED

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        model = call.upstream = target.model
        if call.endpoint is Endpoint.EMBEDDINGS:
            path = EMBED_PATH
            body, dropped = write_embeddings(call.envelope, model)
        elif call.endpoint is Endpoint.RERANK:
            path = RERANK_PATH
            body, dropped = write_rerank(call.envelope, model), ()
        else:
            path = CHAT_PATH
            body, dropped = translating.write_request(call, COHERE_FORMAT, model, target.facts)
        request = self._make(path, body, credential, call.envelope.stream, forward_headers(call.headers))
        request.dropped = dropped
        return request

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        return None

    def reader(self, call: Call) -> StreamReader:
        if call.endpoint not in TRANSLATED:
            return ChatStreamReader()  # nobody streams the others; whatever comes is judged like a chat
        return translating.open_reader(call, COHERE_FORMAT)

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        if call.endpoint is Endpoint.EMBEDDINGS:
            answer = read_embeddings(call.envelope, call.upstream or call.envelope.model, body)
        elif call.endpoint is Endpoint.RERANK:
            answer = read_rerank(body)
        else:
            answer = translating.read_answer(call, COHERE_FORMAT, body)
        hide_secrets(answer.outcome, self._provider)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return hide_secrets(classify(status, headers, body), self._provider)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        path = self._provider.probe.path or MODELS_PATH
        return self._make(path if path.startswith("/") else f"/{path}", None, credential)

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        question: dict[str, object] = {"model": target.model}
        if endpoint is Endpoint.EMBEDDINGS:
            question |= {"texts": ["hi"], "input_type": USUAL_INPUT_TYPE, "embedding_types": ["float"]}
            return self._make(EMBED_PATH, _ENCODE(question), credential)
        if endpoint is Endpoint.RERANK:
            question |= {"query": "hi", "documents": ["hi"]}
            return self._make(RERANK_PATH, _ENCODE(question), credential)
        question |= {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        return self._make(CHAT_PATH, _ENCODE(question), credential)

    def _make(
        self, path: str, body: bytes | None, credential: Credential, stream: bool = False, forwarded: bytes = b""
    ) -> UpstreamRequest:
        """`path` below the base URL; `body` None: a GET. connect_timeout is the caller's to set."""
        origin = self._provider.origin
        line = f"{'GET' if body is None else 'POST'} {origin.prefix}{path} HTTP/1.1\r\nhost: {origin.authority}\r\n"
        secret = f"authorization: Bearer {credential.secret}\r\n" if credential.secret else ""
        head = f"{line}{secret}accept: {_EVENTS if stream else _JSON}\r\n".encode("latin-1") + self._fixed + forwarded
        if body is not None:
            head += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        return UpstreamRequest(self._provider.name, origin, head + b"\r\n", body or b"")

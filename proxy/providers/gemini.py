"""Google's Gemini API for developers: any client of a chat, and embeddings, by API key.

Nobody speaks its format to this proxy, so every request is written anew and every answer back (`providers/translating.py`);
embeddings have a translation of their own. Sources: Google's documentation and its SDK.
"""

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers import translating
from proxy.providers.google import QUESTION, TRANSLATED, Draft, GoogleService, encode_name, verb_of
from proxy.providers.heads import forward_headers
from proxy.wire.gemini.embeddings import read_embeddings, write_embeddings
from proxy.wire.gemini.format import GEMINI_FORMAT
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.reading import Answer, StreamReader

_EMBEDDING_QUESTION = b'{"content":{"parts":[{"text":"hi"}]}}'
#: What a name may begin with already; anything else is one of the public models.
_COLLECTIONS = ("models", "tunedModels")


class GeminiKind:
    """A provider of kind `gemini`; implements `ProviderKind`."""

    endpoints = TRANSLATED | {Endpoint.EMBEDDINGS}

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._service = GoogleService(provider, keyed=True)

    def __repr__(self) -> str:
        return f"<GeminiKind {self._provider.name} at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # The list of models is static; a path that the operator chose is the operator's word.
        return self._provider.probe.path is None

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        if endpoint in TRANSLATED:
            return GEMINI_FORMAT.fates[feature]
        return Fate.CARRIED if endpoint in self.endpoints else Fate.REFUSED

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        model = target.model
        call.upstream = model
        if call.endpoint is Endpoint.EMBEDDINGS:
            asked = write_embeddings(call.envelope, model)
            path = f"{self._locate(model)}:{'batchEmbedContents' if asked.batch else 'embedContent'}"
            draft = Draft(path, asked.body, dropped=asked.dropped)
        else:
            body, dropped = translating.write_request(call, GEMINI_FORMAT, model, target.facts)
            draft = Draft(f"{self._locate(model)}:{verb_of(call)}", body, call.envelope.stream, dropped)
        return self._service.make(draft, credential, forward_headers(call.headers))

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        return None

    def reader(self, call: Call) -> StreamReader:
        if call.endpoint is Endpoint.EMBEDDINGS:
            return ChatStreamReader()  # nobody streams embeddings; whatever comes is judged like a chat
        return translating.open_reader(call, GEMINI_FORMAT)

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        if call.endpoint is Endpoint.EMBEDDINGS:
            answer = read_embeddings(call.envelope, call.upstream or call.envelope.model, body)
        else:
            answer = translating.read_answer(call, GEMINI_FORMAT, body)
        self._service.hide_secrets(answer.outcome)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return self._service.judge(status, headers, body)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        return self._service.probe(self._provider.probe.path or "models", credential)

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        place = self._locate(target.model)
        if endpoint is Endpoint.EMBEDDINGS:
            return self._service.make(Draft(f"{place}:embedContent", _EMBEDDING_QUESTION), credential)
        return self._service.make(Draft(f"{place}:generateContent", QUESTION), credential)

    def _locate(self, model: str) -> str:
        """`gemini-x`, `models/gemini-x` and `tunedModels/mine` as paths."""
        collection, slash, name = model.partition("/")
        if not slash or collection not in _COLLECTIONS:
            collection, name = "models", model
        return f"{self._provider.origin.prefix}/{collection}/{encode_name(name)}"

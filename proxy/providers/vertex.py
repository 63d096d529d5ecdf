"""Google's Vertex AI: Gemini for any client of a chat, with a project and access tokens, or by API key alone (express mode).

The address has the location twice: in the host, which the configuration makes of it, and in the path. Models that were tuned
are addressed by the endpoint they are deployed to (`endpoints/123`), all others by their publisher. There is nothing to ask
for that costs nothing and proves something, so there is no free probe. Sources: Google's documentation and its SDK.
"""

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers import translating
from proxy.providers.google import QUESTION, TRANSLATED, Draft, GoogleService, encode_name, verb_of
from proxy.wire.gemini.format import VERTEX_FORMAT
from proxy.wire.reading import Answer, StreamReader

_TUNED = "endpoints/"


class VertexKind:
    """A provider of kind `vertex`; implements `ProviderKind`."""

    endpoints = TRANSLATED

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._service = GoogleService(provider, keyed=not provider.project)
        self._root = provider.origin.prefix
        if provider.project:
            self._root += f"/projects/{encode_name(provider.project)}/locations/{encode_name(provider.region)}"

    def __repr__(self) -> str:
        return f"<VertexKind {self._provider.name} at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # A path that the operator chose is the operator's word.
        return self._provider.probe.path is None

    def fate(self, endpoint: Endpoint, feature: Feature) -> Fate:
        return VERTEX_FORMAT.fates[feature] if endpoint in TRANSLATED else Fate.REFUSED

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        body, dropped = translating.write_request(call, VERTEX_FORMAT, target.model, target.facts)
        path = f"{self._locate(target.model)}:{verb_of(call)}"
        return self._service.make(Draft(path, body, call.envelope.stream, call.headers, dropped), credential)

    def reader(self, call: Call) -> StreamReader:
        return translating.open_reader(call, VERTEX_FORMAT)

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        answer = translating.read_answer(call, VERTEX_FORMAT, body)
        self._service.hide_secrets(answer.outcome)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return self._service.judge(status, headers, body)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        path = self._provider.probe.path
        return None if path is None else self._service.probe(path, credential)

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        return self._service.make(Draft(f"{self._locate(target.model)}:generateContent", QUESTION), credential)

    def _locate(self, model: str) -> str:
        if model.startswith(_TUNED):
            return f"{self._root}/endpoints/{encode_name(model.removeprefix(_TUNED))}"
        return f"{self._root}/publishers/google/models/{encode_name(model)}"

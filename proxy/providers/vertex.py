"""Google's Vertex AI: Gemini and Claude for any client of a chat, with a project and access tokens, or by API key alone.

The address has the location twice: in the host, which the configuration makes of it, and in the path. Models that were
tuned are addressed by the endpoint they are deployed to (`endpoints/123`), `claude-…` by Anthropic as their publisher, all
others by Google. Which format an answer has follows from the model that was asked for, so the call notes it. Without a
project (express mode) there is Gemini only. There is nothing to ask for that costs nothing and proves something, so there is
no free probe. Sources: the documentation and SDKs of Google and Anthropic.
"""

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers import messages, translating
from proxy.providers.google import QUESTION, TRANSLATED, Draft, GoogleService, encode_name, verb_of
from proxy.providers.heads import FORWARDED, forward_headers
from proxy.wire.gemini.format import VERTEX_FORMAT
from proxy.wire.reading import Answer, StreamReader

_TUNED = "endpoints/"
_CLAUDE_QUESTION = msgspec.json.encode(
    {
        "anthropic_version": messages.OLD_VERTEX_VERSION,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "hi"}],
    }
)
#: Client headers that go to Anthropic's models.
_FORWARDED = (*FORWARDED, "anthropic-beta")
_BEST_FIRST = (Fate.CARRIED, Fate.APPROXIMATED, Fate.DROPPED, Fate.REFUSED)


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

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        """Of this model; "": of the one that can carry it better."""
        if endpoint not in TRANSLATED:
            return Fate.REFUSED
        claude, gemini = messages.find_fate(endpoint, feature), VERTEX_FORMAT.fates[feature]
        if model:
            return claude if is_claude(model) else gemini
        return min(claude, gemini, key=_BEST_FIRST.index)

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        model = call.upstream = target.model
        stream = call.envelope.stream
        if is_claude(model):
            written = messages.to_vertex_body(call, target)
            verb = "streamRawPredict" if stream else "rawPredict"
            draft = Draft(f"{self._locate(model)}:{verb}", written.body, stream, written.dropped)
            return self._service.make(draft, credential, forward_headers(call.headers, _FORWARDED))
        body, dropped = translating.write_request(call, VERTEX_FORMAT, model, target.facts)
        draft = Draft(f"{self._locate(model)}:{verb_of(call)}", body, stream, dropped)
        return self._service.make(draft, credential, forward_headers(call.headers))

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        return messages.write_continuation(call, target, text) if is_claude(target.model) else None

    def reader(self, call: Call) -> StreamReader:
        return messages.open_reader(call) if _asks_claude(call) else translating.open_reader(call, VERTEX_FORMAT)

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        if _asks_claude(call):
            answer = messages.read_answer(call, body)
        else:
            answer = translating.read_answer(call, VERTEX_FORMAT, body)
        self._service.hide_secrets(answer.outcome)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return self._service.judge(status, headers, body)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        path = self._provider.probe.path
        return None if path is None else self._service.probe(path, credential)

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        place = self._locate(target.model)
        if is_claude(target.model):
            return self._service.make(Draft(f"{place}:rawPredict", _CLAUDE_QUESTION), credential)
        return self._service.make(Draft(f"{place}:generateContent", QUESTION), credential)

    def _locate(self, model: str) -> str:
        if model.startswith(_TUNED):
            return f"{self._root}/endpoints/{encode_name(model.removeprefix(_TUNED))}"
        publisher = "anthropic" if is_claude(model) else "google"
        return f"{self._root}/publishers/{publisher}/models/{encode_name(model)}"


def is_claude(model: str) -> bool:
    """Whether Anthropic is the publisher of this model."""
    return model.startswith("claude-")


def _asks_claude(call: Call) -> bool:
    """A probe, which no call has asked for, names its model itself."""
    return is_claude(call.upstream or call.envelope.model)

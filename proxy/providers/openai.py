"""Servers that speak OpenAI's format, OpenAI among them: requests, answers, errors and probes.

Theory of operation. The client's format is the provider's, so a body goes out as the bytes that came in but for the
model's name, the request for usage, and what the vendor's preset drops or renames. Heads are made once per credential
and endpoint; per request only forwarded client headers and the length are added. Judging is done by `wire`; this file
only tells it what was asked and in whose dialect. Clients of other formats are served by translation into chat, which every
one of these servers has; those of the Responses API only where the vendor does not have it.

Invariants: the destination and the credential come from the configuration alone; of a client's headers only an allow-list
goes upstream, and only what cannot break a line; no secret stays in an outcome. Refuses to send, wait or decide.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.providers import heads, translating
from proxy.providers.presets import PRESETS, Preset
from proxy.providers.relays import RELAYED, write_relay
from proxy.providers.responses import write_responses
from proxy.wire.chat.history import list_changes as list_history_changes
from proxy.wire.chat.quirks import CONTINUE_FIELDS, CONTINUE_MARKS, Continues, Quirks
from proxy.wire.chat.vendor import make_chat_format
from proxy.wire.dialects import CLIENTS
from proxy.wire.failures import classify
from proxy.wire.joints.extending import extend
from proxy.wire.openai_chat import ChatStreamReader, read_chat_answer
from proxy.wire.openai_completions import CompletionStreamReader, read_completion_answer
from proxy.wire.openai_embeddings import read_embeddings_answer
from proxy.wire.openai_envelope import read_value, splice
from proxy.wire.openai_stream import Asked
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.relaying import open_relay_reader, read_relay_answer
from proxy.wire.responses.stream import ResponsesStreamReader
from proxy.wire.responses.whole import read_responses_answer

PATHS: Mapping[Endpoint, str] = {
    Endpoint.CHAT: "/chat/completions",
    Endpoint.COMPLETIONS: "/completions",
    Endpoint.EMBEDDINGS: "/embeddings",
    Endpoint.RESPONSES: "/responses",
}
#: What clients of other formats ask for; `RESPONSES` is native to some vendors.
FOREIGN = frozenset(CLIENTS) - {Endpoint.CHAT, Endpoint.COMPLETIONS}

#: Client headers that go upstream as they are.
FORWARDED = ("openai-beta", *heads.FORWARDED)

_READERS: Mapping[Endpoint, Callable[[Asked], StreamReader]] = {
    Endpoint.CHAT: ChatStreamReader,
    Endpoint.COMPLETIONS: CompletionStreamReader,
    Endpoint.EMBEDDINGS: ChatStreamReader,  # nobody streams embeddings; whatever comes is judged like chat
}
_ANSWERS: Mapping[Endpoint, Callable[[bytes, Asked], Answer]] = {
    Endpoint.CHAT: read_chat_answer,
    Endpoint.COMPLETIONS: read_completion_answer,
    Endpoint.EMBEDDINGS: read_embeddings_answer,
}
_ENCODE = msgspec.json.Encoder().encode
MAX_HEADS = 1024
_LEAST_OUTPUT = 16  # tokens; the Responses API refuses less
_ASK_USAGE = b'{"include_usage":true}'


class OpenAIKind:
    """A provider of kind `openai`; implements `ProviderKind`. Raises ConfigError for what cannot be put into a head."""

    endpoints = frozenset(PATHS) | FOREIGN

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._preset = _find_preset(provider)
        self._fixed_headers = heads.write_headers(provider)
        self._paths = {endpoint: provider.origin.prefix + path for endpoint, path in PATHS.items()}
        self._heads: dict[tuple[str, str, bool], tuple[str | None, bytes]] = {}
        self._asked: dict[tuple[bool, bool], Asked] = {}
        here = not self._preset.continues_at or provider.origin.prefix == self._preset.continues_at
        self._continues: Continues = self._preset.continues if here else ""
        self._chat = make_chat_format(_list_quirks(self._preset, self._continues))
        self._translated = FOREIGN - {Endpoint.RESPONSES} if self._preset.responses else FOREIGN

    def __repr__(self) -> str:
        return f"<OpenAIKind {self._provider.name} ({self._preset.name}) at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # A path that the operator chose is the operator's word.
        return self._preset.free_probe_lies and self._provider.probe.path is None

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        if endpoint in self._translated:
            return self._chat.fates[feature]
        if endpoint is Endpoint.RESPONSES and feature is Feature.STATE and not self._preset.keeps:
            return Fate.REFUSED
        if feature in self._preset.lacks:
            return Fate.REFUSED
        return Fate.CARRIED if endpoint in self.endpoints else Fate.REFUSED

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        if call.endpoint in RELAYED:
            return self._relay(call, target, credential)
        if call.endpoint is not Endpoint.CHAT and call.endpoint in FOREIGN:
            return self._request_foreign(call, target, credential)
        envelope = call.envelope
        changes = self._list_changes(envelope, target)
        dropped: tuple[str, ...] = ()
        if self._preset.strict_history and call.endpoint is Endpoint.CHAT:
            cleaned, dropped = list_history_changes(envelope)
            changes |= cleaned
        body = splice(envelope, changes)
        head = self._get_head(self._place(call.endpoint, target.model), credential, envelope.stream)
        request = self._make_request(head + heads.forward_headers(call.headers, FORWARDED), body)
        request.dropped = dropped
        return request

    def _relay(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        relayed = write_relay(call, target.model)
        line = f"{relayed.method} {self._provider.origin.prefix}{relayed.path}"
        head = self._write_head(line, credential, relayed.accept) + heads.forward_headers(call.headers, FORWARDED)
        head += relayed.lines.encode("latin-1")
        if relayed.content_type:
            head += f"content-type: {relayed.content_type}\r\n".encode("latin-1")
        elif relayed.method == "GET":
            return UpstreamRequest(self._provider.name, self._provider.origin, head + b"\r\n")
        return self._make_request(head, relayed.body)

    def _request_foreign(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        """Of a client that speaks no chat. Raises EnvelopeError for what chat has no words for."""
        endpoint, stream = call.endpoint, call.envelope.stream
        if endpoint in self._translated:
            endpoint = Endpoint.CHAT
            body, dropped = translating.write_request(call, self._chat, target.model, target.facts)
        else:
            body, dropped = write_responses(call.envelope, target.model, self._preset.keeps)
        head = self._get_head(self._place(endpoint, target.model), credential, stream)
        request = self._make_request(head + heads.forward_headers(call.headers, FORWARDED), body)
        request.dropped = dropped
        return request

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        if call.endpoint is Endpoint.COMPLETIONS:
            return extend(call, text)
        translated = call.endpoint in self._translated
        if not (self._continues or target.facts.prefill) or not (translated or call.endpoint is Endpoint.CHAT):
            return None
        # What is written anew gets its marks when it is written.
        marked: Continues = "turn" if translated else self._continues
        return extend(call, text, CONTINUE_MARKS[marked], CONTINUE_FIELDS[marked])

    def reader(self, call: Call) -> StreamReader:
        if call.endpoint in RELAYED:
            return open_relay_reader(call)
        if call.endpoint is not Endpoint.CHAT and call.endpoint in FOREIGN:
            native = call.endpoint not in self._translated
            return ResponsesStreamReader() if native else translating.open_reader(call, self._chat)
        return _READERS[call.endpoint](self._describe(call.envelope))

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        if call.endpoint in RELAYED:
            answer = read_relay_answer(call, body)
        elif call.endpoint is not Endpoint.CHAT and call.endpoint in FOREIGN:
            native = call.endpoint not in self._translated
            answer = read_responses_answer(body) if native else translating.read_answer(call, self._chat, body)
        else:
            answer = _ANSWERS[call.endpoint](body, self._describe(call.envelope))
        heads.hide_secrets(answer.outcome, self._provider)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return heads.hide_secrets(classify(status, headers, body), self._provider)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        path = self._provider.probe.path or self._preset.free_path
        if path is None:
            return None
        head = self._write_head(f"GET {self._locate(path)}", credential, "application/json")
        return UpstreamRequest(self._provider.name, self._provider.origin, head + b"\r\n")

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        question: dict[str, object] = {"model": target.model}
        if endpoint is Endpoint.EMBEDDINGS:
            question["input"] = "hi"
        elif endpoint is Endpoint.COMPLETIONS:
            question.update(prompt="hi", max_tokens=1)
        elif endpoint is Endpoint.RESPONSES and endpoint not in self._translated:
            question.update(input="hi", max_output_tokens=_LEAST_OUTPUT)
        else:
            endpoint = Endpoint.CHAT
            question["messages"] = [{"role": "user", "content": "hi"}]
            question[self._preset.cap] = 1
        return self._make_request(self._get_head(self._place(endpoint, target.model), credential, False), _ENCODE(question))

    def _place(self, endpoint: Endpoint, model: str) -> str:
        """The path of an endpoint of the vendor's own."""
        return self._paths[endpoint]

    def _locate(self, path: str) -> str:
        """The path of a free probe, written as in a URL: with a leading slash from the origin, without from the base URL."""
        return path if path.startswith("/") else f"{self._provider.origin.prefix}/{path}"

    def _authorize(self, credential: Credential) -> str:
        """The header line that says who asks; "" for nobody."""
        return f"authorization: Bearer {credential.secret}\r\n" if credential.secret else ""

    def _describe(self, envelope: Envelope) -> Asked:
        fields, preset = envelope.fields, self._preset
        hide_usage = preset.usage == "ask" and not envelope.wants_usage
        stops = "stop" in fields and bool(read_value(envelope, "stop"))
        usual = self._asked.get((hide_usage, stops))
        if usual is None:
            usual = self._asked[hide_usage, stops] = Asked(
                hide_usage=hide_usage,
                stops=stops,
                lenient_finish=preset.lenient_finish,
                reasoning_outside=preset.reasoning_outside,
            )
        choices = read_value(envelope, "n") if "n" in fields else 1
        return usual if choices == 1 or type(choices) is not int else replace(usual, choices=choices)

    def _list_changes(self, envelope: Envelope, target: Target) -> dict[str, bytes | None]:
        preset, fields = self._preset, envelope.fields
        changes: dict[str, bytes | None] = {}
        if target.model != envelope.model:
            changes["model"] = _ENCODE(target.model)
        if preset.usage != "ask":
            changes["stream_options"] = None
        elif envelope.stream and not envelope.wants_usage:
            changes["stream_options"] = _ask_usage(envelope)
        for name in preset.drop:
            changes[name] = None
        for name, other in preset.rename.items():
            value = fields.get(name)
            if isinstance(value, msgspec.Raw):
                changes[name] = None
                if other not in fields:
                    changes[other] = bytes(value)
        return changes

    def _make_request(self, head: bytes, body: bytes) -> UpstreamRequest:
        # connect_timeout is the caller's to set
        return UpstreamRequest(
            self._provider.name, self._provider.origin, b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body
        )

    def _get_head(self, path: str, credential: Credential, stream: bool) -> bytes:
        key = (credential.id, path, stream)
        known = self._heads.get(key)
        if known is not None and known[0] == credential.secret:
            return known[1]
        if len(self._heads) >= MAX_HEADS:
            self._heads.clear()  # paths may hold models that clients name
        accept = "text/event-stream" if stream else "application/json"
        head = self._write_head(f"POST {path}", credential, accept) + b"content-type: application/json\r\n"
        self._heads[key] = (credential.secret, head)
        return head

    def _write_head(self, line: str, credential: Credential, accept: str) -> bytes:
        """The head but for the blank line and what depends on the request."""
        host, secret = self._provider.origin.authority, self._authorize(credential)
        head = f"{line} HTTP/1.1\r\nhost: {host}\r\n{secret}accept: {accept}\r\n"
        return head.encode("latin-1") + self._fixed_headers


def _find_preset(provider: Provider) -> Preset:
    preset = PRESETS.get(provider.preset)
    if preset is None:
        raise ConfigError([ConfigProblem(f"there is no preset {provider.preset!r}", key=f"providers.{provider.name}")])
    return preset


def _list_quirks(preset: Preset, continues: Continues) -> Quirks:
    """The preset as far as it concerns requests that are written anew."""
    return Quirks(
        drop=preset.drop,
        rename=preset.rename,
        cap=preset.cap,
        ask_usage=preset.usage == "ask",
        lenient_finish=preset.lenient_finish,
        reasoning_outside=preset.reasoning_outside,
        refuses=preset.lacks,
        continues=continues,
    )


def _ask_usage(envelope: Envelope) -> bytes | None:
    """`stream_options` with `include_usage`, the client's other options kept. What is no object is left for the provider
    to refuse."""
    if "stream_options" not in envelope.fields:
        return _ASK_USAGE
    options = read_value(envelope, "stream_options")
    if options is None:
        return _ASK_USAGE
    if not isinstance(options, dict):
        return bytes(envelope.fields["stream_options"])  # type: ignore[call-overload,no-any-return]
    return _ENCODE({**options, "include_usage": True})

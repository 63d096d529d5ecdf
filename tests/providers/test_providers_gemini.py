import json
from typing import Any

import pytest
from google.genai import types

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.core.sources import GoogleMetadataSource
from proxy.providers.gemini import GeminiKind
from proxy.rehearse.answers import ask
from proxy.rehearse.gemini_answers import compose
from proxy.rehearse.google_errors import GOOGLE_ERRORS
from proxy.wire.formats import FORMATS
from proxy.wire.openai_stream import TERMINATOR

KEY = Credential("g#1", "AIzaSecretSecret")
ORIGIN = Origin("https", "generativelanguage.googleapis.com", 443, "/v1beta")
GEMINI = GeminiKind(Provider("g", "gemini", "gemini", ORIGIN, (KEY,)))
HI: dict[str, Any] = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}


def make_call(endpoint: Endpoint = Endpoint.CHAT, headers: dict[str, str] | None = None, **body: Any) -> Call:
    raw = json.dumps({"model": "public", **body} if body else HI).encode()
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(raw, endpoint), headers or {}, wall=1.0)


def head_of(kind: GeminiKind, call: Call, model: str = "gemini-3-flash", credential: Credential = KEY) -> list[bytes]:
    return kind.request(call, Target("g", model), credential).head.split(b"\r\n")


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("gemini-3-flash", "/v1beta/models/gemini-3-flash"),
        ("models/gemini-3-flash", "/v1beta/models/gemini-3-flash"),
        ("tunedModels/mine", "/v1beta/tunedModels/mine"),
        ("a/../b c?d#e", "/v1beta/models/a%2F..%2Fb%20c%3Fd%23e"),
        ("models/../../v1/x", "/v1beta/models/..%2F..%2Fv1%2Fx"),
    ],
)
def test_the_model_is_one_part_of_the_path(model: str, place: str) -> None:
    assert head_of(GEMINI, make_call(), model)[0] == f"POST {place}:generateContent HTTP/1.1".encode()
    streamed = make_call(messages=HI["messages"], stream=True)
    assert head_of(GEMINI, streamed, model)[0] == f"POST {place}:streamGenerateContent?alt=sse HTTP/1.1".encode()


def test_keys_and_tokens_have_headers_of_their_own() -> None:
    head = head_of(GEMINI, make_call(headers={"traceparent": "00-a", "openai-beta": "x", "tracestate": "a\r\nb"}))
    assert b"x-goog-api-key: AIzaSecretSecret" in head
    assert b"traceparent: 00-a" in head
    assert not [line for line in head if line.startswith((b"authorization", b"openai-beta", b"tracestate"))]
    token = Credential("g#2", "ya29.x", source=GoogleMetadataSource(None))
    head = head_of(GEMINI, make_call(), credential=token)
    assert b"authorization: Bearer ya29.x" in head
    assert not [line for line in head if line.startswith(b"x-goog-api-key")]
    assert not [line for line in head_of(GEMINI, make_call(), credential=Credential("g#3")) if b"key" in line]


def test_a_chat_there_and_back() -> None:
    call = make_call()
    request = GEMINI.request(call, Target("g", "gemini-3-flash"), KEY)
    reply = compose(ask("POST", "/v1beta/models/gemini-3-flash:generateContent", "", request.body), "r1", 6)
    answer = GEMINI.answer(call, [], reply.whole)
    assert answer.outcome.ok
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "When one lamp goes dark another"
    assert answer.usage is not None
    assert answer.usage.output == 6


def test_a_stream_has_no_terminator_and_gets_the_clients() -> None:
    call = make_call(messages=HI["messages"], stream=True)
    request = GEMINI.request(call, Target("g", "gemini-3-flash"), KEY)
    reply = compose(ask("POST", "/v1beta/models/m:streamGenerateContent", "", request.body), "r1", 6)
    reader = GEMINI.reader(call)
    out = b"".join(reader.feed(piece) for piece in (*reply.pieces, reply.finish))
    assert reader.content
    assert not reader.done
    assert reader.end().ok
    assert (out + reader.terminator).endswith(TERMINATOR)
    cut = GEMINI.reader(call)
    cut.feed(b"".join(reply.pieces))
    assert cut.end().kind is OutcomeKind.STREAM_BROKEN


@pytest.mark.parametrize("value", ["hi", ["hi", "there"]])
def test_embeddings(value: object) -> None:
    call = make_call(Endpoint.EMBEDDINGS, input=value, user="u")
    request = GEMINI.request(call, Target("g", "gemini-embedding-001"), KEY)
    path = request.head.split(b" ")[1].decode()
    assert path.endswith(":embedContent" if value == "hi" else ":batchEmbedContents")
    assert request.dropped == ("user",)
    reply = compose(ask("POST", path, "", request.body), "r", 1)
    answer = GEMINI.answer(call, [], reply.whole)
    assert answer.outcome.ok
    assert answer.model == "gemini-embedding-001"
    assert len(json.loads(answer.body)["data"]) == (1 if value == "hi" else 2)


def test_fates() -> None:
    assert GEMINI.fate(Endpoint.CHAT, Feature.IMAGE_URLS) is Fate.REFUSED
    assert GEMINI.fate(Endpoint.MESSAGES, Feature.TOOLS) is Fate.CARRIED
    assert GEMINI.fate(Endpoint.EMBEDDINGS, Feature.USER) is Fate.CARRIED


@pytest.mark.parametrize("name", GOOGLE_ERRORS)
def test_errors(name: str) -> None:
    status, kind, body = GOOGLE_ERRORS[name]
    assert GEMINI.error(status, [], body).kind is kind


def test_no_secret_is_quoted() -> None:
    body = b'{"error":{"code":400,"message":"bad key AIzaSecretSecret","status":"INVALID_ARGUMENT"}}'
    assert "AIzaSecretSecret" not in GEMINI.error(400, [], body).message
    assert "AIzaSecretSecret" not in GEMINI.answer(make_call(), [], body).outcome.message


def test_probes() -> None:
    free = GEMINI.free_probe(KEY)
    assert free is not None
    assert free.head.startswith(b"GET /v1beta/models HTTP/1.1\r\n")
    assert GEMINI.free_probe_lies
    for path, place in (("/health", b"/health"), ("models/x", b"/v1beta/models/x")):
        kind = GeminiKind(Provider("g", "gemini", "gemini", ORIGIN, (KEY,), probe=ProbeSettings(path=path)))
        chosen = kind.free_probe(KEY)
        assert chosen is not None
        assert chosen.head.startswith(b"GET " + place + b" HTTP/1.1\r\n")
        assert not kind.free_probe_lies
    asked = GEMINI.completion_probe(Target("g", "m"), Endpoint.CHAT, KEY)
    question = json.loads(asked.body)
    types.Content.model_validate(question["contents"][0])
    assert question["generationConfig"] == {"maxOutputTokens": 1}
    asked = GEMINI.completion_probe(Target("g", "m"), Endpoint.EMBEDDINGS, KEY)
    assert asked.head.startswith(b"POST /v1beta/models/m:embedContent ")


def test_repr() -> None:
    assert repr(GEMINI) == "<GeminiKind g at generativelanguage.googleapis.com>"

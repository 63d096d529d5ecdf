import json
from typing import Any

import pytest
from anthropic.types import Message

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.features import Fate, Feature
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.providers.vertex import VertexKind
from proxy.rehearse.answers import ask
from proxy.rehearse.behaviour import Style
from proxy.rehearse.speakers import find_speaker
from proxy.wire.formats import FORMATS

TOKEN = Credential("v#1", "ya29.secret-secret")
ORIGIN = Origin("https", "europe-west1-aiplatform.googleapis.com", 443, "/v1")
VERTEX = VertexKind(Provider("v", "vertex", "vertex", ORIGIN, (TOKEN,), region="europe-west1", project="my project"))
EXPRESS = VertexKind(Provider("v", "vertex", "vertex", Origin("https", "aiplatform.googleapis.com", 443, "/v1"), (TOKEN,)))
ROOT = "/v1/projects/my%20project/locations/europe-west1"
MESSAGES = [{"role": "user", "content": "hi"}]
CLAUDE = "claude-sonnet-4-5@20250929"
GEMINI_ANSWER = b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"MAX_TOKENS"}]}'
CLAUDE_ANSWER = (
    b'{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"a"}],"stop_reason":"max_tokens"}'
)
BODIES: dict[Endpoint, dict[str, Any]] = {
    Endpoint.CHAT: {"messages": MESSAGES},
    Endpoint.COMPLETIONS: {"prompt": "hi"},
    Endpoint.RESPONSES: {"input": "hi"},
    Endpoint.MESSAGES: {"messages": MESSAGES, "max_tokens": 50},
}


def make_call(endpoint: Endpoint = Endpoint.CHAT, headers: dict[str, str] | None = None, **more: Any) -> Call:
    raw = json.dumps({"model": "public", **BODIES[endpoint], **more}).encode()
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(raw, endpoint), headers or {}, wall=1.0)


def line_of(kind: VertexKind, model: str, **more: Any) -> str:
    return kind.request(make_call(**more), Target("v", model), TOKEN).head.split(b"\r\n")[0].decode()


@pytest.mark.parametrize(
    ("kind", "model", "stream", "line"),
    [
        (VERTEX, "gemini-3-flash", False, f"{ROOT}/publishers/google/models/gemini-3-flash:generateContent"),
        (VERTEX, "gemini-x", True, f"{ROOT}/publishers/google/models/gemini-x:streamGenerateContent?alt=sse"),
        (VERTEX, "a/../b", False, f"{ROOT}/publishers/google/models/a%2F..%2Fb:generateContent"),
        (VERTEX, "endpoints/12/3", False, f"{ROOT}/endpoints/12%2F3:generateContent"),
        (VERTEX, CLAUDE, False, f"{ROOT}/publishers/anthropic/models/{CLAUDE}:rawPredict"),
        (VERTEX, CLAUDE, True, f"{ROOT}/publishers/anthropic/models/{CLAUDE}:streamRawPredict"),
        (EXPRESS, "gemini-3-flash", False, "/v1/publishers/google/models/gemini-3-flash:generateContent"),
    ],
)
def test_paths(kind: VertexKind, model: str, stream: bool, line: str) -> None:
    assert line_of(kind, model, stream=stream) == f"POST {line} HTTP/1.1"


def test_a_project_takes_tokens_and_express_mode_a_key() -> None:
    for kind, expected in (
        (VERTEX, b"authorization: Bearer ya29.secret-secret\r\n"),
        (EXPRESS, b"x-goog-api-key: ya29.secret-secret\r\n"),
    ):
        head = kind.request(make_call(), Target("v", "gemini-3-flash"), TOKEN).head
        assert expected in head
        assert head.count(b"ya29") == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gemini-3-flash", CLAUDE])
@pytest.mark.parametrize("endpoint", BODIES)
def test_every_client_is_served_by_both_publishers(endpoint: Endpoint, model: str, stream: bool) -> None:
    call = make_call(endpoint, stream=stream)
    request = VERTEX.request(call, Target("v", model), TOKEN)
    asked = ask("POST", request.head.split(b" ")[1].partition(b"?")[0].decode(), "", request.body)
    speaker = find_speaker(asked)
    assert speaker is not None
    reply = speaker.compose(asked, "r1", 6, Style.TEXT)
    if not stream:
        answer = VERTEX.answer(call, [], reply.whole)
        assert answer.outcome.ok
        assert b"When one lamp goes dark another" in answer.body
        assert answer.usage is not None
        assert answer.usage.output == 6
        return
    reader = VERTEX.reader(call)
    reader.feed(reply.opening)
    assert not reader.content
    for piece in (*reply.pieces, reply.finish, speaker.terminator):
        reader.feed(piece)
    assert reader.end().ok
    assert "".join(reader.texts()) == "When one lamp goes dark another"
    assert reader.terminator


def test_claudes_own_clients_get_bytes_for_bytes() -> None:
    call = make_call(Endpoint.MESSAGES, {"anthropic-beta": "x-2026", "anthropic-version": "2023-06-01"}, unknown=[1.10])
    request = VERTEX.request(call, Target("v", CLAUDE), TOKEN)
    body = json.loads(request.body)
    assert body == {**BODIES[Endpoint.MESSAGES], "unknown": [1.10], "anthropic_version": "vertex-2023-10-16"}
    assert b"anthropic-beta: x-2026\r\n" in request.head
    assert b"anthropic-version" not in request.head
    whole = b'{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"a"}],'
    whole += b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}'
    assert VERTEX.answer(call, [], whole).body == whole


def test_others_reach_claude_by_translation() -> None:
    call = make_call(temperature=0.5, headers={"anthropic-beta": "x"})
    body = json.loads(VERTEX.request(call, Target("v", CLAUDE), TOKEN).body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    assert body["messages"][0]["role"] == "user"


def test_gemini_answers_clients_of_anthropic_in_their_words() -> None:
    call = make_call(Endpoint.MESSAGES)
    VERTEX.request(call, Target("v", "gemini-3-flash"), TOKEN)
    Message.model_validate_json(VERTEX.answer(call, [], GEMINI_ANSWER).body, strict=True)


def test_fates_are_those_of_the_model() -> None:
    pairs = [(Feature.PREFILL, Fate.REFUSED), (Feature.AUDIO_INPUT, Fate.CARRIED), (Feature.IMAGE_URLS, Fate.CARRIED)]
    for feature, fate in pairs:
        assert VERTEX.fate(Endpoint.CHAT, feature, "gemini-3-flash") is fate
    assert VERTEX.fate(Endpoint.CHAT, Feature.AUDIO_INPUT, CLAUDE) is Fate.REFUSED
    assert VERTEX.fate(Endpoint.MESSAGES, Feature.PREFILL, CLAUDE) is Fate.CARRIED
    assert VERTEX.fate(Endpoint.CHAT, Feature.AUDIO_INPUT) is Fate.CARRIED
    assert VERTEX.fate(Endpoint.MESSAGES, Feature.PREFILL) is Fate.CARRIED
    assert VERTEX.fate(Endpoint.EMBEDDINGS, Feature.USER) is Fate.REFUSED


def test_probes() -> None:
    assert VERTEX.free_probe(TOKEN) is None
    assert VERTEX.free_probe_lies
    provider = Provider("v", "vertex", "vertex", ORIGIN, (TOKEN,), probe=ProbeSettings(path="/live"))
    free = VertexKind(provider).free_probe(TOKEN)
    assert free is not None
    assert free.head.startswith(b"GET /live HTTP/1.1\r\n")
    assert not VertexKind(provider).free_probe_lies
    for model, path, answer in (
        ("gemini-x", b"publishers/google/models/gemini-x:generateContent", GEMINI_ANSWER),
        (CLAUDE, b"publishers/anthropic/models/" + CLAUDE.encode() + b":rawPredict", CLAUDE_ANSWER),
    ):
        request = VERTEX.completion_probe(Target("v", model), Endpoint.CHAT, TOKEN)
        assert path in request.head
        probe = Call("probe", Endpoint.CHAT, Envelope(model, False, False, {}, request.body), {})
        assert VERTEX.answer(probe, [], answer).outcome.ok
        assert not VERTEX.answer(probe, [], GEMINI_ANSWER if answer is CLAUDE_ANSWER else CLAUDE_ANSWER).outcome.ok


def test_errors_hide_secrets() -> None:
    assert "ya29" not in VERTEX.error(403, [], b'{"error":{"code":403,"message":"ya29.secret-secret is bad"}}').message


def test_repr() -> None:
    assert repr(VERTEX) == "<VertexKind v at europe-west1-aiplatform.googleapis.com>"

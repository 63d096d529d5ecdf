import json
from typing import Any

import h11
import pytest
from wire.cohere_judge import EMBED, judge
from wire.cohere_streams import HELLO, THINKING, TOOLS, USAGE

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.core.usage import Usage
from proxy.providers.cohere import CohereKind
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import read_envelope

KEY = Credential("c#1", "co-key-0123456789")
COMMAND, EMBED_4 = Target("c", "command-a-03-2025"), Target("c", "embed-v4.0")
QUESTIONS: dict[Endpoint, dict[str, Any]] = {
    Endpoint.CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    Endpoint.COMPLETIONS: {"prompt": "hi"},
    Endpoint.RESPONSES: {"input": "hi"},
    Endpoint.MESSAGES: {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
}
SPENT = Usage(542, 63, 512, billed=(13, 61))


def bind(**rest: Any) -> CohereKind:
    return CohereKind(Provider("c", "cohere", "cohere", Origin("https", "api.cohere.com", 443), (KEY,), **rest))


def make_call(endpoint: Endpoint = Endpoint.CHAT, **fields: Any) -> Call:
    body = json.dumps({"model": "m", **QUESTIONS.get(endpoint, {}), **fields}).encode()
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(body, endpoint), {})


def read_head(request: UpstreamRequest) -> tuple[str, dict[str, str]]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(request.head + request.body)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    return head.target.decode(), {name.decode(): value.decode() for name, value in head.headers}


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_clients_question_is_asked(endpoint: Endpoint, stream: bool) -> None:
    request = bind().request(make_call(endpoint, stream=stream), COMMAND, KEY)
    target, headers = read_head(request)
    assert target == "/v2/chat"
    assert headers["authorization"] == f"Bearer {KEY.secret}"
    assert headers["accept"] == ("text/event-stream" if stream else "application/json")
    body = json.loads(request.body)
    judge(body)
    assert (body["model"], body["stream"]) == (COMMAND.model, stream)
    assert body["messages"] == [{"role": "user", "content": "hi"}]


def test_what_is_lost_is_said() -> None:
    assert bind().request(make_call(user="u", top_p=1.0, odd=1), COMMAND, KEY).dropped == (
        "odd",
        "user",
        "top_p;approximated",
    )


@pytest.mark.parametrize("endpoint", QUESTIONS)
@pytest.mark.parametrize("stream", [HELLO, THINKING, TOOLS])
def test_streams_for_every_client(endpoint: Endpoint, stream: bytes) -> None:
    reader = bind().reader(make_call(endpoint, stream=True))
    out = reader.feed(stream)
    assert (reader.done, reader.content, reader.failure) == (True, True, None)
    assert reader.end().ok
    assert out.startswith((b"data: ", b"event: "))
    assert reader.usage == SPENT


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_whole_answers_for_every_client(endpoint: Endpoint) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
    body = {"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": USAGE}
    answer = bind().answer(make_call(endpoint), [], json.dumps(body).encode())
    assert answer.outcome.ok
    assert b"Hello" in answer.body
    assert answer.usage == SPENT


def test_embeddings() -> None:
    call = make_call(Endpoint.EMBEDDINGS, input=["a"])
    request = bind().request(call, EMBED_4, KEY)
    assert read_head(request)[0] == "/v2/embed"
    assert set(json.loads(request.body)) <= EMBED
    body = b'{"id":"e","embeddings":{"float":[[0.5]]},"meta":{"billed_units":{"input_tokens":2}}}'
    answer = bind().answer(call, [], body)
    assert (answer.usage, answer.model) == (Usage(2, billed=(2, 0)), "embed-v4.0")


def test_rankings_go_through() -> None:
    body = b'{"model":"m","query":"q","documents":["a","b"]}'
    call = Call("id", Endpoint.RERANK, read_envelope(body, Endpoint.RERANK), {})
    request = bind().request(call, Target("c", "rerank-v4.0"), KEY)
    assert read_head(request)[0] == "/v2/rerank"
    assert json.loads(request.body) == {**json.loads(body), "model": "rerank-v4.0"}
    ranked = b'{"id":"r","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}'
    assert bind().answer(call, [], ranked).body == ranked
    assert not bind().answer(call, [], b'{"message":"no"}').outcome.ok
    assert b'"query":"hi"' in bind().completion_probe(Target("c", "rerank-v4.0"), Endpoint.RERANK, KEY).body


def test_fates() -> None:
    kind = bind()
    assert kind.fate(Endpoint.CHAT, Feature.DOCUMENTS) is Fate.REFUSED
    assert kind.fate(Endpoint.EMBEDDINGS, Feature.DOCUMENTS) is Fate.CARRIED
    assert "c at api.cohere.com" in repr(kind)


def test_errors_keep_no_secret() -> None:
    outcome = bind().error(401, [], json.dumps({"message": f"bad {KEY.secret}"}).encode())
    assert (outcome.kind, "0123456789" in outcome.message) == (Kind.AUTH_FAILED, False)


def test_probes() -> None:
    kind = bind()
    chat = kind.completion_probe(COMMAND, Endpoint.MESSAGES, KEY)
    judge(json.loads(chat.body))
    assert set(json.loads(kind.completion_probe(EMBED_4, Endpoint.EMBEDDINGS, KEY).body)) <= EMBED
    free = kind.free_probe(KEY)
    assert free is not None
    assert read_head(free)[0] == "/v1/models"
    assert kind.free_probe_lies
    chosen = bind(probe=ProbeSettings(path="ping"))
    probe = chosen.free_probe(KEY)
    assert probe is not None
    assert read_head(probe)[0] == "/ping"
    assert not chosen.free_probe_lies

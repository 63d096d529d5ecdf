"""What every line of the provider table must keep, with every preset: the seam that the next vendor is built to."""

import h11
import pytest

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import UpstreamRequest
from proxy.core.features import HARD, Fate, Feature
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.contract import ProviderKind
from proxy.providers.presets import PRESETS
from proxy.providers.table import KINDS
from proxy.wire.formats import FORMATS

SECRET = "sk-very-secret-1234567890"
CREDENTIAL = Credential("p#1", SECRET)
TARGET = Target("p", "upstream-model")
BODIES = {
    Endpoint.CHAT: b'{"model":"public","messages":[{"role":"user","content":"hi"}],"unknown":{"a":[1.10]}%b}',
    Endpoint.COMPLETIONS: b'{"model":"public","prompt":"hi","unknown":{"a":[1.10]}%b}',
    Endpoint.EMBEDDINGS: b'{"model":"public","input":"hi","unknown":{"a":[1.10]}%b}',
    Endpoint.RESPONSES: b'{"model":"public","input":"hi","unknown":{"a":[1.10]}%b}',
    Endpoint.MESSAGES: b'{"model":"public","max_tokens":5,"messages":[{"role":"user","content":"hi"}],'
    b'"unknown":{"a":[1.10]}%b}',
    Endpoint.RERANK: b'{"model":"public","query":"hi","documents":["a"],"unknown":{"a":[1.10]}%b}',
    Endpoint.COUNT_TOKENS: b'{"model":"public","messages":[{"role":"user","content":"hi"}],"unknown":{"a":[1.10]}%b}',
}
#: The shortest answers that there are, of all formats.
ANSWERS = (
    b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    b'{"choices":[{"text":"a","finish_reason":"stop"}]}',
    b'{"id":"resp_1","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}',
    b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}',
    b'{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":"end_turn"}',
    b'{"finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"a"}]}}',
    b'{"data":[{"embedding":[1]}]}',
    b'{"embeddings":[[1]]}',
    b'{"results":[{"index":0,"relevance_score":1}]}',
    b'{"embedding":{"values":[1]}}',
    b'{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"max_tokens"}',
    b'{"input_tokens":1}',
)
#: Kinds with a format of their own have the one preset of their name.
LINES = [(kind, preset) for kind in KINDS for preset in PRESETS if kind == "openai" or preset == kind]


@pytest.fixture(params=LINES, ids=[f"{kind}-{preset}" for kind, preset in LINES])
def kind(request: pytest.FixtureRequest) -> ProviderKind:
    name, preset = request.param
    origin, line = Origin("https", "api.example", 443, "/v1"), PRESETS[preset]
    project = "project-1" if line.project else ""
    return KINDS[name](Provider("p", name, preset, origin, (CREDENTIAL,), region=line.region, project=project))


def make_call(endpoint: Endpoint, stream: bool = False, headers: dict[str, str] | None = None) -> Call:
    body = BODIES[endpoint] % (b',"stream":true' if stream else b"")
    form = FORMATS[Endpoint.MESSAGES if endpoint is Endpoint.COUNT_TOKENS else endpoint]
    envelope = form.read_envelope(body, endpoint)
    return Call("id", endpoint, envelope, headers or {})


def parse(request: UpstreamRequest) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(request.head + request.body)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    return head, body


@pytest.mark.parametrize("stream", [False, True])
def test_requests_are_sound_http(kind: ProviderKind, stream: bool) -> None:
    for endpoint in kind.endpoints:
        request = kind.request(make_call(endpoint, stream), TARGET, CREDENTIAL)
        head, body = parse(request)
        names = [name for name, _ in head.headers]
        assert len(names) == len(set(names))
        assert (request.pool, request.origin.host, head.method) == ("p", "api.example", b"POST")
        assert body == request.body
        assert b"upstream-model" in body + head.target
        assert b"[1.10]" in body or "unknown" in request.dropped


def test_every_feature_has_a_fate_at_every_endpoint(kind: ProviderKind) -> None:
    for endpoint in Endpoint:
        fates = {feature: kind.fate(endpoint, feature) for feature in Feature}
        if endpoint not in kind.endpoints:
            assert set(fates.values()) == {Fate.REFUSED}
        assert {feature for feature, fate in fates.items() if fate is Fate.DROPPED}.isdisjoint(HARD)


def test_client_headers_cannot_break_a_request(kind: ProviderKind) -> None:
    hostile = {"authorization": "Bearer client", "x-api-key": "client", "host": "evil", "cookie": "a=b", "connection": "x"}
    hostile |= {"idempotency-key": "a\r\nx-evil: 1", "traceparent": "\x00", "openai-beta": "é"}
    for endpoint in kind.endpoints:
        head, _ = parse(kind.request(make_call(endpoint, headers=hostile), TARGET, CREDENTIAL))
        values = b"|".join(value for _, value in head.headers)
        assert b"client" not in values
        assert b"evil" not in values
        assert not {b"cookie", b"idempotency-key", b"traceparent", b"openai-beta"} & {n for n, _ in head.headers}


def test_equal_calls_make_equal_requests(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        first, second = (kind.request(make_call(endpoint), TARGET, CREDENTIAL) for _ in range(2))
        assert (first.head, first.body) == (second.head, second.body)


def test_a_renewed_secret_is_used(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        kind.request(make_call(endpoint), TARGET, CREDENTIAL)
        request = kind.request(make_call(endpoint), TARGET, Credential(CREDENTIAL.id, "renewed"))
        assert b"renewed" in request.head
        assert SECRET.encode() not in request.head


def test_probes_are_sound_http(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        head, body = parse(kind.completion_probe(TARGET, endpoint, CREDENTIAL))
        assert head.method == b"POST"
        assert b"upstream-model" in body + head.target
        assert len(body) < 200
    free = kind.free_probe(CREDENTIAL)
    if free is not None:
        head, body = parse(free)
        assert (head.method, body) == (b"GET", b"")
        assert kind.free_probe_lies in (True, False)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\x00", b"[" * 10_000, b'{"error":{"message":"bad key %b"}}' % SECRET.encode()]
)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 418, 429, 500, 503, 999])
def test_errors_are_judged_whatever_the_bytes(kind: ProviderKind, status: int, body: bytes) -> None:
    outcome = kind.error(status, [(b"retry-after", b"-1"), (b"\xff", b"\xff")], body)
    assert not outcome.ok
    assert outcome.status == status
    assert SECRET not in repr(outcome)
    assert outcome.retry_after is None


def test_whole_answers_that_are_none_never_pass(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        for body in (b"", b"<html>", b"{}", b'{"error":{"message":"x"}}', b"[" * 10_000, b"\xff"):
            assert not kind.answer(make_call(endpoint), [], body).outcome.ok


def test_probes_are_judged_without_a_request_of_a_client(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        probe = Call("probe", endpoint, Envelope("upstream-model", False, False, {}, b""), {})
        assert any(kind.answer(probe, [], body).outcome.ok for body in ANSWERS)
        assert not kind.answer(probe, [], b"{}").outcome.ok


def test_readers_are_fresh_and_start_with_nothing(kind: ProviderKind) -> None:
    for endpoint in kind.endpoints:
        reader = kind.reader(make_call(endpoint, stream=True))
        assert reader is not kind.reader(make_call(endpoint, stream=True))
        assert (reader.content, reader.failure, reader.done, reader.usage, reader.data_events) == (
            False,
            None,
            False,
            None,
            0,
        )
        assert reader.feed(b": comment\n\n") in (b"", b": comment\n\n")
        assert not reader.content
        assert reader.data_events == 0
        assert reader.end().kind is OutcomeKind.STREAM_BROKEN
        assert reader.texts() == []

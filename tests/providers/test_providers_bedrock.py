import base64
import datetime
import json
from typing import Any
from unittest import mock

import h11
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from wire.converse_judge import judge
from wire.converse_streams import HELLO, THINKING, TOOLS

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError
from proxy.core.exchange import UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.core.sources import AwsKeys
from proxy.core.usage import Usage
from proxy.providers.bedrock import BedrockKind
from proxy.wire.formats import FORMATS
from proxy.wire.invoke import InvokeReader

KEY = Credential("b#1", "bedrock-api-key-0123456789")
AWS = Credential("b#2", aws=AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "TOKEN"))
CLAUDE = Target("b", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
NOVA = Target("b", "us.amazon.nova-2-lite-v1:0")
ARN = Target("b", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc")
#: One question in each client's format.
QUESTIONS: dict[Endpoint, dict[str, Any]] = {
    Endpoint.CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    Endpoint.COMPLETIONS: {"prompt": "hi"},
    Endpoint.RESPONSES: {"input": "hi"},
    Endpoint.MESSAGES: {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
}


def bind(*credentials: Credential, host: str = "bedrock-runtime.us-east-1.amazonaws.com", **rest: Any) -> BedrockKind:
    return BedrockKind(Provider("b", "bedrock", "bedrock", Origin("https", host, 443), credentials or (KEY,), **rest))


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
def test_every_clients_question_is_asked_in_converse(endpoint: Endpoint, stream: bool) -> None:
    request = bind().request(make_call(endpoint, stream=stream), NOVA, KEY)
    target, headers = read_head(request)
    verb, accept = ("converse-stream", "application/vnd.amazon.eventstream") if stream else ("converse", "application/json")
    assert target == f"/model/us.amazon.nova-2-lite-v1%3A0/{verb}"
    assert (headers["authorization"], headers["accept"]) == (f"Bearer {KEY.secret}", accept)
    assert request.sign is None
    body = json.loads(request.body)
    assert judge(body, NOVA.model) == []
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]


class TestNative:
    """Clients of Anthropic's format that ask for Claude."""

    @pytest.mark.parametrize(("stream", "verb"), [(False, "invoke"), (True, "invoke-with-response-stream")])
    def test_the_clients_bytes_go_in_an_envelope(self, stream: bool, verb: str) -> None:
        call = make_call(Endpoint.MESSAGES, stream=stream, odd={"a": 1.0})
        call.headers = {"anthropic-beta": "one, two", "anthropic-version": "2023-06-01"}
        request = bind().request(call, CLAUDE, KEY)
        target, headers = read_head(request)
        assert target == f"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/{verb}"
        assert "anthropic-beta" not in headers
        assert json.loads(request.body) == {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
            "odd": {"a": 1.0},
            "anthropic_version": "bedrock-2023-05-31",
            "anthropic_beta": ["one", "two"],
        }
        assert b'{"a": 1.0}' in request.body
        assert request.dropped == ()

    def test_later_models_want_a_later_version(self) -> None:
        request = bind().request(make_call(Endpoint.MESSAGES), Target("b", "anthropic.claude-opus-4-8"), KEY)
        assert json.loads(request.body)["anthropic_version"] == "2026-10-21"
        assert "anthropic_beta" not in json.loads(request.body)

    def test_answers_are_the_models_own(self) -> None:
        kind, call = bind(), make_call(Endpoint.MESSAGES)
        kind.request(call, CLAUDE, KEY)
        body = (
            b'{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hi"}],'
            b'"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}'
        )
        answer = kind.answer(call, [], body)
        assert (answer.outcome.ok, answer.body, answer.usage) == (True, body, Usage(3, 1))
        assert isinstance(kind.reader(call), InvokeReader)
        assert not kind.answer(call, [], b'{"message":"no"}').outcome.ok

    def test_other_models_are_asked_in_converse(self) -> None:
        kind, call = bind(), make_call(Endpoint.MESSAGES)
        kind.request(call, CLAUDE, KEY)
        kind.request(call, NOVA, KEY)  # the next attempt of the same call
        assert not isinstance(kind.reader(call), InvokeReader)


def test_an_arn_is_one_part_of_the_path() -> None:
    target, _ = read_head(bind().request(make_call(), ARN, KEY))
    assert target == ("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/converse")


def test_what_is_lost_is_said() -> None:
    request = bind().request(make_call(seed=7, user="u", temperature=0.5, top_p=0.9, odd=1), CLAUDE, KEY)
    assert request.dropped == ("odd", "seed", "top_p", "user")


@pytest.mark.parametrize("target", [CLAUDE, ARN])
@pytest.mark.parametrize("stream", [False, True])
def test_signatures_are_botocores(target: Target, stream: bool) -> None:
    request = bind(AWS).request(make_call(stream=stream), target, AWS)
    path, headers = read_head(request)
    assert "authorization" not in headers
    assert request.sign is not None
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    lines = dict(line.split(": ", 1) for line in request.sign(at.timestamp()).decode().strip().split("\r\n"))
    covered = {name: headers[name] for name in ("host", "accept", "content-type")}
    theirs = AWSRequest("POST", f"https://{headers['host']}{path}", headers=covered, data=request.body)
    with mock.patch.object(auth, "get_current_datetime", return_value=at.replace(tzinfo=None)):
        signer = auth.SigV4Auth(Credentials("AKIDEXAMPLE", AWS.aws.secret_key, "TOKEN"), "bedrock", "us-east-1")  # type: ignore[union-attr]
        signer.add_auth(theirs)
    assert lines["authorization"] == theirs.headers["Authorization"]
    assert (lines["x-amz-date"], lines["x-amz-security-token"]) == ("20260102T030405Z", "TOKEN")
    assert request.sign(at.timestamp() + 1) != request.sign(at.timestamp())


def test_a_signature_needs_a_region() -> None:
    with pytest.raises(ConfigError, match="region: is required"):
        bind(AWS, host="proxy.internal")
    assert bind(AWS, host="proxy.internal", region="eu-west-1").request(make_call(), CLAUDE, AWS).sign is not None
    assert bind(KEY, host="proxy.internal").request(make_call(), CLAUDE, KEY).sign is None


def test_fates() -> None:
    kind = bind()
    assert kind.fate(Endpoint.CHAT, Feature.IMAGE_URLS) is Fate.REFUSED
    assert kind.fate(Endpoint.MESSAGES, Feature.TOOLS) is Fate.CARRIED
    assert kind.fate(Endpoint.EMBEDDINGS, Feature.TOOLS) is Fate.CARRIED
    assert "b at bedrock-runtime" in repr(kind)


class TestAnswers:
    @pytest.mark.parametrize("endpoint", QUESTIONS)
    @pytest.mark.parametrize("stream", [HELLO, THINKING, TOOLS])
    def test_streams_for_every_client(self, endpoint: Endpoint, stream: bytes) -> None:
        reader = bind().reader(make_call(endpoint, stream=True))
        out = reader.feed(stream)
        assert (reader.done, reader.content, reader.failure) == (True, True, None)
        assert reader.end().ok
        assert out.startswith((b"data: ", b"event: "))
        assert reader.usage == Usage(110, 5, 60, 40)
        assert b"event" in reader.terminator or reader.terminator.endswith(b"[DONE]\n\n")

    @pytest.mark.parametrize("endpoint", QUESTIONS)
    def test_whole_answers_for_every_client(self, endpoint: Endpoint) -> None:
        body = {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
        }
        answer = bind().answer(make_call(endpoint), [], json.dumps(body).encode())
        assert answer.outcome.ok
        assert b"Hello" in answer.body
        assert answer.usage == Usage(3, 1)

    def test_thoughts_come_back_sealed(self) -> None:
        asked = make_call(stream=True)
        bind().request(asked, CLAUDE, KEY)
        reader = bind().reader(asked)
        details = [
            detail
            for line in reader.feed(THINKING).split(b"\n\n")
            if line
            for detail in json.loads(line[6:])["choices"][0]["delta"].get("reasoning_details", ())
        ]
        assert any(detail.get("signature") == "EqQB" for detail in details)
        history = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Hi", "reasoning_details": details},
            {"role": "user", "content": "more"},
        ]
        sent = json.loads(bind().request(make_call(messages=history), CLAUDE, KEY).body)
        blocks = [block for block in sent["messages"][1]["content"] if "reasoningContent" in block]
        assert blocks[0]["reasoningContent"]["reasoningText"] == {"text": "hmm", "signature": "EqQB"}
        assert {"reasoningContent": {"redactedContent": "AAAA"}} in blocks

    def test_errors_keep_no_secret(self) -> None:
        body = json.dumps({"message": f"The key {KEY.secret} is bad"}).encode()
        outcome = bind().error(403, [(b"x-amzn-errortype", b"AccessDeniedException:http://x")], body)
        assert (outcome.kind, outcome.type) == (Kind.AUTH_FAILED, "AccessDeniedException")
        assert "0123456789" not in outcome.message
        assert "AKIDEXAMPLE" not in bind(AWS).error(403, [], b'{"message":"AKIDEXAMPLE is bad"}').message


class TestEmbeddings:
    TITAN, COHERE = Target("b", "amazon.titan-embed-text-v2:0"), Target("b", "cohere.embed-v4:0")

    def test_titan(self) -> None:
        call = make_call(Endpoint.EMBEDDINGS, input="hi", encoding_format="base64", user="u")
        request = bind().request(call, self.TITAN, KEY)
        assert read_head(request)[0] == "/model/amazon.titan-embed-text-v2%3A0/invoke"
        assert (json.loads(request.body), request.dropped) == ({"inputText": "hi"}, ("user",))
        answer = bind().answer(call, [], b'{"embedding":[0.5],"inputTextTokenCount":3}')
        assert (answer.usage, answer.model) == (Usage(3), self.TITAN.model)
        assert base64.b64decode(json.loads(answer.body)["data"][0]["embedding"]) == b"\x00\x00\x00?"

    def test_cohere(self) -> None:
        call = make_call(Endpoint.EMBEDDINGS, input=["a", "b"])
        request = bind().request(call, self.COHERE, KEY)
        assert json.loads(request.body) == {
            "texts": ["a", "b"],
            "input_type": "search_document",
            "embedding_types": ["float"],
        }
        headers = [(b"X-Amzn-Bedrock-Input-Token-Count", b"7"), (b"content-type", b"application/json")]
        answer = bind().answer(call, headers, b'{"embeddings":{"float":[[0.5],[1]]},"response_type":"embeddings_by_type"}')
        assert answer.usage == Usage(7)
        assert bind().answer(call, [(b"x-amzn-bedrock-input-token-count", b"x")], b'{"embeddings":[[1],[2]]}').usage is None


class TestProbes:
    @pytest.mark.parametrize(
        ("target", "endpoint", "path"),
        [
            (CLAUDE, Endpoint.CHAT, "converse"),
            (CLAUDE, Endpoint.MESSAGES, "converse"),
            (TestEmbeddings.TITAN, Endpoint.EMBEDDINGS, "invoke"),
            (TestEmbeddings.COHERE, Endpoint.EMBEDDINGS, "invoke"),
        ],
    )
    def test_the_smallest_request(self, target: Target, endpoint: Endpoint, path: str) -> None:
        request = bind(AWS).completion_probe(target, endpoint, AWS)
        assert read_head(request)[0].endswith(f"/{path}")
        assert request.sign is not None
        body = json.loads(request.body)
        if path == "converse":
            assert judge(body, target.model) == []
            assert body["inferenceConfig"] == {"maxTokens": 1}
        else:
            assert len(body) in (1, 2)

    def test_nothing_is_free_but_what_the_operator_says(self) -> None:
        assert bind().free_probe(KEY) is None
        assert not bind().free_probe_lies
        for path in ("/ping", "ping"):
            probe = bind(probe=ProbeSettings(path=path)).free_probe(KEY)
            assert probe is not None
            assert probe.head.startswith(b"GET /ping HTTP/1.1\r\n")
            assert probe.body == b""

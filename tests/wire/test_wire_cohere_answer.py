import base64
import json
import struct
from typing import Any

import pytest
from wire.cohere_judge import EMBED, check_answer, check_embeddings, check_ranking
from wire.cohere_streams import CITATION, USAGE

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.cohere.embeddings import read_embeddings, write_embeddings
from proxy.wire.cohere.format import COHERE_FORMAT
from proxy.wire.cohere.rerank import RERANK_PATH, read_rerank, write_rerank
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.openai_envelope import EnvelopeError, read_envelope
from proxy.wire.pieces import Citation, Finish, Finished

HTML = b"<html><title>502</title></html>"
ODD_BODIES = [
    (b"", Kind.MALFORMED),
    (HTML, Kind.MALFORMED),
    (b"{}", Kind.MALFORMED),
    (b"[]", Kind.MALFORMED),
    (b"\xff", Kind.MALFORMED),
    (b"[" * 10_000, Kind.MALFORMED),
    (b'{"id":"x","message":"too many tokens: 9000"}', Kind.CONTEXT_TOO_LONG),
]


class TestChat:
    def test_all_kinds_of_parts(self) -> None:
        message = {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}],
            "tool_plan": "I will look.",
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
                {"id": "t2", "type": "function", "function": {"name": "time"}},
            ],
            "citations": [CITATION],
        }
        body = {"id": "c1", "finish_reason": "TOOL_CALL", "message": message, "usage": USAGE}
        check_answer(body)
        completion = COHERE_FORMAT.read_answer(json.dumps(body).encode())
        choice = completion.choices[0]
        assert choice.parts == [
            Thinking("hm"),
            Text("Hi"),
            Text("I will look."),
            ToolCall("t1", "weather", '{"city":"Rome"}'),
            ToolCall("t2", "time", "{}"),
        ]
        assert (choice.finish, choice.citations) == (Finished(Finish.TOOL_CALLS), [Citation("https://x", "T", CITATION)])
        assert (completion.id, completion.usage) == ("c1", Usage(542, 63, 512, billed=(13, 61)))

    def test_what_is_missing_is_made_up(self) -> None:
        completion = COHERE_FORMAT.read_answer(b'{"message":{"tool_calls":[{}]}}')
        assert completion.choices[0].parts == [ToolCall("call_0", "", "{}")]
        assert completion.choices[0].finish.reason is Finish.STOP

    def test_half_an_emoji_can_be_read(self) -> None:
        assert COHERE_FORMAT.read_answer(b'{"message":{"tool_plan":"\\ud83d"}}').choices[0].parts == [Text("?")]

    @pytest.mark.parametrize(
        ("body", "kind"), [*ODD_BODIES, (b'{"message":{},"finish_reason":"ERROR","id":"x"}', Kind.SERVER_ERROR)]
    )
    def test_what_is_no_answer(self, body: bytes, kind: Kind) -> None:
        assert COHERE_FORMAT.read_answer(body).outcome.kind is kind


def ask(**fields: Any) -> Any:
    return read_envelope(json.dumps({"model": "embed", **fields}).encode(), Endpoint.EMBEDDINGS)


EMBEDDED = {
    "id": "e1",
    "embeddings": {"float": [[0.1, -2], [1.0, 2.5]]},
    "texts": ["a", "b"],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
    "response_type": "embeddings_by_type",
}


class TestEmbeddings:
    def test_a_request(self) -> None:
        body, dropped = write_embeddings(ask(input="a", dimensions=256, user="u", encoding_format="base64"), "embed-v4.0")
        sent = json.loads(body)
        assert set(sent) <= EMBED
        assert sent == {
            "model": "embed-v4.0",
            "texts": ["a"],
            "input_type": "search_document",
            "embedding_types": ["float"],
            "output_dimension": 256,
        }
        assert dropped == ("user",)

    def test_a_client_may_say_what_it_is_for(self) -> None:
        sent = json.loads(write_embeddings(ask(input=["a", "b"], input_type="search_query", truncate="NONE"), None)[0])
        assert (sent["input_type"], sent["truncate"], sent["texts"]) == ("search_query", "NONE", ["a", "b"])
        assert "model" not in sent

    @pytest.mark.parametrize("given", [[1, 2], [[1]], [], None, 5, ["a", 1]])
    def test_only_text_can_be_embedded(self, given: object) -> None:
        with pytest.raises(EnvelopeError) as caught:
            write_embeddings(ask(input=given), "m")
        assert caught.value.param == "input"

    def test_an_answer(self) -> None:
        check_embeddings(EMBEDDED)
        answer = read_embeddings(ask(input=["a", "b"]), "embed-v4.0", json.dumps(EMBEDDED).encode())
        assert answer.outcome.ok
        assert json.loads(answer.body) == {
            "object": "list",
            "data": [
                {"object": "embedding", "index": 0, "embedding": [0.1, -2]},
                {"object": "embedding", "index": 1, "embedding": [1.0, 2.5]},
            ],
            "model": "embed-v4.0",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        }
        assert (answer.usage, answer.model) == (Usage(7, billed=(7, 0)), "embed-v4.0")

    def test_base64_is_packed_here(self) -> None:
        answer = read_embeddings(ask(input=["a", "b"], encoding_format="base64"), "m", json.dumps(EMBEDDED).encode())
        packed = json.loads(answer.body)["data"][1]["embedding"]
        assert struct.unpack("<2f", base64.b64decode(packed)) == (1.0, 2.5)

    def test_older_answers_and_counts_beside_the_body(self) -> None:
        answer = read_embeddings(ask(input="a"), "m", b'{"embeddings":[[0.5]]}', counted=3)
        assert answer.usage == Usage(3)
        assert read_embeddings(ask(input="a"), "m", b'{"embeddings":[[0.5]]}').usage is None

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            *ODD_BODIES,
            (b'{"embeddings":{}}', Kind.MALFORMED),
            (b'{"embeddings":[[]]}', Kind.MALFORMED),
            (b'{"embeddings":[["x"]]}', Kind.MALFORMED),
            (b'{"embeddings":[[1],[2]]}', Kind.MALFORMED),
            (b'{"embeddings":[[1e300]]}', Kind.MALFORMED),
        ],
    )
    def test_what_is_no_answer(self, body: bytes, kind: Kind) -> None:
        assert read_embeddings(ask(input="a", encoding_format="base64"), "m", body).outcome.kind is kind


class TestRerank:
    ANSWER = b'{"id":"r","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}'

    def test_bodies_go_through(self) -> None:
        body = b'{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1}'
        envelope = read_envelope(body, Endpoint.EMBEDDINGS)
        assert write_rerank(envelope, "m") is body
        assert write_rerank(envelope, "rerank-v4.0") == body.replace(b'"m"', b'"rerank-v4.0"')
        assert RERANK_PATH == "/v2/rerank"

    def test_answers_go_through(self) -> None:
        check_ranking(json.loads(self.ANSWER))
        answer = read_rerank(self.ANSWER)
        assert (answer.outcome.ok, answer.body, answer.usage) == (True, self.ANSWER, None)
        jina = b'{"model":"jina","usage":{"total_tokens":12},"results":[{"index":0,"relevance_score":1,"document":"a"}]}'
        assert (read_rerank(jina).usage, read_rerank(jina).model) == (Usage(12), "jina")
        assert read_rerank(b'{"results":[],"usage":{}}').usage is None

    @pytest.mark.parametrize(("body", "kind"), [*ODD_BODIES, (b'{"results":[{"index":0}]}', Kind.MALFORMED)])
    def test_what_is_no_answer(self, body: bytes, kind: Kind) -> None:
        assert read_rerank(body).outcome.kind is kind

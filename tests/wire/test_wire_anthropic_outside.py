"""The outside of Messages requests, what they need, and what their clients are told when things go wrong."""

import json
from typing import Any

import pytest
from anthropic.types import ErrorResponse
from messages_shapes import body, make_call

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature
from proxy.core.problem import Problem
from proxy.wire.anthropic.envelope import read_envelope
from proxy.wire.anthropic.errors import error_body, error_event, error_headers, status_of
from proxy.wire.anthropic.needs import affinity_of, guess_tokens, needs_of
from proxy.wire.openai_envelope import EnvelopeError, splice

USER = {"role": "user", "content": "hello there"}


def open_envelope(raw: bytes) -> Any:
    return read_envelope(raw, Endpoint.MESSAGES)


def test_an_envelope_keeps_every_byte() -> None:
    raw = b'{"model":"m","stream":true,"messages":[ 1.10 ],"new":{"a":1}}'
    envelope = open_envelope(raw)
    assert (envelope.model, envelope.stream, envelope.wants_usage) == ("m", True, True)
    assert splice(envelope, {"model": b'"x"'}) == raw.replace(b'"m"', b'"x"')
    assert not read_envelope(raw, Endpoint.RESPONSES).stream
    assert not open_envelope(b'{"model":"m","stream":null}').stream


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The request body is not valid JSON"),
        (b"\xff", "The request body is not valid JSON"),
        (b"[]", "Input should be a valid dictionary"),
        (b'{"a":' + b"[" * 100_000, "The request body is nested too deeply."),
        (b"{}", "model: Field required"),
        (b'{"model":null}', "model: Input should be a valid string"),
        (b'{"model":"\xff"}', "model: Input should be a valid string"),
        (b'{"model":""}', "model: String should have at least 1 character"),
        (b'{"model":"%b"}' % (b"x" * 300), "model: String should have at most 256 characters"),
        (b'{"model":"a\\n"}', "model: String should not contain control characters"),
        (b'{"model":"m","stream":1}', "stream: Input should be a valid boolean"),
    ],
)
def test_what_cannot_be_routed(raw: bytes, message: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        open_envelope(raw)
    assert caught.value.message.startswith(message)


def test_an_envelope_with_half_an_emoji() -> None:
    assert open_envelope(b'{"model":"m","messages":"\\ud83d"\x20}').model == "m"


def test_needs() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d" * 40}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "r" * 40}
    call = {"type": "tool_use", "id": "a", "name": "n" * 20, "input": {"x": "i" * 12}}
    raw = body(
        [
            {"role": "user", "content": [image, document, {"type": "text", "text": "t" * 40}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "k" * 40, "signature": ""}, call]},
            {"role": "user", "content": [result]},
        ],
        tools=[{"name": "n", "input_schema": {}}],
        max_tokens=99,
        stream=True,
    )
    needs = needs_of(open_envelope(raw))
    assert (needs.tools, needs.images, needs.stream, needs.output) == (True, True, True, 99)
    assert needs.features == {Feature.TOOLS, Feature.IMAGES, Feature.DOCUMENTS}
    assert needs.tokens == (40 * 4 + 20 + 20 + len('[{"name":"n","input_schema":{}}]')) // 4
    assert needs_of(open_envelope(b'{"model":"m","messages":3,"stream":true}')).stream
    assert needs_of(open_envelope(body())).output == 0


def test_a_guess_where_a_number_is_needed() -> None:
    call = make_call(body([{"role": "user", "content": "x" * 40}]))
    assert guess_tokens(call) == 10
    call.needs = Needs(tokens=7)
    assert guess_tokens(call) == 7
    call.needs, call.dialogue = Needs(), None
    assert guess_tokens(call) == 0


def test_affinity_stays_while_the_conversation_grows() -> None:
    def of(*messages: object, **fields: object) -> str:
        return affinity_of(open_envelope(body(messages, **fields)))

    marked = {"role": "user", "content": [{"type": "text", "text": "hello there", "cache_control": {"type": "ephemeral"}}]}
    assert of(USER) == of(USER, {"role": "assistant", "content": "x"}, USER) == of(marked)
    assert of(USER) == of({"role": "assistant", "content": "earlier"}, USER)
    assert len({of(USER), of(USER, system="s"), of({"role": "user", "content": "other"}), of(), ""}) == 4
    assert of(USER, system=[{"type": "text", "text": "s"}]) == of(USER, system="s")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}
    assert of({"role": "user", "content": [image]}) not in ("", of({"role": "user", "content": [{"type": "image"}]}))
    for odd in (
        b'{"model":"m","messages":3}',
        b'{"model":"m","messages":[3]}',
        b'{"model":"m","system":3}',
        b'{"model":"m"}',
    ):
        assert affinity_of(open_envelope(odd)) == ""


@pytest.mark.parametrize(
    ("status", "sent", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (401, 401, "authentication_error"),
        (402, 402, "billing_error"),
        (403, 403, "permission_error"),
        (404, 404, "not_found_error"),
        (409, 409, "conflict_error"),
        (413, 413, "request_too_large"),
        (422, 422, "invalid_request_error"),
        (429, 429, "rate_limit_error"),
        (500, 500, "api_error"),
        (502, 502, "api_error"),
        (503, 529, "overloaded_error"),
        (504, 504, "timeout_error"),
        (529, 529, "overloaded_error"),
    ],
)
def test_errors_by_status(status: int, sent: int, kind: str) -> None:
    assert status_of(status) == sent
    value = json.loads(error_body(Problem(status, "words", request_id="r1")))
    assert value == {"type": "error", "error": {"type": kind, "message": "words"}, "request_id": "r1"}
    if kind != "conflict_error" and kind != "request_too_large":
        ErrorResponse.model_validate(value)


def test_an_error_says_all_it_knows() -> None:
    problem = Problem(
        503, "m", code="c", attempts=[{"target": "a/b"}], extra={"near": ["x"], "type": "never"}, retry_after=1.5
    )
    value = json.loads(error_body(problem))
    assert value["error"] == {
        "type": "overloaded_error",
        "message": "m",
        "details": {"error_code": "c"},
        "attempts": [{"target": "a/b"}],
        "near": ["x"],
    }
    assert error_event(problem) == b"event: error\ndata: " + error_body(problem) + b"\n\n"
    assert error_headers(problem) == [(b"x-should-retry", b"false"), (b"retry-after-ms", b"1500"), (b"retry-after", b"2")]
    problem.request_id = "r"
    assert error_headers(problem)[-1] == (b"request-id", b"r")

import json

import jsonschema
import pytest
from openai.types.shared import ErrorObject

from proxy.core.problem import Problem
from proxy.wire.openai_errors import WAITING, closing_comment, error_body, error_event, error_headers

#: ErrorResponse of OpenAI's published document: all four keys are required.
SCHEMA = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
PROBLEM = Problem(503, "no target can serve", "server_error", "unavailable", retry_after=1.2001)


@pytest.mark.parametrize(
    "problem",
    [
        PROBLEM,
        Problem(400, "x", param="model", code="invalid_type"),
        Problem(404, "x", attempts=[{"target": "a/b", "outcome": "server_error"}], extra={"nearest": ["m"]}),
    ],
)
def test_errors_have_openais_shape(problem: Problem) -> None:
    body = json.loads(error_body(problem))
    jsonschema.validate(body, SCHEMA)
    ErrorObject.model_validate(body["error"])


def test_exactly_four_keys_where_there_is_nothing_more() -> None:
    assert list(json.loads(error_body(PROBLEM))["error"]) == ["message", "type", "param", "code"]


def test_attempts_and_extras_stand_beside_and_never_instead() -> None:
    problem = Problem(404, "x", attempts=[{"target": "a"}], extra={"nearest": ["m"], "message": "other"})
    error = json.loads(error_body(problem))["error"]
    assert (error["attempts"], error["nearest"], error["message"]) == ([{"target": "a"}], ["m"], "x")


def test_an_error_in_a_stream_is_one_event() -> None:
    event = error_event(PROBLEM)
    assert event == b"data: " + error_body(PROBLEM) + b"\n\n"
    assert b"[DONE]" not in event
    assert event.count(b"\n") == 2


def test_comments_are_comments() -> None:
    assert closing_comment({"tokens": 3, "text": "a\nb"}) == b': undimmed {"tokens":3,"text":"a\\nb"}\n\n'
    assert WAITING.startswith(b":")
    assert WAITING.endswith(b"\n\n")


def test_headers_tell_sdks_what_to_do() -> None:
    assert error_headers(PROBLEM) == [(b"x-should-retry", b"false"), (b"retry-after-ms", b"1201"), (b"retry-after", b"2")]
    assert error_headers(Problem(429, "x", should_retry=True)) == [(b"x-should-retry", b"true")]
    assert error_headers(Problem(429, "x", retry_after=-5.0))[1:] == [(b"retry-after-ms", b"0"), (b"retry-after", b"0")]

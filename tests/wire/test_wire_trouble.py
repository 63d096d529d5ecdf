import json

import pytest

from proxy.wire.trouble import MAX_PARSED, find_error, read_trouble


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"m","code":"c"}}', "m", "c"),
        (b'[{"error":{"code":429,"message":"m"}}]', "m", "429"),
        (b'{"error":"m"}', "m", None),
        (b'{"error":7,"code":"c"}', "7", "c"),
        (b'{"code":"c","error":"m"}', "m", "c"),
        (b'{"object":"error","message":"m","code":400}', "m", "400"),
        (b'{"message":"m","id":"x"}', "m", None),
        (b'{"Message":"m"}', "m", None),
        (b'{"detail":"m"}', "m", None),
        (b'{"detail":[{"loc":["a"],"msg":"m"},"n",{},7]}', "m; n; 7", None),
        (b'{"detail":{"message":"m"}}', "m", None),
        (b'{"error":{"code":true,"message":["x"]}}', "x", None),
        (b'{"id":"x"}', "", None),
        (b"plain text", "plain text", None),
        (b"[1]", "[1]", None),
        (b"\xff\xfe", "��", None),
        (b"<html><title>T</title>", "HTML error page (T)", None),
        (b"<html>", "HTML error page", None),
    ],
)
def test_any_shape_is_read(body: bytes, message: str, code: str | None) -> None:
    trouble = read_trouble(body)
    assert (trouble.message, trouble.code) == (message, code)


@pytest.mark.parametrize("code", [502, "502"])
def test_a_status_inside_the_body_is_read(code: object) -> None:
    assert read_trouble(json.dumps({"error": {"code": code}}).encode()).status == 502


@pytest.mark.parametrize("code", [200, 600, "abc", None, True, 4.0, "1113"])
def test_what_is_no_error_status_is_none(code: object) -> None:
    assert read_trouble(json.dumps({"error": {"code": code, "message": "m"}}).encode()).status is None


@pytest.mark.parametrize(
    "value", [None, 1, [], [1, 2], {}, {"choices": [], "message": "x"}, {"data": [], "detail": "x"}, {"id": 1}]
)
def test_answers_are_no_errors(value: object) -> None:
    assert find_error(value) is None


def test_the_most_specific_word_comes_first() -> None:
    body = b'{"error":{"type":"rate_limit_error","code":null,"message":"m","details":{"error_code":"Ramp_Limit_Exceeded"}}}'
    trouble = read_trouble(body)
    assert trouble.words == ("ramp_limit_exceeded", "rate_limit_error")
    assert trouble.code == "Ramp_Limit_Exceeded"


def test_deep_and_huge_bodies_are_text() -> None:
    assert read_trouble(b"[" * 100_000).fields == {}
    assert read_trouble(b'{"error":{"message":"' + b"x" * MAX_PARSED + b'"}}').fields == {}

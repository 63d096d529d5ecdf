"""Refusals have OpenAI's shape, say what to do, and are no reason to try again."""

import json

import pytest

from proxy.server import refusals
from proxy.server.refusals import Refusal, bad_query, encode_body, refusal_headers, unknown_path, wrong_method

TABLE = [value for value in vars(refusals).values() if isinstance(value, Refusal)]


@pytest.mark.parametrize("refusal", TABLE, ids=lambda refusal: refusal.reason)
def test_every_refusal_is_in_openai_shape(refusal: Refusal) -> None:
    error = json.loads(encode_body(refusal))["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["code"]) == (refusal.type, refusal.code)
    assert (b"x-should-retry", b"false") in refusal_headers(refusal)
    assert 400 <= refusal.status < 600


def test_reasons_are_unique_labels() -> None:
    reasons = [refusal.reason for refusal in TABLE]
    assert len(set(reasons)) == len(reasons)


def test_malformed_requests_always_close() -> None:
    assert all(refusal.close for refusal in TABLE if refusal.status in (408, 431, 505))
    assert all(refusal.close for refusal in TABLE if refusal.status == 400 and refusal.reason != "bad_query")


def test_made_refusals_say_what_would_be_right() -> None:
    assert "GET /health/ready" in unknown_path("GET", "/x").message
    assert len(unknown_path("GET", "/" + "x" * 5000).message) < 1500
    assert wrong_method("PUT", "/usage", "GET, HEAD").headers == ((b"allow", b"GET, HEAD"),)
    assert json.loads(encode_body(bad_query("tokens", "No.")))["error"]["param"] == "tokens"

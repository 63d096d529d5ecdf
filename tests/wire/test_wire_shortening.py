"""The same request for a shorter answer."""

import json

import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.wire.formats import FORMATS
from proxy.wire.shortening import shorten


def call(endpoint: Endpoint, **fields: object) -> Call:
    body = json.dumps({"model": "m", "messages": [], **fields}).encode()
    request = ClientRequest(endpoint, {}, body, None, None, 0.0)
    return Call("id", endpoint, FORMATS[endpoint].read(request), {}, affinity="a", wall=1.0)


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [
        (Endpoint.CHAT, "max_tokens"),
        (Endpoint.CHAT, "max_completion_tokens"),
        (Endpoint.COMPLETIONS, "max_tokens"),
        (Endpoint.MESSAGES, "max_tokens"),
        (Endpoint.RESPONSES, "max_output_tokens"),
    ],
)
def test_a_limit_that_is_there_is_lowered_and_the_rest_kept(endpoint: Endpoint, field: str) -> None:
    asked = call(endpoint, **{field: 900}, odd={"x": [1.50]})
    shorter = shorten(asked, 100, "other")
    assert shorter is not None
    assert json.loads(shorter.envelope.body) == {"model": "m", "messages": [], field: 100, "odd": {"x": [1.5]}}
    assert b"1.50" in shorter.envelope.body or b"1.5" in asked.envelope.body
    assert bytes(shorter.envelope.fields[field]) == b"100"  # type: ignore[call-overload]
    assert (shorter.affinity, shorter.wall, asked.envelope.fields[field] != b"100") == ("a", 1.0, True)
    assert shorten(asked, 900, "other") is None
    assert shorten(asked, 1000, "other") is None


@pytest.mark.parametrize("odd", [None, "many", True])
def test_what_is_no_limit_becomes_one(odd: object) -> None:
    shorter = shorten(call(Endpoint.CHAT, max_tokens=odd), 100, "other")
    assert shorter is not None
    assert json.loads(shorter.envelope.body)["max_tokens"] == 100


def test_a_limit_that_is_not_there_is_written_as_the_vendor_calls_it() -> None:
    chat = shorten(call(Endpoint.CHAT), 100, "max_completion_tokens")
    assert chat is not None
    assert json.loads(chat.envelope.body)["max_completion_tokens"] == 100
    responses = shorten(call(Endpoint.RESPONSES, input="hi"), 100, "max_completion_tokens")
    assert responses is not None
    assert json.loads(responses.envelope.body)["max_output_tokens"] == 100


def test_what_generates_no_text_has_no_limit() -> None:
    assert shorten(call(Endpoint.EMBEDDINGS, input="hi"), 100, "max_tokens") is None

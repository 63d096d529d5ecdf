import msgspec
import pytest

from proxy.core.endpoints import Endpoint
from proxy.wire.guessing import NAMES, guess_endpoint


@pytest.mark.parametrize(
    ("body", "headers", "endpoint"),
    [
        (b'{"messages":[]}', {}, Endpoint.CHAT),
        (b'{"messages":[],"tools":[{"type":"function"}]}', {}, Endpoint.CHAT),
        (b'{"messages":[],"system":"x"}', {}, Endpoint.MESSAGES),
        (b'{"messages":[],"tools":[{"name":"f","input_schema":{}}]}', {}, Endpoint.MESSAGES),
        (b'{"messages":[]}', {"anthropic-version": "2023-06-01"}, Endpoint.MESSAGES),
        (b'{"prompt":"x"}', {}, Endpoint.COMPLETIONS),
        (b'{"input":"x"}', {}, Endpoint.RESPONSES),
        (b'{"input":"x","encoding_format":"float"}', {}, Endpoint.EMBEDDINGS),
        (b"{}", {}, Endpoint.CHAT),
        (b'{"messages":[]}', {"x-undimmed-endpoint": "responses"}, Endpoint.RESPONSES),
        (b'{"messages":[]}', {"x-undimmed-endpoint": "images"}, None),
    ],
)
def test_what_a_body_is_for(body: bytes, headers: dict[str, str], endpoint: Endpoint | None) -> None:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    assert guess_endpoint(fields, "m", headers) is endpoint


def test_a_model_whose_name_says_it() -> None:
    assert guess_endpoint({"input": b'"x"'}, "text-embedding-3-small", {}) is Endpoint.EMBEDDINGS
    assert NAMES == ("chat", "completions", "embeddings", "messages", "responses")

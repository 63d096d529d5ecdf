"""Stored things that a request's body names."""

import json

from proxy.core.endpoints import Endpoint
from proxy.wire.openai_envelope import read_envelope
from proxy.wire.references import Reference, find_references


def find(endpoint: Endpoint, files: bool = True, **fields: object) -> list[Reference]:
    body = json.dumps({"model": "m", **fields}).encode()
    return find_references(read_envelope(body, endpoint), endpoint, files)


def test_histories() -> None:
    assert find(Endpoint.RESPONSES, previous_response_id="resp_1", conversation={"id": "conv_1"}) == [
        Reference("response", "resp_1", "previous_response_id"),
        Reference("conversation", "conv_1", "conversation"),
    ]
    assert find(Endpoint.COMPACT, conversation="conv_1") == [Reference("conversation", "conv_1", "conversation")]
    assert find(Endpoint.RESPONSES, previous_response_id=None, conversation=[1]) == []
    assert find(Endpoint.RESPONSES, previous_response_id="", conversation={"id": 5}) == []
    assert find(Endpoint.CHAT, previous_response_id="resp_1") == []


def test_files() -> None:
    part = {"type": "file", "file": {"file_id": "file-1"}}
    other = {"type": "input_file", "file_id": "file_2"}
    assert find(Endpoint.CHAT, messages=[part, other, part]) == [
        Reference("file", "file-1", "file_id"),
        Reference("file", "file_2", "file_id"),
    ]
    assert find(Endpoint.CHAT, files=False, messages=[part]) == []
    assert find(Endpoint.EMBEDDINGS, input=[part]) == []


def test_what_only_looks_like_a_file() -> None:
    quoted = json.dumps({"file_id": "file-1"})
    schema = {"properties": {"file_id": {"type": "string"}}}
    assert find(Endpoint.CHAT, messages=[quoted, schema, {"file_id": "weekly"}, {"file_id": "file-" + "x" * 300}]) == []
    assert len(find(Endpoint.CHAT, messages=[{"file_id": f"file-{i}"} for i in range(200)])) == 100

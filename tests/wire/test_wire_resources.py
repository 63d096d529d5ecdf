"""Paths that name no model: which are known, which are plain enough to be relayed, and what their answers say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.resources import (
    KNOWN,
    Place,
    find_methods,
    find_place,
    is_plain_path,
    is_plain_query,
    list_batch_files,
    read_resource,
    read_resource_answer,
)

FORM = "multipart/form-data; boundary=e"


@pytest.mark.parametrize(
    ("method", "path", "place"),
    [
        ("POST", "/files", Place(Endpoint.FILES, "file", makes=True)),
        ("GET", "/files", Place(Endpoint.FILES, "file")),
        ("GET", "/files/file-1", Place(Endpoint.FILES, "file", "file-1")),
        ("DELETE", "/files/file-1", Place(Endpoint.FILES, "file", "file-1", ends=True)),
        ("GET", "/files/file-1/content", Place(Endpoint.FILES, "file", "file-1", content=True)),
        ("POST", "/batches", Place(Endpoint.BATCHES, "batch", makes=True)),
        ("POST", "/batches/b/cancel", Place(Endpoint.BATCHES, "batch", "b")),
        ("GET", "/responses/resp_1/input_items", Place(Endpoint.STORED, "response", "resp_1")),
        ("DELETE", "/conversations/c/items/i", Place(Endpoint.STORED, "conversation", "c")),
        ("PUT", "/files", None),
        ("GET", "/responses", None),
        ("GET", "/files/", None),
        ("GET", "/files/..", None),
        ("GET", "/files/.hidden", None),
        ("GET", "/files/a/b", None),
        ("GET", "/files/a%2fb", None),
        ("GET", "/files/a\n", None),
        ("GET", "/files/" + "a" * 300, None),
        ("GET", "/files/é", None),
        ("GET", "//files", None),
    ],
)
def test_places(method: str, path: str, place: Place | None) -> None:
    assert find_place(method, path) == place


def test_methods_are_told() -> None:
    assert list(find_methods("/files") or ()) == ["GET", "POST"]
    assert find_methods("/nothing") is None
    for line in KNOWN:
        methods, path = line.split(" ")
        shape = path.removeprefix("/v1").replace("{id}", "x").replace("{item}", "y")
        assert sorted(find_methods(shape) or ()) == sorted(methods.split("|"))


@pytest.mark.parametrize("path", ["/a", "/fine_tuning/jobs/ft:gpt:org::1", "/a/b.c/d~e", "/a@b/c=d,e+f", "/.well/..a"])
def test_plain_paths(path: str) -> None:
    assert is_plain_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "a", "/a/", "//a", "/a//b", "/a/..", "/a/../b", "/./a", "/...", "/a%2e", "/a%2Fb", "/a;x", "/a\\b"),
        *("/a b", "/a?b", "/a#b", "/é", "/a\r\nx: y", "/a\0", "http://evil/a", "/" + "a" * 3000, "/a/..;/b", "/a\n"),
    ],
)  # fmt: skip
def test_paths_that_somebody_could_read_otherwise(path: str) -> None:
    assert not is_plain_path(path)


@given(st.text(max_size=40))
def test_a_plain_path_stays_itself(path: str) -> None:
    if is_plain_path(path):
        from posixpath import normpath
        from urllib.parse import unquote, urlsplit

        assert normpath(path) == path == unquote(path)
        split = urlsplit("http://host/v1" + path)
        assert (split.path, split.hostname, split.query) == ("/v1" + path, "host", "")


def test_plain_queries() -> None:
    assert is_plain_query("")
    assert is_plain_query("a=b&c=%20d")
    for query in ("a b", "a#b", "é", "a\r\nb", 'a"b', "a\n"):
        assert not is_plain_query(query)


def test_envelopes() -> None:
    form = b'--e\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--e--'
    made = read_resource(Place(Endpoint.FILES, "file", makes=True), FORM, "", form)
    assert (made.content_type, made.stream, made.body) == (FORM, False, form)
    batch = read_resource(Place(Endpoint.BATCHES, "batch", makes=True), "", "", b'{"input_file_id":"f"}')
    assert (list(batch.fields), batch.content_type) == (["input_file_id"], "")
    raw = read_resource(Place(Endpoint.RELAY), "", "", b"\x00")
    assert (raw.content_type, raw.opaque) == ("application/octet-stream", True)
    assert read_resource(Place(Endpoint.RELAY), "text/x", "", b"\x00").content_type == "text/x"
    read = read_resource(Place(Endpoint.STORED, "response", "r"), "text/x", "a=1&stream=true", b"")
    assert (read.opaque, read.content_type) == (True, "")
    assert read_resource(Place(Endpoint.FILES, "file", "f", content=True), "", "", b"").opaque


@pytest.mark.parametrize(
    ("place", "kind", "body"),
    [
        (Place(Endpoint.FILES, "file", makes=True), "application/json", b"{}"),
        (Place(Endpoint.FILES, "file", makes=True), FORM, b"--e"),
        (Place(Endpoint.BATCHES, "batch", makes=True), "", b"[]"),
        (Place(Endpoint.RELAY), "a\r\nx: y", b"x"),
        (Place(Endpoint.RELAY), "é", b"x"),
    ],
)
def test_what_cannot_be_sent(place: Place, kind: str, body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_resource(place, kind, "", body)


def test_answers() -> None:
    for body, made in (
        ({"object": "file", "id": "f"}, "f"),
        ({"object": "response", "id": "r", "status": "failed", "error": {"code": "server_error", "message": "x"}}, "r"),
        ({"object": "list", "data": []}, None),
        ({"id": "odd"}, "odd"),
    ):
        answer = read_resource_answer(json.dumps(body).encode())
        assert answer.outcome.ok
        assert answer.resource_id == made


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", OutcomeKind.MALFORMED),
        (b"<html>", OutcomeKind.MALFORMED),
        (b"[]", OutcomeKind.MALFORMED),
        (b'{"error":{"message":"x","code":"rate_limit_exceeded"}}', OutcomeKind.RATE_LIMITED),
        (b'{"object":"error","message":"x","code":500}', OutcomeKind.SERVER_ERROR),
    ],
)
def test_answers_that_are_none(body: bytes, kind: OutcomeKind) -> None:
    assert read_resource_answer(body).outcome.kind is kind


def test_files_of_a_batch() -> None:
    assert list_batch_files(b'{"input_file_id":"a","output_file_id":null,"error_file_id":"c"}') == ["a", "c"]
    assert list_batch_files(b"{") == []

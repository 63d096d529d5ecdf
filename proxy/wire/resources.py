"""Stored things and other paths that name no model: which request means what, and what an answer says was made.

A vendor keeps files, batches and responses in one account, so these requests are not routed by model but sent to an account
(`pipeline/accounts.py`). This file reads their paths, which are matched exactly: no segment is decoded, joined or
normalised, and what a server behind us could normalise is no path here.

Refuses to know accounts. Source: OpenAI's API document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import Struct

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK
from proxy.wire.failures import find_failure, judge_unreadable
from proxy.wire.lenient import UNREADABLE
from proxy.wire.multipart import read_form
from proxy.wire.openai_envelope import EnvelopeError, read_fields
from proxy.wire.reading import Answer

#: What a request that names no model has in its place.
NO_MODEL = "*"
RESOURCES = frozenset({Endpoint.FILES, Endpoint.BATCHES, Endpoint.STORED, Endpoint.RELAY})
#: Methods that are relayed where any path is.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_ID = r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,255})"
_ITEM = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,255}"
_PATH = re.compile(r"(?:/[A-Za-z0-9._~:@=+,-]+)+")
_DOTS = re.compile(r"/\.+(?:/|$)")
_QUERY = re.compile(r"[!$-~]*")
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Place:
    """What a path means. `thing`: what it is about, in the words of `policy/pins.py`; `id`: which one, "" where it names
    none. `makes`: a success creates one. `content`: the answer is the bytes of a file. `ends`: a success deletes it."""

    endpoint: Endpoint
    thing: str = ""
    id: str = ""
    makes: bool = False
    content: bool = False
    ends: bool = False


class _Row(NamedTuple):
    """One shape of path: what it is about, and what each method does there."""

    pattern: re.Pattern[str]
    endpoint: Endpoint
    thing: str
    methods: Mapping[str, str]


def _row(path: str, endpoint: Endpoint, thing: str, **methods: str) -> _Row:
    return _Row(re.compile(path), endpoint, thing, methods)


_ROWS = (
    _row("/files", Endpoint.FILES, "file", GET="list", POST="make"),
    _row(f"/files/{_ID}", Endpoint.FILES, "file", GET="read", DELETE="end"),
    _row(f"/files/{_ID}/content", Endpoint.FILES, "file", GET="content"),
    _row("/batches", Endpoint.BATCHES, "batch", GET="list", POST="make"),
    _row(f"/batches/{_ID}", Endpoint.BATCHES, "batch", GET="read"),
    _row(f"/batches/{_ID}/cancel", Endpoint.BATCHES, "batch", POST="change"),
    _row(f"/responses/{_ID}", Endpoint.STORED, "response", GET="read", DELETE="end"),
    _row(f"/responses/{_ID}/cancel", Endpoint.STORED, "response", POST="change"),
    _row(f"/responses/{_ID}/input_items", Endpoint.STORED, "response", GET="read"),
    _row("/conversations", Endpoint.STORED, "conversation", POST="make"),
    _row(f"/conversations/{_ID}", Endpoint.STORED, "conversation", GET="read", POST="change", DELETE="end"),
    _row(f"/conversations/{_ID}/items", Endpoint.STORED, "conversation", GET="read", POST="change"),
    _row(f"/conversations/{_ID}/items/{_ITEM}", Endpoint.STORED, "conversation", GET="read", DELETE="change"),
)
#: Shown to people who asked for something else.
KNOWN = (
    "GET|POST /v1/files",
    "GET|DELETE /v1/files/{id}",
    "GET /v1/files/{id}/content",
    "GET|POST /v1/batches",
    "GET /v1/batches/{id}",
    "POST /v1/batches/{id}/cancel",
    "GET|DELETE /v1/responses/{id}",
    "POST /v1/responses/{id}/cancel",
    "GET /v1/responses/{id}/input_items",
    "POST /v1/conversations",
    "GET|POST|DELETE /v1/conversations/{id}",
    "GET|POST /v1/conversations/{id}/items",
    "GET|DELETE /v1/conversations/{id}/items/{item}",
)


def find_methods(path: str) -> Mapping[str, str] | None:
    """What may be done at a path below the version; None: it is none of ours."""
    row = _find_row(path)
    return None if row is None else row[0].methods


def find_place(method: str, path: str) -> Place | None:
    """What a request means; None: nothing that is known here."""
    found = _find_row(path)
    if found is None or method not in found[0].methods:
        return None
    row, named = found
    does = row.methods[method]
    return Place(row.endpoint, row.thing, named, makes=does == "make", content=does == "content", ends=does == "end")


def _find_row(path: str) -> tuple[_Row, str] | None:
    for row in _ROWS:
        found = row.pattern.fullmatch(path)
        if found is not None:
            return row, found[1] if row.pattern.groups else ""
    return None


def is_plain_path(path: str) -> bool:
    """Whether everybody reads this path as the same segments: nothing encoded, nothing empty, no dots to resolve and none of
    the characters that some servers cut off or split at."""
    return len(path) <= _LONGEST and _PATH.fullmatch(path) is not None and not _DOTS.search(path)


def is_plain_query(query: str) -> bool:
    """Whether it can stand in a request line."""
    return _QUERY.fullmatch(query) is not None


def read_resource(place: Place, content_type: str, query: str, body: bytes) -> Envelope:
    """The outside of such a request. Raises EnvelopeError."""
    streams = place.content or place.endpoint is Endpoint.RELAY or "stream=true" in query.split("&")
    envelope = Envelope(NO_MODEL, streams, False, {}, body, opaque=streams)
    if not body:
        return envelope
    if place.endpoint is Endpoint.RELAY:
        if not (content_type.isascii() and content_type.isprintable()):
            raise EnvelopeError("Invalid content type: it cannot be sent on.", "content-type", "invalid_value")
        envelope.content_type = content_type or "application/octet-stream"
    elif place.makes and place.endpoint is Endpoint.FILES:
        envelope.content_type = read_form(content_type, body).content_type
    else:
        envelope.fields = read_fields(body)
    return envelope


class _Thing(Struct, gc=False):
    """What every stored thing has, and what a batch names besides."""

    id: str | None = None
    object: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


_THING = msgspec.json.Decoder(_Thing)


def read_resource_answer(body: bytes) -> Answer:
    """Judge a whole answer about a stored thing. A failed response carries its own `error` and is a sound answer."""
    thing = _read_thing(body)
    if thing is not None and thing.object and thing.object != "error":
        return Answer(OK, body, resource_id=thing.id)
    if thing is None:
        return Answer(judge_unreadable(body, "the answer cannot be read"), body)
    failure = find_failure(body)
    return Answer(OK, body, resource_id=thing.id) if failure is None else Answer(failure, body)


def list_batch_files(body: bytes) -> list[str]:
    """The files that a batch in an answer names; they are in the account that the batch is in."""
    thing = _read_thing(body) or _Thing()
    return [name for name in (thing.input_file_id, thing.output_file_id, thing.error_file_id) if name]


def _read_thing(body: bytes) -> _Thing | None:
    try:
        return _THING.decode(body)
    except UNREADABLE:
        return None

"""Forms with files (`multipart/form-data`): finding the few fields that routing needs, without touching the files.

Theory of operation. A form goes to the provider as the bytes that came, so the provider reads it once more, with a parser
that is not ours. Whatever two parsers could read differently is therefore refused instead of understood: a delimiter that
does not stand on a line of its own between CRLFs, bytes before the first or behind the last one, a doubled or escaped field
name, a folded header, a model that is a file, base64 or in another charset. What is left has one reading, and in it only the
headers of the parts and the values of short plain fields are looked at; a file is skipped in one search for its end.

Invariants: time is linear in the body, and nothing of a file is copied; `replace_field` changes one value or adds one part,
and leaves every other byte alone. Refuses to know what the fields mean. Source: RFC 7578, RFC 2046 section 5.1.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.wire.openai_envelope import EnvelopeError

MAX_PARTS = 1000
MAX_PART_HEAD = 8 * 1024
#: Bytes of a plain field that is read; a longer one is nothing that routing needs.
MAX_VALUE = 1024

_BOUNDARY_CHARS = r"0-9A-Za-z'()+_,\-./:=?"
_BOUNDARY = re.compile(rf"[{_BOUNDARY_CHARS} ]{{0,69}}[{_BOUNDARY_CHARS}]")
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAM = re.compile(rf';[ \t]*({_TOKEN})=(?:"((?:[^"\\\r\n]|\\[^"\r\n])*)"|({_TOKEN}))[ \t]*')
_TYPE_PARAM = re.compile(rf';[ \t]*({_TOKEN})=(?:"([^"\\\r\n]*)"|({_TOKEN}))[ \t]*')
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*([^\r\n\0]*)")
_PLAIN_CODINGS = frozenset({"", "7bit", "8bit", "binary"})
_PLAIN_CHARSETS = frozenset({"", "utf-8", "us-ascii"})
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Form:
    """`fields`: short plain fields by name, the last of each. `places`: where their values stand in the body. `repeated`:
    names that stand more than once. `unread`: names of parts that are files, encoded or long."""

    boundary: str
    fields: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)

    @property
    def content_type(self) -> str:
        """The header that says the same to everybody."""
        bare = re.fullmatch(_TOKEN, self.boundary) is not None
        return (
            f"multipart/form-data; boundary={self.boundary}" if bare else f'multipart/form-data; boundary="{self.boundary}"'
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """The head of one part. `plain`: a field in UTF-8, neither a file nor encoded."""

    name: str
    plain: bool


def read_form(content_type: str, body: bytes) -> Form:
    """Raises EnvelopeError for what is no form, or none with only one reading."""
    form = Form(read_boundary(content_type))
    delimiter = b"--" + form.boundary.encode()
    at = _skip_delimiter(body, 0, delimiter)
    names: set[str] = set()
    count = 0
    while at is not None:
        count += 1
        if count > MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        head_end = body.find(b"\r\n\r\n", at, at + MAX_PART_HEAD)
        if head_end < 0:
            raise _malformed("the head of a part has no end")
        part = _read_head(body[at:head_end])
        start = head_end + 4
        end = _find_delimiter(body, start, delimiter)
        if part.name in names:
            form.repeated.add(part.name)
        names.add(part.name)
        if part.plain and end - start <= MAX_VALUE:
            _note_field(form, part.name, body[start:end], (start, end))
        else:
            form.unread.add(part.name)
        at = _skip_delimiter(body, end + 2, delimiter)
    return form


def replace_field(body: bytes, form_boundary: str, name: str, place: tuple[int, int] | None, value: str) -> bytes:
    """The body with another value for a field; `place` None: it had none, and gets a part in front of the others."""
    if place is None:
        head = f'--{form_boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        return head.encode() + body
    view = memoryview(body)
    return b"".join((view[: place[0]], value.encode(), view[place[1] :]))


def read_boundary(content_type: str) -> str:
    """The boundary that a content type names. Raises EnvelopeError."""
    kind, _, _ = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise EnvelopeError("Invalid content type: this endpoint takes multipart/form-data.", "content-type", "invalid_type")
    boundary = _read_params(_TYPE_PARAM, content_type[len(kind) :]).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise EnvelopeError("Invalid content type: multipart/form-data needs a boundary.", "content-type", "invalid_value")
    return boundary


def _note_field(form: Form, name: str, value: bytes, place: tuple[int, int]) -> None:
    try:
        form.fields[name] = value.decode()
    except UnicodeDecodeError:
        raise _malformed("a field is not UTF-8") from None
    form.places[name] = place


def _find_delimiter(body: bytes, start: int, delimiter: bytes) -> int:
    """Where the CRLF before the next delimiter stands; it ends the value that begins at `start`."""
    at = start
    while (at := body.find(delimiter, at)) >= 0:
        before = body[at - 2 : at]
        # The blank line's own CRLF ends the part's head; a value needs another one.
        if before == b"\r\n" and at >= start + 2:
            return at - 2
        if before[1:] in (b"\n", b"\r"):
            raise _malformed("a boundary does not stand between CRLFs")
        at += len(delimiter)
    raise _malformed("the last boundary is missing")


def _skip_delimiter(body: bytes, at: int, delimiter: bytes) -> int | None:
    """Behind a delimiter that stands at `at`: where the next part begins, None behind the last one."""
    if not body.startswith(delimiter, at):
        raise _malformed("it does not begin with its boundary")
    at += len(delimiter)
    follows = body[at : at + 2]
    if follows == b"\r\n":
        return at + 2
    if follows != b"--":
        raise _malformed("a boundary is followed by something else than a line's end")
    if body[at + 2 :] not in (b"", b"\r\n"):
        raise _malformed("something follows its last boundary")
    return None


def _read_head(head: bytes) -> _Part:
    """One part's headers. Raises EnvelopeError where they could be read in more than one way."""
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise _malformed("a part's headers are not UTF-8") from None
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise _malformed("a part's header cannot be read")
        name = found[1].lower()
        if name in headers:
            raise _malformed("a part has a header twice")
        headers[name] = found[2].strip()
    disposition, _, _ = (stated := headers.get("content-disposition", "")).partition(";")
    if disposition.strip().lower() != "form-data":
        raise _malformed("a part is no form-data")
    params = _read_params(_PARAM, stated[len(disposition) :])
    field_name = params.get("name")
    # Readers differ in what they strip (aiohttp takes slashes off the front), unescape, or take instead (`name*`).
    if field_name is None or "\\" in field_name or "name*" in params or field_name != field_name.strip().lstrip("/"):
        raise _malformed("a part has no plain name")
    kind = headers.get("content-type", "")
    charset = _read_params(_TYPE_PARAM, kind[kind.find(";") :]).get("charset", "") if ";" in kind else ""
    coded = headers.get("content-transfer-encoding", "").lower() not in _PLAIN_CODINGS
    plain = not coded and charset.lower() in _PLAIN_CHARSETS and "filename" not in params and "filename*" not in params
    return _Part(field_name, plain)


def _read_params(pattern: re.Pattern[str], text: str) -> Mapping[str, str]:
    """`; name=value` pairs; none may stand twice, and nothing between them."""
    if not text:
        return _NONE
    params: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = pattern.match(text, at)
        if found is None or found[1].lower() in params:
            raise _malformed("a header's parameters cannot be read")
        params[found[1].lower()] = found[2] if found[2] is not None else found[3]
        at = found.end()
    return params


def _malformed(why: str) -> EnvelopeError:
    return EnvelopeError(f"The multipart body of your request is malformed: {why}.", code="invalid_multipart")

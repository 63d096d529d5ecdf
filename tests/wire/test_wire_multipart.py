"""Forms have one reading or none: judged beside aiohttp's reader, with the SDK's own encoder as a source."""

import asyncio
from collections.abc import Mapping
from unittest.mock import Mock

import httpx2 as httpx
import pytest
from aiohttp import MultipartReader, StreamReader
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.wire.multipart import MAX_PARTS, MAX_VALUE, read_boundary, read_form, replace_field
from proxy.wire.openai_envelope import EnvelopeError

TYPE = "multipart/form-data; boundary=edge"


def part(disposition: str, value: bytes = b"x", *headers: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"--edge\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


MODEL = part('form-data; name="model"', b"lamp")


def encode(data: Mapping[str, object], files: Mapping[str, object]) -> tuple[str, bytes]:
    request = httpx.Request("POST", "http://x", data=data, files=files)  # type: ignore[arg-type]
    return request.headers["content-type"], request.read()


def ask_aiohttp(content_type: str, body: bytes) -> list[tuple[str | None, bytes]]:
    """Names and contents as aiohttp sees them."""

    async def read() -> list[tuple[str | None, bytes]]:
        stream = StreamReader(Mock(_reading_paused=False), 2**20, loop=asyncio.get_running_loop())
        stream.feed_data(body)
        stream.feed_eof()
        reader = MultipartReader(CIMultiDict({"content-type": content_type}), stream)
        found = []
        while (one := await reader.next()) is not None:
            assert not isinstance(one, MultipartReader)
            found.append((one.name, bytes(await one.read())))
        return found

    return asyncio.run(read())


names = st.text(
    st.characters(codec="ascii", exclude_characters='\r\n\\"\0;', exclude_categories=("Cc",)), min_size=1, max_size=12
)


@given(
    st.dictionaries(names.map(lambda name: name.lstrip(" /").rstrip()).filter(bool), st.text(max_size=30), max_size=5),
    st.binary(max_size=300),
    st.text('ab .-_"é', max_size=20),
)
def test_what_the_sdk_encodes_is_read_as_aiohttp_reads_it(fields: dict[str, str], content: bytes, filename: str) -> None:
    fields.pop("file", None)
    content_type, body = encode(fields, {"file": (filename or "f", content, "application/octet-stream")})
    read = read_form(content_type, body)
    assert {name: value.encode() for name, value in read.fields.items()} == {
        name: value for name, value in ask_aiohttp(read.content_type, body) if name != "file"
    }
    assert read.unread == {"file"}
    for name, (start, end) in read.places.items():
        assert body[start:end] == read.fields[name].encode()


@given(st.binary(max_size=200), st.sampled_from(["lamp", "", "a/b:c", "é"]), st.booleans())
def test_a_model_is_replaced_and_nothing_else(content: bytes, model: str, there: bool) -> None:
    content_type, body = encode({"model": "old", "n": "2"} if there else {"n": "2"}, {"file": ("f", content)})
    read = read_form(content_type, body)
    changed = replace_field(body, read.boundary, "model", read.places.get("model"), model)
    again = dict(ask_aiohttp(content_type, changed))
    assert again == {**dict(ask_aiohttp(content_type, body)), "model": model.encode()}
    assert read_form(content_type, changed).fields == {**read.fields, "model": model}


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for content in (body, b"--edge\r\n" + body, MODEL + body, form(MODEL)[: len(body)] + body):
        try:
            read_form(TYPE, content)
        except EnvelopeError as error:
            assert error.code == "invalid_multipart"  # noqa: PT017


@given(
    st.lists(
        st.sampled_from(
            [
                b"--edge",
                b"--",
                b"\r\n",
                b"\n",
                b"\r",
                b"model",
                MODEL,
                b"Content-Disposition: form-data; name=model",
                b"\0",
                b":",
            ]
        ),
        max_size=14,
    )
)
def test_what_is_read_has_the_reading_of_aiohttp(pieces: list[bytes]) -> None:
    body = b"--edge\r\n" + b"".join(pieces)
    try:
        read = read_form(TYPE, body)
    except EnvelopeError:
        return
    others = ask_aiohttp(TYPE, body)
    assert sorted({name for name, _ in others if name}) == sorted({*read.fields, *read.unread})
    assert [value for name, value in others if name == "model"][-1:] == [read.fields["model"].encode()] * (
        "model" in read.fields
    )


def test_fields_may_be_unquoted_repeated_and_empty() -> None:
    read = read_form(
        TYPE, form(part("form-data; name=model", b""), part('form-data; name="a[]"'), part('form-data; name="a[]"', b"y"))
    )
    assert read.fields == {"model": "", "a[]": "y"}
    assert read.repeated == {"a[]"}
    assert read_form(TYPE, b"--edge--").fields == {}


@pytest.mark.parametrize(
    "headers",
    [
        ('form-data; name="model"; filename="x"',),
        ("form-data; name=\"model\"; filename*=UTF-8''x",),
        ('form-data; name="model"', "Content-Transfer-Encoding: base64"),
        ('form-data; name="model"', "Content-Type: text/plain; charset=utf-16"),
    ],
)
def test_what_is_no_plain_field_is_not_read(headers: tuple[str, ...]) -> None:
    read = read_form(TYPE, form(part(headers[0], b"lamp", *headers[1:])))
    assert (read.fields, read.unread) == ({}, {"model"})


def test_a_long_field_is_not_read_and_a_plain_one_is() -> None:
    assert read_form(TYPE, form(part("form-data; name=model", b"x" * (MAX_VALUE + 1)))).unread == {"model"}
    typed = part(
        "form-data; name=model", b"lamp", "Content-Type: text/plain;charset=UTF-8", "content-transfer-encoding: 8BIT"
    )
    assert read_form(TYPE, form(typed)).fields == {"model": "lamp"}


def test_a_boundary_inside_a_line_is_content() -> None:
    read = read_form(TYPE, form(part("form-data; name=a", b"x--edge--y"), MODEL))
    assert read.fields == {"a": "x--edge--y", "model": "lamp"}


REFUSED = {
    "preamble": b"hello\r\n" + form(MODEL),
    "epilogue": form(MODEL) + form(part("form-data; name=model", b"other")),
    "no last boundary": MODEL,
    "cut in a head": b"--edge\r\nContent-Disposition: form-data",
    "line feeds only": form(MODEL).replace(b"\r\n", b"\n"),
    "a boundary behind a line feed": form(part("form-data; name=a", b"x\n" + MODEL), MODEL),
    "a boundary behind a bare return": form(part("form-data; name=a", b"x\r--edge\r\n"), MODEL),
    "a longer boundary": form(part("form-data; name=a", b"x\r\n--edgewise\r\n"), MODEL),
    "padding behind a boundary": form(MODEL).replace(b"--edge\r\n", b"--edge \r\n"),
    "a value without its own line end": b"--edge\r\nContent-Disposition: form-data; name=model\r\n\r\n--edge--\r\n",
    "an escaped name": form(part('form-data; name="mo\\del"')),
    "an escaped quote": form(part('form-data; name="file"; filename="x\\"; name=\\"model"')),
    "a padded name": form(part('form-data; name=" model"')),
    "a name behind a slash": form(part('form-data; name="/model"')),
    "an extended name": form(part("form-data; name=a; name*=UTF-8''model")),
    "two names": form(part('form-data; name="a"; name="model"')),
    "no name": form(part("form-data")),
    "another disposition": form(part('attachment; name="model"')),
    "no disposition": b"--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n--edge--",
    "two dispositions": form(part("form-data; name=a", b"x", "Content-Disposition: form-data; name=model")),
    "a folded header": form(part('form-data;\r\n name="model"')),
    "a bare line feed in a header": form(part('form-data; name="a"\nX: y')),
    "a nul": form(part('form-data; name="a\0b"')),
    "junk behind a parameter": form(part('form-data; name="model" x')),
    "a header without a colon": form(part("form-data; name=model", b"x", "nonsense")),
    "headers that are no text": form(part("form-data; name=model").replace(b"model", b"\xff")),
    "a value that is no text": form(part("form-data; name=model", b"\xff")),
    "a head too long": form(part("form-data; name=model", b"x", "X: " + "y" * 9000)),
    "too many parts": form(*[part("form-data; name=a")] * (MAX_PARTS + 1)),
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(EnvelopeError) as refused:
        read_form(TYPE, REFUSED[name])
    assert refused.value.code == "invalid_multipart"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (TYPE, "edge"),
        ('Multipart/Form-Data ;  Boundary="a b"', "a b"),
        ("multipart/form-data; charset=utf-8; boundary=x.y", "x.y"),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
    ],
)
def test_boundaries(content_type: str, boundary: str) -> None:
    assert read_boundary(content_type) == boundary
    assert read_boundary(read_form(content_type, f"--{boundary}--".encode()).content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/mixed; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a b",
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a\\b"',
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=é",
        "multipart/form-data boundary=x",
    ],
)
def test_bad_content_types(content_type: str) -> None:
    with pytest.raises(EnvelopeError):
        read_boundary(content_type)

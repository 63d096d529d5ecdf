import msgspec
import pytest

from proxy.wire.complaints import make_mistyped, read_shape
from proxy.wire.openai_envelope import EnvelopeError


class Shape(msgspec.Struct):
    number: int
    either: str | list[int] | None = None


SHAPE = msgspec.json.Decoder(Shape)
ANY = msgspec.json.Decoder()


@pytest.mark.parametrize(
    ("body", "where", "message", "param"),
    [
        (b"{}", "", "Missing required parameter: 'number'.", "number"),
        (b"{}", "a[1]", "Missing required parameter: 'a[1].number'.", "a[1].number"),
        (b"[]", "", "Invalid type for 'request body': expected an object, but got an array instead.", None),
        (b'{"number":"x"}', "", "Invalid type for 'number': expected an integer, but got a string instead.", "number"),
        (b'{"number":null}', "", "Invalid type for 'number': expected an integer, but got null instead.", "number"),
        (
            b'{"number":1,"either":true}', "a",
            "Invalid type for 'a.either': expected one of a string or an array, but got a boolean instead.", "a.either",
        ),
        (b'{"number":1,"either":[1,"x"]}', "",
            "Invalid type for 'either[1]': expected an integer, but got a string instead.", "either[1]"),
        (b'{"number":1e999}', "", "Invalid 'number': number out of range.", "number"),
        (b"{", "a", "Invalid 'a': it cannot be read.", "a"),
        (b"{", "", "Invalid 'request body': it cannot be read.", None),
        (b'{"number":"\\ud83d"}', "", "Invalid type for 'number': expected an integer, but got a string instead.", "number"),
        (b'{"x":"\xff","number":1}', "", None, None),
    ],
)  # fmt: skip
def test_what_is_said(body: bytes, where: str, message: str | None, param: str | None) -> None:
    if message is None:
        assert read_shape(SHAPE, body, where).number == 1
        return
    with pytest.raises(EnvelopeError) as raised:
        read_shape(SHAPE, body, where)
    assert (raised.value.message, raised.value.param) == (message, param)


@pytest.mark.parametrize("body", [b'"\xff"', b"[" * 100_000])
def test_what_cannot_be_read_at_all(body: bytes) -> None:
    with pytest.raises(EnvelopeError, match="Invalid 'x': it "):
        read_shape(ANY, body, "x")


def test_an_unheard_of_type_is_named_as_it_is() -> None:
    assert make_mistyped("x", ("bytes",), "ext").message == "Invalid type for 'x': expected nothing, but got ext instead."

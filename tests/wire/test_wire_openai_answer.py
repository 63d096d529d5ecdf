import pytest

from proxy.core.outcome import OutcomeKind as Kind
from proxy.wire.openai_answer import Outside, malformed, read_outside
from proxy.wire.reading import Answer


def test_a_page_is_named() -> None:
    answer = read_outside(b"<html><title>Oops</title>")
    assert isinstance(answer, Answer)
    assert answer.outcome.message == "HTML error page (Oops)"


@pytest.mark.parametrize("error", [b"null", b"{}", b'""', b"false"])
def test_an_empty_error_member_is_none(error: bytes) -> None:
    outside = read_outside(b'{"choices":[1],"error":%b}' % error)
    assert isinstance(outside, Outside)
    assert bytes(outside.choices) == b"[1]"


def test_a_flat_error_is_one() -> None:
    answer = read_outside(b'{"message":"no such thing","code":404}')
    assert isinstance(answer, Answer)
    assert (answer.outcome.kind, answer.outcome.status) == (Kind.UNSUPPORTED, 404)


def test_bytes_that_are_no_utf8_are_malformed() -> None:
    assert isinstance(read_outside(b'{"choices":[],"x":"\xff"}'), Answer)


def test_a_wrong_type_beside_an_error_is_that_error() -> None:
    answer = read_outside(b'{"model":7,"error":{"code":529}}')
    assert isinstance(answer, Answer)
    assert answer.outcome.kind is Kind.OVERLOADED


def test_malformed_keeps_the_body() -> None:
    assert malformed(b"x", "why").body == b"x"

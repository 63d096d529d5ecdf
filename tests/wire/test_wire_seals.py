"""Carriers of seals: what goes in comes out, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.seals import Seal, seal_id, split_id, unwrap, wrap

TEXTS = st.text(max_size=60)


@given(
    vendor=st.sampled_from(["anthropic", "google", "openai", "bedrock", ""]),
    kind=st.sampled_from(["signature", "redacted"]),
    payload=TEXTS,
)  # type: ignore[arg-type]
def test_an_envelope_gives_back_its_seal(vendor: str, kind: str, payload: str) -> None:
    seal = Seal(vendor, kind, payload)  # type: ignore[arg-type]
    assert unwrap(wrap(seal)) == seal


@pytest.mark.parametrize(
    "text",
    ["", "EvMCCkYIBRgCKkA=", "undimmed", "undimmed.", "undimmed.google", "undimmed.google.signature", "undimmed.x.y.z"],
)
def test_what_is_no_envelope_is_the_formats_own(text: str) -> None:
    assert unwrap(text) is None


def test_envelopes_are_ascii_and_name_their_maker() -> None:
    assert wrap(Seal("google", "signature", "AAAA")) == "undimmed.google.signature.AAAA"
    assert wrap(Seal("", "signature", "")) == "undimmed..signature."


@given(call_id=TEXTS, signature=st.text(min_size=1, max_size=60))
def test_an_id_gives_back_its_seal(call_id: str, signature: str) -> None:
    assert split_id(seal_id(call_id, signature)) == (call_id, signature)


@given(call_id=TEXTS)
def test_an_id_without_a_seal_stays_itself(call_id: str) -> None:
    assert seal_id(call_id, None) == seal_id(call_id, "") == call_id


@pytest.mark.parametrize(
    "sealed", ["", "call_1", "call_1::sig:", "call_1::sig:!!!", "a::sig:QQ==", "a::sig:Q", "a::sig:_w", "::sig"]
)
def test_what_we_have_not_written_stays_whole(sealed: str) -> None:
    assert split_id(sealed) == (sealed, None)


def test_the_shape_of_a_sealed_id() -> None:
    assert seal_id("call_1", "a+/b") == "call_1::sig:YSsvYg"
    assert split_id(seal_id("a::sig:QQ", "x")) == ("a::sig:QQ", "x")

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens import unpacking
from proxy.tokens.media import size_of
from proxy.tokens.unpacking import KEPT, LEVELS, MAX_FIELD, PIECE, Unread, clip, unpack
from proxy.wire.lenient import UNREADABLE

BIG = "words and words. " * 5000
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "ü", BIG, '"quoted"\\'])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)


@settings(deadline=None, max_examples=60)
@given(values)
def test_whatever_the_size_the_value_is_the_same(value):
    assert unpack(json.dumps(value).encode()) == value


def test_nothing_larger_than_a_piece_is_decoded_at_once(monkeypatch):
    sizes = []

    def spy(decode):
        def decoding(raw):
            sizes.append(len(raw))
            return decode(raw)

        return decoding

    monkeypatch.setattr(unpacking, "_ANY", spy(unpacking._ANY))
    messages = [{"role": "user", "content": [{"type": "text", "text": "hello " * 30, "n": [1, 2, 3]}] * 300}] * 20
    raw = json.dumps(messages).encode()
    assert len(raw) > 20 * PIECE / 2
    assert unpack(raw) == messages
    assert max(sizes) <= PIECE


def test_what_is_nested_too_deeply_is_not_opened():
    value = BIG
    for _ in range(LEVELS + 1):
        value = [value, *range(9)]
    found = unpack(json.dumps([value, BIG]).encode())
    inner = found[0]
    for _ in range(LEVELS - 1):
        inner = inner[0]
    assert isinstance(inner, Unread)
    assert found[1] == BIG


@pytest.mark.parametrize("raw", [b"[" * 200_000 + b"]" * 200_000, b"[" * 200_000, b'{"a":' * 100_000])
def test_endless_nesting_ends(raw):
    try:
        found = unpack(raw)
    except UNREADABLE:
        return
    assert "Unread" in repr(found)


def test_what_is_larger_than_any_context_is_not_opened():
    raw = json.dumps(["word " * 1000] * (MAX_FIELD // 5000 + 10)).encode()
    assert unpack(raw) == Unread(len(raw))


def test_too_many_small_things_are_not_made():
    dense = json.dumps([[1, {"a": []}]] * 300_000).encode()
    assert len(dense) < MAX_FIELD
    assert unpack(dense) == Unread(len(dense))
    pieces = json.dumps([[[[]] * 9000] * 2] * 10).encode()
    found = unpack(pieces)
    assert found[0] == [[[]] * 9000] * 2
    assert isinstance(found[-1], Unread)


def test_token_ids_are_read_all():
    ids = list(range(100_000, 400_000))
    assert unpack(json.dumps(ids).encode()) == ids


def test_a_long_string_with_half_an_emoji_is_text_all_the_same():
    raw = b'"' + b"cut \\ud83d here " * 6000 + b'"'
    found = unpack(raw)
    assert found.startswith("cut \\ud83d here")


@pytest.mark.parametrize("kind", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_long_base64_is_clipped_and_knows_its_size(kind):
    data = kind + bytes(range(256)) * 8000
    url = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    raw = json.dumps([{"text": "before"}, {"url": url}, {"text": "after", "more": [url]}]).encode()
    clipped = clip(raw)
    assert len(clipped) < 3 * KEPT
    value = msgspec.json.decode(clipped)
    assert [value[0], value[2]["text"]] == [{"text": "before"}, "after"]
    for text in (value[1]["url"], value[2]["more"][0]):
        assert size_of(text.partition(",")[2]) == pytest.approx(len(data), abs=3)


def test_documents_are_kept_longer():
    url = base64.b64encode(b"%PDF-1.4" + bytes(1_000_000)).decode()
    raw = json.dumps([url]).encode()
    assert clip(raw) is raw


@pytest.mark.parametrize(
    "text", ["a" * 200_000 + " b" * 50_000, "no quote in here " * 20_000, "x" * (KEPT + 100), "line\n" * 40_000]
)
def test_text_is_never_clipped(text):
    raw = json.dumps([text]).encode()
    assert msgspec.json.decode(clip(raw)) == [text]


def test_a_broken_end_is_left_to_the_decoder():
    raw = b'["' + b"A" * 400_000
    with pytest.raises(UNREADABLE):
        unpack(raw)

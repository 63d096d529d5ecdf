"""Events that differ only in their text: told apart without decoding, and never otherwise than by decoding."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import openai_stream
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.openai_completions import CompletionStreamReader
from proxy.wire.openai_stream import Asked, OpenAIStreamReader


def event(content: object, *, ascii_only: bool = True, index: int = 0, **more: object) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{"index": index, "delta": {"content": content}, "finish_reason": None}],
        "usage": None,
    }
    return b"data: " + json.dumps({**chunk, **more}, ensure_ascii=ascii_only, separators=(",", ":")).encode() + b"\n\n"


def taught(text: str = "hello", asked: Asked = Asked()) -> ChatStreamReader:  # noqa: B008 (frozen)
    reader = ChatStreamReader(asked)
    reader.feed(event(text))
    assert reader._refrain is not None
    return reader


def untaught(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> ChatStreamReader:
    with monkeypatch.context() as patch:
        patch.setattr(openai_stream, "LESSONS", 0)
        return ChatStreamReader(asked)


def state(reader: OpenAIStreamReader[object]) -> tuple[object, ...]:
    return (reader.texts(), reader.content, reader.data_events, reader.model, reader.usage, reader.done, reader.failure)


def test_the_same_around_another_text_is_not_decoded_again() -> None:
    reader = taught()
    reader._decode = None  # type: ignore[assignment]
    raw = event(" world")
    assert reader.feed(raw) is raw
    assert reader.texts() == ["hello world"]
    assert (reader.data_events, reader.model) == (2, "m")


@pytest.mark.parametrize("hide", [False, True])
def test_several_in_one_read_are_not_decoded_either(hide: bool) -> None:
    reader = taught(asked=Asked(hide_usage=hide))
    reader._decode = None  # type: ignore[assignment]
    raw = event(" wo") + event("") + event("r") + event("ld")
    out = reader.feed(raw)
    assert out == (raw.replace(b',"usage":null', b"") if hide else raw)
    assert (out is raw) == (not hide)
    assert reader.texts() == ["hello world"]
    assert (reader.data_events, reader.model) == (5, "m")


def test_halves_of_a_character_in_two_events_are_no_character(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = event("é", ascii_only=False).replace(b"\xc3\xa9", b"\xc3") + event("é", ascii_only=False).replace(
        b"\xc3\xa9", b"\xa9"
    )
    quick, slow = taught(), untaught(monkeypatch, Asked())
    slow.feed(event("hello"))
    assert quick.feed(halves) == slow.feed(halves) == b""
    assert quick.failure == slow.failure
    assert quick.failure is not None


def test_what_the_client_did_not_ask_for_stays_out() -> None:
    reader = taught(asked=Asked(hide_usage=True))
    reader._decode = None  # type: ignore[assignment]
    assert reader.feed(event("é", ascii_only=False)) == event("é", ascii_only=False).replace(b',"usage":null', b"")
    assert reader.texts() == ["helloé"]


NOT_PLAIN = [
    event(""),
    event('a"b'),
    event("a\\b"),
    event("a\nb"),
    event("snow ☃"),  # written as an escape
    event(None),
    event("x", index=1),
    event("x", usage={"prompt_tokens": 1, "completion_tokens": 2}),
    event("x", error={"message": "boom"}),
    event("x", model="other"),
    event("hello").replace(b"hello", b"\xff"),
    event("hello").replace(b"hello", b"a\x01b"),
    event("hello").replace(b"hello", b'a","content":"b'),
    event("hello").replace(b"hello", b'x"}}],"error":{"message":"boom"},"choices":[{"delta":{"content":"y'),
    b'data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{"content":"' + b"}\n\n",
]


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("odd", NOT_PLAIN)
def test_everything_else_is_judged_as_ever(monkeypatch: pytest.MonkeyPatch, odd: bytes, hide: bool) -> None:
    asked = Asked(hide_usage=hide)
    quick, slow = taught(asked=asked), untaught(monkeypatch, asked)
    slow.feed(event("hello"))
    for raw in (odd, event("more"), b"data: [DONE]\n\n"):
        assert quick.feed(raw) == slow.feed(raw)
        assert state(quick) == state(slow)


@pytest.mark.parametrize(
    "raw",
    [
        event("m"),  # the text stands elsewhere too
        event("chatcmpl-1"),
        event("m").replace(b'"content":"m"', b'"content":"\\u006d"'),  # only elsewhere, as it is spelled
        event("x").replace(b'"content":"x"', b'"content":"x","content":"\\u0078"'),  # of two, the one that does not count
        event("x").replace(b'"content":"x"', b'"content":"x","refusal":"no"'),
        event("x", choices=[]),
        event("x", choices=[{"index": 0}]),
        event("x", choices=[{"index": 0, "delta": {"content": "x"}}, {"index": 1, "delta": {}}]),
        event("x", choices=[{"index": 0, "delta": {"content": ["x"]}}]),
        event("x", choices=[{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]),
        event("x", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        event("x").replace(b"data: ", b"id: 7\ndata: "),
        event("x").replace(b"data: ", b"data:"),
    ],
)
def test_what_cannot_be_a_refrain(raw: bytes) -> None:
    reader = ChatStreamReader()
    reader.feed(raw)
    assert reader._refrain is None


def test_where_the_usage_stands_before_the_text_it_is_not_learned_what_to_leave_out() -> None:
    raw = b'data: {"model":"m", "usage": null,"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
    reader = ChatStreamReader(Asked(hide_usage=True))
    assert reader.feed(raw) == raw.replace(b', "usage": null', b"")
    assert reader._refrain is None


def test_text_completions_are_decoded_every_time() -> None:
    reader = CompletionStreamReader(Asked())
    reader.feed(b'data: {"model":"m","choices":[{"index":0,"text":"x","finish_reason":null}]}\n\n')
    assert reader.content
    assert reader._refrain is None


def test_it_is_not_tried_for_ever() -> None:
    reader = ChatStreamReader()
    for number in range(openai_stream.LESSONS + 3):
        reader.feed(event(f"x{number}", obfuscation=str(number)))
    assert reader._lessons == 0
    assert len(reader.texts()[0]) == 2 * (openai_stream.LESSONS + 3)


EVENTS = st.one_of(
    st.builds(event, st.text(max_size=6), ascii_only=st.booleans(), model=st.sampled_from(["m", "n", None])),
    st.builds(event, st.sampled_from(["a", "b", ""]), index=st.integers(0, 1)),
    st.sampled_from([*NOT_PLAIN, b": comment\n\n", b"data: [DONE]\n\n"]),
)


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=12), st.booleans(), st.data())
def test_a_stream_reads_the_same_with_and_without(events: list[bytes], hide: bool, data: st.DataObject) -> None:
    asked = Asked(hide_usage=hide)
    quick = ChatStreamReader(asked)
    slow = ChatStreamReader(asked)
    slow._lessons = 0
    stream = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    quick_out, slow_out = b"", b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        quick_out += quick.feed(stream[start:end])
    for raw in events:
        slow_out += slow.feed(raw)
    assert quick_out == slow_out
    assert state(quick) == state(slow)
    assert quick.end() == slow.end()

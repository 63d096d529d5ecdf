"""Translation itself, whoever the formats are: the verdict on a stream, what is lost, what is kept for counting.

Real formats are used where they can show it; `Script` is a vendor that sends any pieces.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import wire_fixtures as fixtures
from contract.contract_schemas import events
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from wire_chunks import HELLO, chunk, event
from wire_dialogues import USER, ask, call

from proxy.core.endpoints import Endpoint
from proxy.core.facts import UNKNOWN
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OK, Outcome
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.chat.decoding import ChatDecoder
from proxy.wire.chat.encoding import ChatEncoder
from proxy.wire.chat.fates import FATES
from proxy.wire.chat.vendor import CHAT_FORMAT
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    CompletionChoice,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.reading import MAX_TEXT
from proxy.wire.translation import TranslatedReader, Written, name_losses, translate_answer

DONE = b"data: [DONE]\n\n"
FULL = {"stream": True, "stream_options": {"include_usage": True}}


def relay(parts: Sequence[bytes], **options: Any) -> tuple[TranslatedReader, bytes]:
    """A chat vendor's stream for a chat client who wants usage, up to its terminator."""
    reader = TranslatedReader(ChatDecoder(), ChatEncoder(call(messages=[USER], **FULL)), **options)
    return reader, b"".join([reader.feed(part) for part in parts])


class Script:
    """Implements `StreamDecoder`: every `feed` sends the next list of pieces, `finish` the last one."""

    def __init__(self, *steps: list[Piece], rest: Sequence[Piece] = (), failure: Outcome | None = None) -> None:
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0
        self._steps = list(steps)
        self._rest = list(rest)
        self._failure = failure

    def feed(self, data: bytes) -> list[Piece]:
        self.events += 1
        self.done = data == b"done"
        return self._steps.pop(0) if self._steps else []

    def finish(self) -> list[Piece]:
        self.failure = self._failure
        return self._rest


def play(script: Script, **options: Any) -> tuple[TranslatedReader, bytes]:
    reader = TranslatedReader(script, ChatEncoder(call(messages=[USER], **FULL)), **options)
    return reader, reader.feed(b"")


# A faithful relay.

WHOLE = {name: getattr(fixtures, name) for name in ("OPENAI", "GROQ", "DEEPSEEK", "MISTRAL", "ZAI", "OPENROUTER")}


def read_pieces(stream: bytes) -> list[Piece]:
    decoder = ChatDecoder()
    pieces = decoder.feed(stream) + decoder.finish()
    assert decoder.failure is None
    return pieces


@pytest.mark.parametrize("end", [b"", DONE])
@pytest.mark.parametrize("name", WHOLE)
def test_what_a_client_reads_is_what_the_vendor_said(name: str, end: bytes) -> None:
    stream = WHOLE[name].removesuffix(DONE) + end
    reader, out = relay([stream])
    assert reader.end() is OK
    assert (reader.content, reader.done, reader.failure) == (True, end == DONE, None)
    pieces = read_pieces(stream)
    assert read_pieces(out + reader.terminator) == pieces
    assert [Spent(reader.usage)] == pieces[-1:]
    *data, done = events(out + reader.terminator)
    assert done == "[DONE]"
    for text in data:
        ChatCompletionChunk.model_validate_json(text, strict=True)


@pytest.mark.parametrize("name", WHOLE)
def test_every_byte_alone_gives_the_same(name: str) -> None:
    stream = WHOLE[name]
    whole, out = relay([stream])
    bytewise, same = relay([stream[i : i + 1] for i in range(len(stream))])
    assert (bytewise.end(), same + bytewise.terminator) == (whole.end(), out + whole.terminator)
    assert (bytewise.texts(), bytewise.usage, bytewise.data_events) == (whole.texts(), whole.usage, whole.data_events)


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_cut_before_its_finish_is_never_whole(name: str) -> None:
    stream = WHOLE[name]
    last = max(stream.rfind(b'"finish_reason":"' + reason) for reason in (b"stop", b"tool_calls"))
    for size in range(0, stream.index(b"\n\n", last) + 2, 7):
        reader, out = relay([stream[:size]])
        assert not reader.end().ok, size
        assert reader.terminator == b""
        assert b"[DONE]" not in out


EVENTS = [
    b": ping\n\n", DONE, HELLO, chunk({"content": "é"}), chunk(finish="stop"), chunk({"content": "b"}, "stop", 1),
    event({"error": {"code": 502}}), b"data: {broken\n\n", event({"choices": [], "usage": {"prompt_tokens": 1}}),
]  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.sampled_from(EVENTS), max_size=6).map(b"".join), st.lists(st.integers(0, 999), max_size=8))
def test_any_split_gives_the_same(stream: bytes, points: list[int]) -> None:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    states = []
    for parts in ([stream], [stream[a:b] for a, b in pairwise(edges)]):
        reader, out = relay(parts)
        states.append(
            (out, reader.end(), reader.terminator, reader.texts(), reader.usage, reader.content, reader.data_events)
        )
    assert states[0] == states[1]


# Verdicts.

STOP = Finished(Finish.STOP)


@pytest.mark.parametrize(
    ("pieces", "options", "kind"),
    [
        ([TextPiece("a"), STOP], {}, Kind.OK),
        ([TextPiece("a")], {}, Kind.STREAM_BROKEN),
        ([], {}, Kind.STREAM_BROKEN),
        ([Began("i", "m")], {}, Kind.STREAM_BROKEN),
        ([STOP], {}, Kind.MALFORMED),
        ([TextPiece(""), STOP], {}, Kind.MALFORMED),
        ([STOP, Spent(Usage(3, 0))], {}, Kind.MALFORMED),
        ([STOP, Spent(Usage(3, 2))], {}, Kind.OK),
        ([STOP], {"stops": True}, Kind.OK),
        ([Finished(Finish.STOP_SEQUENCE)], {}, Kind.OK),
        ([Finished(Finish.LENGTH)], {}, Kind.OK),
        ([Finished(Finish.CONTENT_FILTER)], {}, Kind.OK),
        ([Finished(Finish.REFUSAL, explanation="no")], {}, Kind.OK),
        ([Citation("https://a"), STOP], {}, Kind.MALFORMED),
        ([ThinkingSealed(redacted="R"), STOP], {}, Kind.OK),
        ([ThinkingPiece("r"), STOP], {}, Kind.OK),
        ([RefusalPiece("no"), STOP], {}, Kind.OK),
        ([CallBegan(0, "c", "f"), Finished(Finish.TOOL_CALLS)], {}, Kind.OK),
        ([TextPiece("a"), STOP], {"choices": 2}, Kind.STREAM_BROKEN),
        ([TextPiece("a"), STOP, Finished(Finish.STOP, choice=1)], {"choices": 2}, Kind.OK),
        ([TextPiece("a")], {"choices": 0}, Kind.STREAM_BROKEN),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_the_verdict_falls_at_the_end(pieces: list[Piece], options: dict[str, Any], kind: Kind, late: bool) -> None:
    """Whether the pieces came in time or only when the vendor closed."""
    reader, out = play(Script([] if late else pieces, rest=pieces if late else ()), **options)
    assert reader.end().kind is kind
    assert b"[DONE]" not in out
    assert reader.terminator.endswith(DONE) is (kind is Kind.OK)
    assert reader.end().kind is kind  # asked twice, it stays


def test_what_was_held_back_stands_before_the_end() -> None:
    reader, out = play(Script([Began("i", "m"), TextPiece("a")], rest=[TextPiece("b"), STOP]))
    assert b'"b"' not in out
    assert reader.end() is OK
    assert [b'"b"' in part for part in reader.terminator.split(b"\n\n")] == [True, False, False, False]


def test_a_failure_silences_the_rest() -> None:
    reader, out = relay([chunk({"content": "a"}) + event({"error": {"code": 502}}), HELLO])
    assert [b'"a"' in out, b"Hello" in out] == [True, False]
    assert reader.failure is not None
    assert reader.end() is reader.failure
    assert (reader.terminator, reader.done) == (b"", False)


def test_an_unreadable_rest_is_a_failure() -> None:
    failure = Outcome(Kind.MALFORMED, message="x")
    reader, _ = play(Script([TextPiece("a"), STOP], failure=failure))
    assert reader.end() is failure
    assert reader.terminator == b""


def test_nothing_is_read_behind_the_end() -> None:
    reader, _ = relay([HELLO + DONE])
    assert reader.done
    assert reader.feed(HELLO) == b""
    assert reader.data_events == 4
    reader, _ = play(Script([TextPiece("a"), STOP], [TextPiece("b")]))
    assert reader.end() is OK
    assert reader.feed(b"") == b""


def test_life_and_labels() -> None:
    reader, _ = relay([b": ping\n\n"])
    assert (reader.data_events, reader.content, reader.model, reader.usage) == (0, False, None, None)
    reader.feed(chunk({"role": "assistant"}))
    assert (reader.data_events, reader.content, reader.model) == (1, False, "m")
    reader.feed(chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 2}))
    assert (reader.data_events, reader.content, reader.usage) == (2, True, Usage(1, 2))
    reader, _ = play(Script([Began("i", "m"), Began("i", "")]))
    assert reader.model == "m"


def test_texts_are_kept_by_kind_choice_and_call() -> None:
    pieces: list[Piece] = [
        ThinkingPiece("r"), TextPiece("a"), TextPiece("b", 1), TextPiece("c"), RefusalPiece("no"), CallBegan(0, "i", "f"),
        CallPiece(0, "{"), CallBegan(1, "j", "g"), CallPiece(0, "}"),
    ]  # fmt: skip
    assert play(Script(pieces))[0].texts() == ["r", "ac", "b", "no", "f{}", "g"]


def test_texts_are_bounded() -> None:
    reader, _ = play(Script([TextPiece("x" * (MAX_TEXT // 2))] * 1 + [TextPiece("x" * MAX_TEXT), TextPiece("y")]))
    assert len("".join(reader.texts())) == MAX_TEXT // 2


# Losses.


def test_losses_are_named() -> None:
    dialogue = ask(top_k=3, reasoning={"max_tokens": 10}, min_p=0.1, temperature=1, metadata={"a": "b"})
    written = CHAT_FORMAT.write(dialogue, "m", UNKNOWN)
    assert name_losses(dialogue, written, FATES) == ("metadata", "min_p", "top_k", "reasoning.budget;approximated")


def test_what_only_this_request_shows_outranks_the_table() -> None:
    dialogue = ask(top_k=3, temperature=1)
    fates = {Feature.TOP_K: Fate.CARRIED, Feature.TEMPERATURE: Fate.APPROXIMATED, Feature.STOP: Fate.DROPPED}
    assert name_losses(dialogue, Written(b"", fates), FATES) == ("stop", "temperature;approximated")


# Whole answers.


def answer(*parts: Any, finish: Finish = Finish.STOP, usage: Usage | None = None, **asked: Any) -> Any:
    question = call(messages=[USER], **asked)
    question.dialogue = CLIENTS[Endpoint.CHAT].read(question.envelope)
    completion = Completion(OK, model="m", choices=[CompletionChoice(list(parts), Finished(finish))], usage=usage)
    return translate_answer(question, CLIENTS[Endpoint.CHAT], completion)


def test_a_whole_answer_is_the_clients() -> None:
    found = answer(Text("a"), usage=Usage(1, 2))
    assert (found.outcome, found.usage, found.model, found.texts) == (OK, Usage(1, 2), "m", [])
    assert b'"object":"chat.completion"' in found.body


def test_texts_are_for_counting_where_no_usage_came() -> None:
    parts = [
        Thinking("r"),
        Thinking(redacted="R"),
        Text("a"),
        ToolCall("i", "f", "{}"),
        ToolCall("j", "g", ""),
        Refusal("no"),
    ]
    assert answer(*parts).texts == ["r", "a", "f", "{}", "g", "no"]


@pytest.mark.parametrize(
    ("finish", "usage", "asked", "kind"),
    [
        (Finish.STOP, None, {}, Kind.MALFORMED),
        (Finish.STOP, Usage(1, 0), {}, Kind.MALFORMED),
        (Finish.STOP, Usage(1, 1), {}, Kind.OK),
        (Finish.STOP, None, {"stop": "x"}, Kind.OK),
        (Finish.LENGTH, None, {}, Kind.OK),
        (Finish.REFUSAL, None, {}, Kind.OK),
    ],
)
def test_an_empty_answer(finish: Finish, usage: Usage | None, asked: dict[str, Any], kind: Kind) -> None:
    found = answer(finish=finish, usage=usage, **asked)
    assert found.outcome.kind is kind
    assert bool(found.body) is (kind is Kind.OK)
    assert found.usage == usage


def test_a_failed_answer_keeps_its_usage() -> None:
    failure = Outcome(Kind.SERVER_ERROR, message="x")
    found = translate_answer(call(messages=[USER]), CLIENTS[Endpoint.CHAT], Completion(failure, usage=Usage(1, 0)))
    assert (found.outcome, found.body, found.usage, found.model) == (failure, b"", Usage(1, 0), None)

import json
from itertools import pairwise

import pytest
from gemini_chunks import (
    BLOCKED,
    CALLING,
    CAPPED,
    ERROR,
    EXHAUSTED,
    OVERLOADED,
    STREAMS,
    THINKING,
    call,
    event,
    judge_response,
    read,
    response,
)
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.gemini.stream import GeminiDecoder
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Finish,
    Finished,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.sse import MAX_BLOCK

USED = Usage(8, 30, reasoning=28)


def test_a_stream_of_thoughts_and_text() -> None:
    decoder, pieces = read([THINKING])
    assert pieces == [
        Began("r1", "gemini-3-flash-preview"),
        Spent(Usage(8, 28, reasoning=28)),
        ThinkingPiece("plan…"),
        Spent(USED),
        TextPiece("Paris"),
        ThinkingSealed(redacted="AAAA", vendor="google"),
        Finished(Finish.STOP),
    ]
    assert (decoder.failure, decoder.done, decoder.events) == (None, False, 2)


def test_calls_come_whole_and_their_arguments_as_they_were() -> None:
    _, pieces = read([CALLING])
    began = [piece for piece in pieces if isinstance(piece, CallBegan)]
    assert [(piece.call, piece.name, piece.signature) for piece in began] == [
        (0, "get_capital", "BBBB"),
        (1, "get_capital", None),
    ]
    assert [piece.fragment for piece in pieces if isinstance(piece, CallPiece)] == [
        '{"country": "France"}',
        '{"country": "Spain"}',
    ]
    assert pieces[1] == Spent(Usage(427 + 771, 122 + 447, reasoning=447))
    assert pieces[-1] == Finished(Finish.TOOL_CALLS)


def test_invented_ids_are_the_same_for_the_same_answer_and_differ_otherwise() -> None:
    def ids(stream: bytes) -> list[str]:
        return [piece.id for piece in read([stream])[1] if isinstance(piece, CallBegan)]

    first = ids(CALLING)
    assert first == ids(CALLING)
    assert len(set(first)) == 2
    assert all(name.startswith("call_") and name.replace("_", "").isalnum() for name in first)
    assert not set(first) & set(ids(CALLING.replace(b'"r1"', b'"r9"')))
    own = {"functionCall": {"id": "fc-7", "name": "f"}}
    assert ids(event(response(own, finish="STOP"))) == ["fc-7"]


@pytest.mark.parametrize("args", [None, {}])
def test_calls_without_arguments(args: object) -> None:
    _, pieces = read([event(response({"functionCall": {"name": "f", "args": args}}, finish="STOP"))])
    assert CallPiece(0, "{}") in pieces


def test_a_call_in_an_earlier_chunk_still_makes_it_an_end_by_calls() -> None:
    _, pieces = read([event(response(call("f"))), event(response(finish="STOP"))])
    assert pieces[-1] == Finished(Finish.TOOL_CALLS)


def test_thinking_to_the_limit_is_an_answer_cut_by_length() -> None:
    decoder, pieces = read([CAPPED])
    assert pieces[1:] == [Spent(Usage(5, 10, reasoning=10)), Finished(Finish.LENGTH)]
    assert decoder.failure is None


@pytest.mark.parametrize(
    "reason",
    [
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "ESCALATION"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE", "PUP_LIMITED_DISABLED"),
    ],
)
def test_a_filter_after_content_ends_the_answer_and_before_it_is_an_outcome(reason: str) -> None:
    decoder, pieces = read([event(response({"text": "I"})), event(response(finish=reason))])
    assert pieces[-1] == Finished(Finish.CONTENT_FILTER, explanation=f"the answer was filtered ({reason})")
    assert decoder.failure is None
    decoder, _ = read([event(response(finish=reason))])
    assert decoder.failure is not None
    assert decoder.failure.kind is Kind.CONTENT_FILTERED
    assert reason in decoder.failure.message


def test_one_filtered_candidate_of_two_does_not_fail_the_other() -> None:
    both = [event(response(finish="SAFETY")), event(response({"text": "x"}, finish="STOP", index=1))]
    decoder, pieces = read(both)
    assert decoder.failure is None
    assert {(piece.choice, piece.reason) for piece in pieces if isinstance(piece, Finished)} == {
        (0, Finish.CONTENT_FILTER),
        (1, Finish.STOP),
    }


def test_a_blocked_prompt_is_filtered_in_googles_words() -> None:
    decoder, pieces = read([BLOCKED])
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.message, decoder.failure.code) == (
        Kind.CONTENT_FILTERED,
        "not this",
        "PROHIBITED_CONTENT",
    )
    assert pieces[1:] == [Spent(Usage(5))]
    decoder, _ = read([BLOCKED.replace(b'"not this"', b"null")])
    assert decoder.failure is not None
    assert "PROHIBITED_CONTENT" in decoder.failure.message


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("MALFORMED_FUNCTION_CALL", Kind.MALFORMED),
        ("UNEXPECTED_TOOL_CALL", Kind.MALFORMED),
        ("TOO_MANY_TOOL_CALLS", Kind.MALFORMED),
        ("MALFORMED_RESPONSE", Kind.MALFORMED),
        ("MISSING_THOUGHT_SIGNATURE", Kind.BAD_REQUEST),
    ],
)
def test_a_failed_generation_is_never_an_end(reason: str, kind: Kind) -> None:
    for before in (b"", event(response({"text": "Let me see"}))):
        decoder, pieces = read([before + event(response(finish=reason))])
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.code) == (kind, reason)
        assert not any(isinstance(piece, Finished) for piece in pieces)


def test_a_failed_candidate_fails_the_others_of_its_chunk() -> None:
    both = response(finish="MALFORMED_RESPONSE")
    both["candidates"] += response({"text": "x"}, finish="STOP", index=1)["candidates"]  # type: ignore[operator]
    decoder, pieces = read([event(both)])
    assert decoder.failure is not None
    assert [type(piece) for piece in pieces] == [Began]


@pytest.mark.parametrize("reason", ["OTHER", "FINISH_REASON_UNSPECIFIED", "SOMETHING_NEW"])
def test_an_unknown_reason_is_a_stop(reason: str) -> None:
    _, pieces = read([event(response({"text": "x"}, finish=reason))])
    assert pieces[-1] == Finished(Finish.STOP)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (OVERLOADED, Kind.OVERLOADED),
        (EXHAUSTED, Kind.OVERLOADED),
        (b"data: " + EXHAUSTED + b"\r\n\r\n", Kind.OVERLOADED),
        (ERROR, Kind.SERVER_ERROR),
    ],
    ids=["pretty list", "list", "list in an event", "event"],
)
def test_errors_inside_a_200(stream: bytes, kind: Kind) -> None:
    decoder, pieces = read([stream])
    assert decoder.failure is not None
    assert decoder.failure.kind is kind
    assert pieces == []


def test_nothing_follows_a_failure() -> None:
    decoder = GeminiDecoder()
    pieces = decoder.feed(THINKING[: THINKING.index(b"\r\n\r\n") + 4] + ERROR + THINKING)
    assert [type(piece) for piece in pieces] == [Began, Spent, ThinkingPiece]
    assert (decoder.feed(THINKING), decoder.finish(), decoder.events) == ([], [], 2)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"data: {\r\n\r\n", Kind.MALFORMED),
        (b'data: {"candidates": 5}\r\n\r\n', Kind.MALFORMED),
        (b"<html><head><title>Sorry</title></head></html>\n\n", Kind.MALFORMED),
        (b"<html>", Kind.MALFORMED),
        (b'{"candidates":[]}', Kind.MALFORMED),
        (b'data: {"candidates": [{"content"', Kind.STREAM_BROKEN),
        (b"data: " + b"x" * (MAX_BLOCK + 1), Kind.MALFORMED),
        (
            b'data: {"candidates":[{"groundingMetadata":{"groundingChunks":[{"web":{"uri":"\xff"}}]}}]}\r\n\r\n',
            Kind.MALFORMED,
        ),
        (b"data: " + b'{"a":' * 20_000 + b"\r\n\r\n", Kind.MALFORMED),
    ],
)
def test_what_cannot_be_read(stream: bytes, kind: Kind) -> None:
    decoder, pieces = read([stream])
    assert decoder.failure is not None
    assert decoder.failure.kind is kind
    assert pieces == []


def test_a_last_event_without_its_blank_line_counts() -> None:
    for end in (b"", b"\r", b"\r\n"):
        decoder, pieces = read([event(response({"text": "x"}, finish="STOP"), end)])
        assert decoder.failure is None
        assert pieces[-1] == Finished(Finish.STOP)


def test_comments_empty_events_and_odd_values_are_passed_over() -> None:
    odd: dict[str, object] = {
        "candidates": None,
        "usageMetadata": None,
        "promptFeedback": {"safetyRatings": []},
        "error": None,
    }
    odd |= {"newField": {"a": [1]}, "modelVersion": None, "responseId": None}
    counts = {"promptTokenCount": 2.0, "candidatesTokenCount": -1, "thoughtsTokenCount": None, "cachedContentTokenCount": 9}
    stream = b": hello\r\n\r\ndata:\r\n\r\n" + event(odd) + event({"usageMetadata": {}}) + event({"usageMetadata": counts})
    decoder, pieces = read([stream])
    assert pieces == [Began(), Spent(Usage(2, 0, 2, contradicts=True))]
    assert (decoder.failure, decoder.events) == (None, 3)


def test_lone_surrogates_are_read() -> None:
    _, pieces = read([b'data: {"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]}}]}\r\n\r\n'])
    assert pieces[-1] == TextPiece("a?")


def test_a_seal_alone_is_no_content_and_a_thoughts_own_seal_ends_it() -> None:
    _, pieces = read([event(response({"text": "", "thoughtSignature": "AAAA"}, finish="STOP"))])
    assert not any(isinstance(piece, ThinkingSealed) for piece in pieces)
    _, pieces = read([event(response({"text": "hm", "thought": True, "thoughtSignature": "CCCC"}, finish="STOP"))])
    assert ThinkingSealed(signature="CCCC", vendor="google") in pieces


def test_a_finished_candidate_takes_nothing_more() -> None:
    _, pieces = read([event(response({"text": "x"}, finish="STOP")), event(response({"text": "y"}, finish="STOP"))])
    assert pieces[-2:] == [TextPiece("x"), Finished(Finish.STOP)]


def test_sources_are_given_once() -> None:
    grounded = response({"text": "x"})
    candidate = grounded["candidates"][0]  # type: ignore[index]
    candidate["citationMetadata"] = {"citationSources": [{"uri": "https://a.example", "startIndex": 1}, {"uri": ""}, 5]}
    chunks = [{"web": {"uri": "https://b.example", "title": "B"}}, {"maps": {"uri": "https://c.example", "title": 5}}]
    candidate["groundingMetadata"] = {"groundingChunks": chunks}
    _, pieces = read([event(grounded), event(grounded)])
    cited = [piece for piece in pieces if isinstance(piece, Citation)]
    assert [(piece.url, piece.title) for piece in cited] == [
        ("https://a.example", ""),
        ("https://b.example", "B"),
        ("https://c.example", ""),
    ]
    candidate["citationMetadata"] = {"citations": [{"uri": "https://d.example", "title": "D"}]}
    candidate["groundingMetadata"] = {"groundingChunks": None}
    assert Citation("https://d.example", "D", {"uri": "https://d.example", "title": "D"}) in read([event(grounded)])[1]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_byte_alone_gives_the_same(name: str, ends: bytes) -> None:
    stream = STREAMS[name].replace(b"\r\n", ends)
    whole = read([stream])
    bytewise = read([stream[at : at + 1] for at in range(len(stream))])
    assert bytewise[1] == whole[1]
    assert bytewise[0].failure == whole[0].failure
    assert bytewise[0].events == whole[0].events


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 2000)))
def test_any_split_gives_the_same(name: str, cuts: list[int]) -> None:
    stream = STREAMS[name]
    at = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    parts = [stream[start:end] for start, end in pairwise(at)]
    whole, split = read([stream]), read(parts)
    assert (split[1], split[0].failure, split[0].events) == (whole[1], whole[0].failure, whole[0].events)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    read([data])
    read([b"data: " + data + b"\r\n\r\n"])
    read([b'data: {"candidates":[{"content":{"parts":[' + data + b"]}}]}\r\n\r\n"])


@pytest.mark.parametrize("name", ["THINKING", "CALLING", "CAPPED", "BLOCKED"])
def test_the_fixtures_are_what_googles_sdk_reads(name: str) -> None:
    for line in STREAMS[name].split(b"\r\n\r\n")[:-1]:
        judge_response(json.loads(line.removeprefix(b"data: ")))

"""Simulated answers of Bedrock, read by botocore and by our own reader."""

import json

import pytest
from botocore.exceptions import EventStreamError
from wire.converse_judge import read_answer, read_events

from proxy.core.outcome import OutcomeKind as Kind
from proxy.rehearse.answers import Asked, Reply, ask
from proxy.rehearse.bedrock_answers import SIGNATURE, STREAM_TYPE, compose, error_event
from proxy.rehearse.behaviour import Style
from proxy.rehearse.cloud_errors import CLOUD_ERRORS
from proxy.rehearse.speakers import find_speaker
from proxy.wire.converse.format import CONVERSE_FORMAT
from proxy.wire.converse.stream import ConverseDecoder
from proxy.wire.pieces import CallPiece, Finish, Finished, Piece, Spent, TextPiece, ThinkingPiece, ThinkingSealed

MODEL = "/model/us.anthropic.claude-sonnet-4-6/"


def asked(verb: str, limit: int | None = None, **fields: object) -> Asked:
    body = {"inferenceConfig": {"maxTokens": limit}, **fields}
    return ask("POST", MODEL + verb, "k", json.dumps(body).encode())


CALLS = {Style.TOOL: 1, Style.PARALLEL: 2}


def stream_of(reply: Reply) -> bytes:
    return reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage


def decode(stream: bytes) -> tuple[ConverseDecoder, list[Piece]]:
    decoder = ConverseDecoder()
    return decoder, decoder.feed(stream) + decoder.finish()


@pytest.mark.parametrize("style", Style)
def test_whole_and_streamed_answers_say_the_same(style: Style) -> None:
    made = compose(asked("converse"), "r", 12, style)
    reply = compose(asked("converse-stream"), "r", 12, style)
    whole = CONVERSE_FORMAT.read_answer(made.whole)
    decoder, pieces = decode(stream_of(reply))
    assert decoder.failure is None
    assert decoder.done
    assert len(reply.pieces) == reply.output == made.output == 12
    assert whole.usage == next(piece.usage for piece in pieces if isinstance(piece, Spent))
    assert whole.usage is not None
    assert whole.usage.output == 12
    text = "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))
    thought = "".join(piece.text for piece in pieces if isinstance(piece, ThinkingPiece))
    arguments = [
        "".join(piece.fragment for piece in pieces if isinstance(piece, CallPiece) and piece.call == call)
        for call in range(CALLS.get(style, 0))
    ]
    said = read_answer(made.whole)["output"]["message"]["content"]
    assert text == "".join(block.get("text", "") for block in said)
    assert bool(thought) == (style is Style.REASONING)
    if style is Style.REASONING:
        assert said[0]["reasoningContent"]["reasoningText"] == {"text": thought, "signature": SIGNATURE}
        assert ThinkingSealed(SIGNATURE, None, "bedrock") in pieces
    if arguments:
        assert [json.loads(text) for text in arguments] == [block["toolUse"]["input"] for block in said]
    assert pieces[-1] == Finished(Finish.TOOL_CALLS if arguments else Finish.STOP)
    assert whole.choices[0].finish == pieces[-1]


@pytest.mark.parametrize("style", Style)
def test_botocore_reads_every_event(style: Style) -> None:
    events = read_events(stream_of(compose(asked("converse-stream"), "r", 6, style)))
    names = [next(iter(event)) for event in events]
    assert (names[0], names[-2:]) == ("messageStart", ["messageStop", "metadata"])
    assert names.count("contentBlockStart") == CALLS.get(style, 0)


def test_a_limit_is_kept() -> None:
    _, pieces = decode(stream_of(compose(asked("converse-stream", limit=3), "r", 12)))
    assert pieces[-1] == Finished(Finish.LENGTH)
    assert len([piece for piece in pieces if isinstance(piece, TextPiece)]) == 3


@pytest.mark.parametrize(
    ("failure", "kind"),
    [("bedrock_throttled", Kind.RATE_LIMITED), ("bedrock_unavailable", Kind.OVERLOADED), ("openai", Kind.SERVER_ERROR)],
)
def test_streams_fail_by_exception(failure: str, kind: Kind) -> None:
    stream = compose(asked("converse-stream"), "r", 6).opening + error_event(failure)
    with pytest.raises(EventStreamError):
        read_events(stream)
    decoder, _ = decode(stream)
    assert decoder.failure is not None
    assert decoder.failure.kind is kind


def test_embeddings() -> None:
    titan = json.loads(compose(asked("invoke", inputText="a"), "r", 1).whole)
    assert len(titan["embedding"]) == 16
    assert titan["inputTextTokenCount"] > 0
    cohere = json.loads(compose(asked("invoke", texts=["a", "b"]), "r", 1).whole)
    assert [len(row) for row in cohere["embeddings"]["float"]] == [16, 16]


def test_the_path_tells_the_speaker() -> None:
    for verb in ("converse", "converse-stream", "invoke"):
        speaker = find_speaker(asked(verb))
        assert speaker is not None
        assert (speaker.name, speaker.stream_type, speaker.terminator) == ("bedrock", STREAM_TYPE, b"")
    assert all(dict(line[3])[b"content-type"] == b"application/json" for line in CLOUD_ERRORS.values())

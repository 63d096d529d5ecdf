"""Simulated answers of Cohere, read by its SDK and by our own reader."""

import json

import pytest
from wire.cohere_judge import check_answer, check_embeddings, check_event

from proxy.core.outcome import OutcomeKind as Kind
from proxy.rehearse.answers import Asked, Reply, ask
from proxy.rehearse.behaviour import Style
from proxy.rehearse.cohere_answers import PREAMBLE, compose, error_event
from proxy.rehearse.speakers import find_speaker
from proxy.wire.cohere.format import COHERE_FORMAT
from proxy.wire.cohere.stream import CohereDecoder
from proxy.wire.pieces import CallBegan, CallPiece, Finish, Finished, Piece, Spent, TextPiece, ThinkingPiece


def asked(stream: bool = False, path: str = "/v2/chat", **fields: object) -> Asked:
    return ask("POST", path, "k", json.dumps({"model": "command-a", "stream": stream, **fields}).encode())


def stream_of(reply: Reply) -> bytes:
    return reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage


def decode(stream: bytes) -> tuple[CohereDecoder, list[Piece]]:
    decoder = CohereDecoder()
    return decoder, decoder.feed(stream) + decoder.finish()


@pytest.mark.parametrize("style", Style)
def test_whole_and_streamed_answers_say_the_same(style: Style) -> None:
    made = compose(asked(), "r", 12, style)
    check_answer(json.loads(made.whole))
    whole = COHERE_FORMAT.read_answer(made.whole)
    reply = compose(asked(stream=True), "r", 12, style)
    stream = stream_of(reply)
    for line in stream.splitlines():
        if line.startswith(b"data: ") and b"message-start" not in line:
            check_event(json.loads(line[6:]))
    decoder, pieces = decode(stream)
    assert decoder.failure is None
    assert decoder.done
    assert len(reply.pieces) == reply.output == made.output == 12
    usage = next(piece.usage for piece in pieces if isinstance(piece, Spent))
    assert whole.usage is not None
    assert (usage.output, usage.billed) == (12, (usage.input - PREAMBLE, 12))
    assert whole.usage.output == 12
    said = {"text": "", "thinking": ""}
    for part in json.loads(made.whole)["message"].get("content", ()):
        said[part["type"]] += part[part["type"]]
    assert said["text"] == "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))
    assert said["thinking"] == "".join(piece.text for piece in pieces if isinstance(piece, ThinkingPiece))
    calls = json.loads(made.whole)["message"].get("tool_calls", [])
    assert len(calls) == {Style.TOOL: 1, Style.PARALLEL: 2}.get(style, 0)
    for at, call in enumerate(calls):
        arguments = "".join(piece.fragment for piece in pieces if isinstance(piece, CallPiece) and piece.call == at)
        assert json.loads(arguments) == json.loads(call["function"]["arguments"])
        assert CallBegan(at, call["id"], call["function"]["name"]) in pieces
    assert pieces[-1] == whole.choices[0].finish == Finished(Finish.TOOL_CALLS if calls else Finish.STOP)


def test_a_limit_is_kept() -> None:
    _, pieces = decode(stream_of(compose(asked(stream=True, max_tokens=3), "r", 12)))
    assert pieces[-1] == Finished(Finish.LENGTH)


def test_streams_fail_by_their_end() -> None:
    stream = compose(asked(stream=True), "r", 6).opening + error_event("cohere_internal")
    decoder, _ = decode(stream)
    assert decoder.failure is not None
    assert (decoder.failure.kind, "cohere_internal" in decoder.failure.message) == (Kind.SERVER_ERROR, True)


def test_embeddings() -> None:
    answer = json.loads(compose(asked(path="/v2/embed", texts=["a", "b"]), "r", 1).whole)
    check_embeddings(answer)
    assert [len(row) for row in answer["embeddings"]["float"]] == [16, 16]


def test_the_path_tells_the_speaker() -> None:
    for path in ("/v2/chat", "/v2/embed"):
        speaker = find_speaker(asked(path=path))
        assert speaker is not None
        assert (speaker.name, speaker.terminator) == ("cohere", b"")

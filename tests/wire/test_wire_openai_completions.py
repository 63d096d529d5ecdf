import json

import pytest

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.openai_completions import CompletionStreamReader, read_completion_answer
from proxy.wire.openai_stream import Asked


def chunk(text: str | None = None, finish: str | None = None, index: int = 0, **rest: object) -> bytes:
    choice = {"index": index, "text": text, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"object": "text_completion", "model": "m", "choices": [choice], **rest}).encode() + b"\n\n"
    )


def answer(text: str, finish: str = "stop", **rest: object) -> bytes:
    return json.dumps({"model": "m", "choices": [{"text": text, "index": 0, "finish_reason": finish}], **rest}).encode()


def test_a_stream_of_text() -> None:
    reader = CompletionStreamReader()
    stream = chunk("a") + chunk("b") + chunk("c", index=1) + chunk("", "stop") + chunk("", "length", 1) + b"data: [DONE]\n\n"
    assert reader.feed(stream) == stream[: -len(reader.terminator)]
    assert reader.end().ok
    assert (reader.texts(), reader.model) == (["ab", "c"], "m")


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (chunk("a"), Kind.STREAM_BROKEN),
        (chunk("", "stop"), Kind.MALFORMED),
        (chunk("a", "error"), Kind.SERVER_ERROR),
        (chunk("a", "stop"), Kind.OK),
    ],
)
def test_verdicts(stream: bytes, kind: Kind) -> None:
    reader = CompletionStreamReader()
    reader.feed(stream)
    assert reader.end().kind is kind


def test_usage_is_hidden_as_in_chat() -> None:
    reader = CompletionStreamReader(Asked(hide_usage=True))
    assert reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n') == b""
    assert reader.usage == Usage(1, 2)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(answer("a"), Kind.OK), (answer(""), Kind.MALFORMED), (answer("", "length"), Kind.OK), (b"<html>", Kind.MALFORMED)],
)
def test_whole_answers(body: bytes, kind: Kind) -> None:
    judged = read_completion_answer(body)
    assert judged.outcome.kind is kind
    assert judged.body is body


def test_what_a_whole_answer_tells() -> None:
    judged = read_completion_answer(answer("a", usage={"prompt_tokens": 1, "completion_tokens": 2}))
    assert (judged.texts, judged.usage, judged.model) == (["a"], Usage(1, 2), "m")

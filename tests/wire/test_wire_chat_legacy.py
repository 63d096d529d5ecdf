"""Legacy completions as a client's format."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from contract.contract_schemas import events, violations
from openai.types import Completion as SdkCompletion
from wire_dialogues import call, envelope

from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature as F
from proxy.core.outcome import OK
from proxy.core.usage import Usage
from proxy.wire.chat.legacy import CompletionEncoder, read_completion, write_completion_answer
from proxy.wire.dialogue import Dialogue, Refusal, Sampling, Text, Thinking, Turn
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.pieces import (
    Began,
    CallBegan,
    Completion,
    CompletionChoice,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
)

OLD = Endpoint.COMPLETIONS


def ask_old(**fields: Any) -> Dialogue:
    return read_completion(envelope(OLD, **{"prompt": "hi", **fields}))


@pytest.mark.parametrize("prompt", ["hi", ["hi"]])
def test_a_prompt_is_a_turn(prompt: Any) -> None:
    assert ask_old(prompt=prompt) == Dialogue(turns=[Turn("user", [Text("hi")])])


@pytest.mark.parametrize(
    ("fields", "sampling", "features"),
    [
        ({"max_tokens": 5, "temperature": 0}, Sampling(max_tokens=5, temperature=0), {F.MAX_TOKENS, F.TEMPERATURE}),
        ({"logprobs": 2}, Sampling(logprobs=True, top_logprobs=2), {F.LOGPROBS}),
        ({"logprobs": 0}, Sampling(logprobs=True, top_logprobs=0), {F.LOGPROBS}),
        ({"echo": True}, Sampling(), {F.ECHO}),
        ({"echo": False, "suffix": ""}, Sampling(), set()),
        ({"suffix": "end"}, Sampling(), {F.SUFFIX}),
        ({"n": 2, "stop": "x", "user": "u"}, Sampling(choices=2, stop=["x"]), {F.CHOICES, F.STOP, F.USER}),
    ],
)
def test_fields(fields: dict[str, Any], sampling: Sampling, features: set[F]) -> None:
    dialogue = ask_old(**fields)
    assert (dialogue.sampling, dialogue.features) == (sampling, features)
    assert dialogue.suffix == (fields.get("suffix") or None)


def test_fields_without_a_place() -> None:
    assert ask_old(best_of=3, stream=True).unknown == ["best_of"]


@pytest.mark.parametrize("prompt", [None, [], [1, 2], [[1, 2]], ["a", "b"], ["a", 1], 7])
def test_prompts_that_no_chat_model_takes(prompt: Any) -> None:
    with pytest.raises(EnvelopeError) as raised:
        ask_old(prompt=prompt)
    assert raised.value.param == "prompt"


def stream(pieces: Sequence[Piece], **fields: Any) -> list[dict[str, Any]]:
    encoder = CompletionEncoder(call(OLD, prompt="hi", stream=True, **fields))
    *data, done = events(encoder.encode(pieces) + encoder.close())
    assert done == "[DONE]"
    chunks = [json.loads(text) for text in data]
    for chunk in chunks:
        SdkCompletion.model_validate({**chunk, "choices": [{**c, "finish_reason": "stop"} for c in chunk["choices"]]})
    return chunks


def test_a_stream() -> None:
    pieces = [
        Began("x1", "v", 17), ThinkingPiece("hm"), TextPiece("a"), CallBegan(0, "c", "f"), TextPiece("b", 1),
        RefusalPiece("no"),
        Spent(Usage(1, 2)), Finished(Finish.LENGTH, choice=1), Finished(Finish.REFUSAL, explanation="why"),
    ]  # fmt: skip
    choices = [
        {"text": "a", "index": 0, "logprobs": None, "finish_reason": None},
        {"text": "b", "index": 1, "logprobs": None, "finish_reason": None},
        {"text": "no", "index": 0, "logprobs": None, "finish_reason": None},
        {"text": "", "index": 1, "logprobs": None, "finish_reason": "length"},
        {"text": "why", "index": 0, "logprobs": None, "finish_reason": "content_filter"},
    ]
    outside = {"id": "x1", "object": "text_completion", "created": 17, "model": "v"}
    assert stream(pieces) == [{**outside, "choices": [choice]} for choice in choices]
    *chunks, last = stream(pieces, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks] == [None] * 5
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 3)


def test_a_stream_whose_vendor_says_nothing_of_itself() -> None:
    [chunk] = stream([TextPiece("a")], stream_options={"include_usage": True})
    assert (chunk["id"], chunk["created"], chunk["model"]) == ("cmpl-abc", 1700000000, "m")


@pytest.mark.parametrize("usage", [None, Usage(3, 4)])
def test_a_whole_answer(usage: Usage | None) -> None:
    choices = [
        CompletionChoice([Thinking("hm"), Text("a"), Text("b"), Refusal("!")], Finished(Finish.TOOL_CALLS)),
        CompletionChoice([], Finished(Finish.REFUSAL, explanation="why")),
    ]
    body = write_completion_answer(call(OLD, prompt="hi"), Completion(OK, choices=choices, usage=usage))
    answer = json.loads(body)
    SdkCompletion.model_validate(answer, strict=True)
    assert [(c["text"], c["index"], c["finish_reason"]) for c in answer["choices"]] == [
        ("ab!", 0, "stop"), ("why", 1, "content_filter"),
    ]  # fmt: skip
    assert ("usage" in answer) is (usage is not None)
    assert violations("CreateCompletionResponse", answer) == []

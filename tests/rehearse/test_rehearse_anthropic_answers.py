"""Simulated answers in Anthropic's format, read by Anthropic's own types."""

import json

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from proxy.rehearse.answers import Reply, ask
from proxy.rehearse.anthropic_answers import MESSAGE_STOP, compose, error_event
from proxy.rehearse.behaviour import Style
from proxy.rehearse.speakers import find_speaker

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def reply(stream: bool, chunks: int = 6, style: Style = Style.TEXT, limit: int = 100) -> Reply:
    body = {"model": "claude-x", "max_tokens": limit, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    return compose(ask("POST", "/v1/messages", "key", json.dumps(body).encode()), "a-1", chunks, style)


def events(made: Reply) -> list[RawMessageStreamEvent]:
    text = made.opening + b"".join(made.pieces) + made.finish + MESSAGE_STOP
    payloads = [block.split(b"data: ", 1)[1] for block in text.split(b"\n\n") if block]
    return [EVENT.validate_json(payload) for payload in payloads if json.loads(payload)["type"] != "ping"]


@pytest.mark.parametrize("style", Style)
def test_streams_are_anthropics_and_blocks_come_one_after_the_other(style: Style) -> None:
    seen = events(reply(True, style=style))
    assert (seen[0].type, seen[-2].type, seen[-1].type) == ("message_start", "message_delta", "message_stop")
    open_block: int | None = None
    for event in seen:
        if event.type == "content_block_start":
            assert open_block is None
            open_block = event.index
        elif event.type == "content_block_delta":
            assert event.index == open_block
        elif event.type == "content_block_stop":
            assert event.index == open_block
            open_block = None
    assert open_block is None


@pytest.mark.parametrize("style", Style)
def test_a_stream_says_what_the_whole_answer_says(style: Style) -> None:
    whole = Message.model_validate_json(reply(False, style=style).whole)
    spoken = thought = ""
    arguments: dict[int, str] = {}
    for event in events(reply(True, style=style)):
        if event.type == "content_block_delta":
            spoken += getattr(event.delta, "text", "")
            thought += getattr(event.delta, "thinking", "")
            if event.delta.type == "input_json_delta":
                arguments[event.index] = arguments.get(event.index, "") + event.delta.partial_json
        elif event.type == "message_delta":
            assert event.delta.stop_reason == whole.stop_reason
            assert event.usage.output_tokens == whole.usage.output_tokens == 6
    said = {block.type: block for block in whole.content}
    assert spoken == getattr(said.get("text"), "text", "")
    assert thought == getattr(said.get("thinking"), "thinking", "")
    used = [block.input for block in whole.content if block.type == "tool_use"]
    assert [json.loads(text) for text in arguments.values()] == used
    assert len(used) == {Style.TOOL: 1, Style.PARALLEL: 2}.get(style, 0)


def test_the_limit_ends_it() -> None:
    whole = Message.model_validate_json(reply(False, limit=2).whole)
    assert (whole.stop_reason, whole.usage.output_tokens) == ("max_tokens", 2)


def test_other_paths() -> None:
    counted = json.loads(compose(ask("POST", "/v1/messages/count_tokens", "", b"{}" * 20), "a", 1).whole)
    assert counted == {"input_tokens": 10}
    assert json.loads(compose(ask("GET", "/v1/models", "", b""), "a", 1).whole)["data"][0]["type"] == "model"


@pytest.mark.parametrize("failure", ["anthropic_rate_limit", "openai_server_error", "anthropic_nonsense"])
def test_errors_in_a_stream_are_named(failure: str) -> None:
    event = error_event(failure)
    assert event.startswith(b"event: error\ndata: ")
    assert json.loads(event.split(b"data: ")[1])["type"] == "error"


def test_the_path_decides_who_speaks() -> None:
    names = {path: getattr(find_speaker(ask("POST", path, "", b"")), "name", None)
             for path in ("/v1/messages", "/v1/chat/completions", "/v1/embeddings", "/v1/nothing")}  # fmt: skip
    assert names == {
        "/v1/messages": "anthropic",
        "/v1/chat/completions": "openai",
        "/v1/embeddings": "openai",
        "/v1/nothing": None,
    }

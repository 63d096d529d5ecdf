"""What a Gemini model sealed comes back to it on the very part, whichever format the client in between speaks."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from wire.gemini_chunks import call as calling
from wire.gemini_chunks import event, response

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.gemini import GeminiKind
from proxy.wire.formats import FORMATS

KEY = Credential("g#1", "k")
GEMINI = GeminiKind(Provider("g", "gemini", "gemini", Origin("https", "g.example", 443, "/v1beta"), (KEY,)))
TARGET = Target("g", "gemini-3-pro-preview")
History = list[dict[str, Any]]

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
#: What the model writes, turn by turn: thoughts and sealed text, then sealed calls, then text again.
ANSWERS: list[list[dict[str, object]]] = [
    [{"text": "Rhyme?", "thought": True}, {"text": "Roses"}, {"text": " are red.", "thoughtSignature": "AAAA"}],
    [{"text": "Look.", "thought": True}, calling("look", "BBBB", city="Rome"), calling("look", city="Oslo")],
    [calling("look", "CCCC", city="Bern")],
    [{"text": "Sunny."}, {"text": "", "thoughtSignature": "DDDD"}],
]


def ask_chat(history: History) -> dict[str, Any]:
    return {"messages": history, "tools": [{"type": "function", "function": {"name": "look", "parameters": TOOL}}]}


def take_chat(history: History, answer: dict[str, Any]) -> None:
    message = answer["choices"][0]["message"]
    history.append(message)
    for called in message.get("tool_calls") or ():
        history.append({"role": "tool", "tool_call_id": called["id"], "content": "warm"})
    if not message.get("tool_calls"):
        history.append({"role": "user", "content": "go on"})


def ask_messages(history: History) -> dict[str, Any]:
    return {"messages": history, "max_tokens": 500, "tools": [{"name": "look", "input_schema": TOOL}]}


def take_message(history: History, answer: dict[str, Any]) -> None:
    history.append({"role": "assistant", "content": answer["content"]})
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": identity, "content": "warm"} for identity in calls]
    history.append({"role": "user", "content": results or "go on"})


def ask_responses(history: History) -> dict[str, Any]:
    tool = {"type": "function", "name": "look", "parameters": TOOL, "strict": False}
    return {"input": history, "tools": [tool], "include": ["reasoning.encrypted_content"], "store": False}


def take_response(history: History, answer: dict[str, Any]) -> None:
    history.extend(answer["output"])
    calls = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
    history.extend({"type": "function_call_output", "call_id": identity, "output": "warm"} for identity in calls)
    if not calls:
        history.append({"role": "user", "content": "go on"})


def events_of(stream: bytes) -> list[dict[str, Any]]:
    found = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in found]


def join_chat(stream: bytes) -> dict[str, Any]:
    """What a client makes of the deltas."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "reasoning_details": [], "tool_calls": []}
    for chunk in events_of(stream):
        for choice in chunk["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_details"] += delta.get("reasoning_details") or []
            for part in delta.get("tool_calls") or ():
                if part["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(part)
                else:
                    message["tool_calls"][part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    if not message["tool_calls"]:
        del message["tool_calls"]
    return {"choices": [{"message": message}]}


def join_message(stream: bytes) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for item in events_of(stream):
        if item["type"] == "content_block_start":
            blocks.append(item["content_block"])
        elif item["type"] == "content_block_delta":
            for key, value in item["delta"].items():
                if key == "partial_json":
                    blocks[-1]["json"] = blocks[-1].get("json", "") + value
                elif key != "type":
                    blocks[-1][key] = blocks[-1].get(key, "") + value
    for block in blocks:
        if "json" in block:
            block["input"] = json.loads(block.pop("json"))
    return {"content": blocks}


def join_response(stream: bytes) -> dict[str, Any]:
    done = events_of(stream)[-1]
    assert done["type"] == "response.completed"
    answer: dict[str, Any] = done["response"]
    return answer


Ask = Callable[[History], dict[str, Any]]
Take = Callable[[History, dict[str, Any]], None]
Join = Callable[[bytes], dict[str, Any]]
CLIENTS: dict[Endpoint, tuple[Ask, Take, Join]] = {
    Endpoint.CHAT: (ask_chat, take_chat, join_chat),
    Endpoint.MESSAGES: (ask_messages, take_message, join_message),
    Endpoint.RESPONSES: (ask_responses, take_response, join_response),
}


def answer_of(call: Call, turn: int) -> list[dict[str, Any]]:
    """The turn as responses: whole, or with each part in a chunk of its own."""
    identity = {"responseId": f"r{turn}", "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}
    if not call.envelope.stream:
        return [response(*ANSWERS[turn], finish="STOP") | identity]
    return [*(response(part) | identity for part in ANSWERS[turn]), response(finish="STOP") | identity]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("endpoint", CLIENTS)
def test_seals_come_back_on_the_part_they_were_on(endpoint: Endpoint, stream: bool) -> None:
    ask, take, join = CLIENTS[endpoint]
    history: History = [{"role": "user", "content": "start"}]
    bodies: list[dict[str, Any]] = []
    for turn in range(len(ANSWERS) + 1):
        raw = json.dumps({"model": "public", "stream": stream, **ask(history)}).encode()
        call = Call("id", endpoint, FORMATS[endpoint].read_envelope(raw, endpoint), {}, wall=1.0)
        request = GEMINI.request(call, TARGET, KEY)
        bodies.append(json.loads(request.body))
        if turn == len(ANSWERS):
            break
        if stream:
            reader = GEMINI.reader(call)
            out = b"".join(reader.feed(event(chunk)) for chunk in answer_of(call, turn))
            assert reader.end().ok
            take(history, join(out + reader.terminator))
        else:
            answer = GEMINI.answer(call, [], json.dumps(answer_of(call, turn)[0]).encode())
            assert answer.outcome.ok
            take(history, json.loads(answer.body))
    written = [content for content in bodies[-1]["contents"] if content["role"] == "model"]
    assert [strip(content["parts"]) for content in written] == [
        [{"text": "Roses are red.", "thoughtSignature": "AAAA"}],
        [calling("look", "BBBB", city="Rome"), calling("look", city="Oslo")],
        [calling("look", "CCCC", city="Bern")],
        [{"text": "Sunny.", "thoughtSignature": "DDDD"}],
    ]
    # A prefix that changes from turn to turn would never be found in Google's cache.
    for earlier, later in pairwise(bodies):
        assert later["contents"][: len(earlier["contents"])] == earlier["contents"]


def strip(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without thoughts, which may come back or not, and ids, which are of no account here."""
    kept = [dict(part) for part in parts if not part.get("thought")]
    for part in kept:
        if "functionCall" in part:
            part["functionCall"] = {key: value for key, value in part["functionCall"].items() if key != "id"}
    return kept

"""A conversation that a client keeps in its own format: what it asks, and how it goes on from an answer, whole or streamed.

The client is a careful one: it sends back everything that it was given, as it was given, answers each call with a result,
and says a word where there are none.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.core.endpoints import Endpoint

History = list[dict[str, Any]]

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
RESULT, GO_ON = "warm", "go on"


@dataclass(frozen=True)
class Talk:
    """One format. `ask` gives the fields of a request but for model and stream; `join` makes of a stream what `take` takes;
    `take` adds an answer, and what the client says to it, to the history."""

    ask: Callable[[History, Sequence[str]], dict[str, Any]]
    take: Callable[[History, dict[str, Any]], None]
    join: Callable[[bytes], dict[str, Any]]
    think: Mapping[str, Any]


def ask_chat(history: History, tools: Sequence[str]) -> dict[str, Any]:
    functions = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in tools]
    return {"messages": history, "tools": functions}


def take_chat(history: History, answer: dict[str, Any]) -> None:
    message = answer["choices"][0]["message"]
    history.append(message)
    for called in message.get("tool_calls") or ():
        history.append({"role": "tool", "tool_call_id": called["id"], "content": RESULT})
    if not message.get("tool_calls"):
        history.append({"role": "user", "content": GO_ON})


def join_chat(stream: bytes) -> dict[str, Any]:
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
    for call in message["tool_calls"]:
        del call["index"]
    return {"choices": [{"message": {name: value for name, value in message.items() if value or name == "content"}}]}


def ask_messages(history: History, tools: Sequence[str]) -> dict[str, Any]:
    described = [{"name": name, "input_schema": PARAMETERS} for name in tools]
    return {"messages": history, "max_tokens": 5000, "tools": described}


def take_message(history: History, answer: dict[str, Any]) -> None:
    history.append({"role": "assistant", "content": answer["content"]})
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": identity, "content": RESULT} for identity in calls]
    history.append({"role": "user", "content": results or GO_ON})


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


def ask_responses(history: History, tools: Sequence[str]) -> dict[str, Any]:
    described = [{"type": "function", "name": name, "parameters": PARAMETERS, "strict": False} for name in tools]
    return {"input": history, "tools": described, "include": ["reasoning.encrypted_content"], "store": False}


def take_response(history: History, answer: dict[str, Any]) -> None:
    history.extend(answer["output"])
    calls = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
    history.extend({"type": "function_call_output", "call_id": identity, "output": RESULT} for identity in calls)
    if not calls:
        history.append({"role": "user", "content": GO_ON})


def join_response(stream: bytes) -> dict[str, Any]:
    done = events_of(stream)[-1]
    assert done["type"] == "response.completed"
    answer: dict[str, Any] = done["response"]
    return answer


def events_of(stream: bytes) -> list[dict[str, Any]]:
    found = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in found]


CLIENTS: dict[Endpoint, Talk] = {
    Endpoint.CHAT: Talk(ask_chat, take_chat, join_chat, {"reasoning_effort": "low"}),
    Endpoint.MESSAGES: Talk(
        ask_messages, take_message, join_message, {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    ),
    Endpoint.RESPONSES: Talk(ask_responses, take_response, join_response, {"reasoning": {"effort": "low"}}),
}

import json
from typing import Any

import pytest

from proxy.core.endpoints import Endpoint
from proxy.wire.chat.history import list_changes
from proxy.wire.openai_envelope import read_envelope

HI = {"role": "user", "content": 'what is "reasoning"?', "reasoning": "the user's own field"}


def change(messages: Any) -> tuple[Any, tuple[str, ...]]:
    body = json.dumps({"model": "m", "messages": messages}).encode()
    changes, lost = list_changes(read_envelope(body, Endpoint.CHAT))
    return (json.loads(changes["messages"]) if changes else None), lost  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_details"])
def test_reasoning_of_earlier_turns_goes(name: str) -> None:
    answer = {"role": "assistant", "content": "Hi", name: None, "odd": 1.5}
    kept = {"role": "assistant", "content": "Hi", "odd": 1.5}
    assert change([HI, answer, HI]) == ([HI, kept, HI], ("reasoning.history",))


def test_seals_on_calls_go() -> None:
    function = {"name": "f", "arguments": '{"n": 1.10}'}
    call = {"id": "a", "type": "function", "function": function}
    sealed = {**call, "extra_content": {"google": {"thought_signature": "AAAA"}}}
    answer = {"role": "assistant", "tool_calls": [sealed, call, "odd"]}
    assert change([answer])[0] == [{"role": "assistant", "tool_calls": [call, call, "odd"]}]


@pytest.mark.parametrize(
    "messages",
    [
        [HI],
        [{"role": "assistant", "content": "plain"}],
        [{"role": "assistant", "content": 'said "reasoning"', "tool_calls": None}, HI],
        ["reasoning"],
        "reasoning",
        [{"role": "tool", "content": "x", "extra_content": 1}],
    ],
)
def test_everything_else_stays_the_bytes_that_it_was(messages: Any) -> None:
    assert change(messages) == (None, ())

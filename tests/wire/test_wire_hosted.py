"""Tools that the vendor runs: offered beside others, or what the request is about."""

from typing import Any

import pytest
from messages_shapes import read as read_messages
from wire.responses_plays import envelope as responses_envelope
from wire_dialogues import ask

from proxy.core.features import Feature as F
from proxy.wire.dialogue import Dialogue
from proxy.wire.responses.request import read_request

FUNCTION = {"type": "function", "name": "f"}
SEARCH = {"type": "web_search", "external_web_access": False}
HOSTED = {F.HOSTED_TOOLS, F.SPARE_TOOLS}


def respond(**fields: Any) -> Dialogue:
    return read_request(responses_envelope(**fields))


@pytest.mark.parametrize(
    ("tools", "choice", "expected"),
    [
        ([FUNCTION, SEARCH], None, F.SPARE_TOOLS),
        ([FUNCTION, SEARCH], "required", F.SPARE_TOOLS),
        ([{"type": "custom", "name": "p"}, {"type": "web_search_preview_2025_03_11"}], None, F.SPARE_TOOLS),
        ([FUNCTION, {"type": "code_interpreter", "container": {}}, {"type": "image_generation"}], None, F.SPARE_TOOLS),
        ([SEARCH], None, F.HOSTED_TOOLS),
        ([FUNCTION, SEARCH], {"type": "web_search"}, F.HOSTED_TOOLS),
        ([FUNCTION, SEARCH], {"type": "allowed_tools", "mode": "auto", "tools": [SEARCH]}, F.HOSTED_TOOLS),
        ([FUNCTION, SEARCH, {"type": "mcp", "server_label": "mine"}], None, F.HOSTED_TOOLS),
        ([FUNCTION, {"type": "file_search", "vector_store_ids": ["v"]}], None, F.HOSTED_TOOLS),
        ([FUNCTION, {"type": "local_shell"}], None, F.HOSTED_TOOLS),
        ([FUNCTION, {"type": 5}], None, F.HOSTED_TOOLS),
        ([FUNCTION], None, None),
    ],
)
def test_of_responses(tools: list[Any], choice: object, expected: F | None) -> None:
    dialogue = respond(tools=tools, tool_choice=choice)
    assert dialogue.features & HOSTED == ({expected} if expected is not None else set())
    assert len(dialogue.tools) == (1 if expected is F.SPARE_TOOLS else len(tools))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, F.HOSTED_TOOLS),
        (
            {"tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}]},
            F.SPARE_TOOLS,
        ),
        (
            {
                "tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}],
                "tool_choice": {"type": "tool", "name": "web_search"},
            },
            F.HOSTED_TOOLS,
        ),
        # Run by the client, on a schema that only Claude knows.
        ({"tools": [{"name": "f", "input_schema": {}}, {"type": "bash_20250124", "name": "bash"}]}, F.HOSTED_TOOLS),
    ],
)
def test_of_messages(fields: dict[str, Any], expected: F) -> None:
    assert read_messages(**fields).features & HOSTED == {expected}


def test_of_chat() -> None:
    function = {"type": "function", "function": {"name": "f"}}
    assert ask(tools=[function], web_search_options={}).features & HOSTED == {F.SPARE_TOOLS}
    assert ask(web_search_options={}).features & HOSTED == {F.HOSTED_TOOLS}
    assert ask(tools=[function]).features & HOSTED == set()
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    assert ask(tools=[function, SEARCH], tool_choice=allowed).features & HOSTED == {F.HOSTED_TOOLS}

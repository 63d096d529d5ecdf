"""What requests in Anthropic's and in the Responses format make a model read."""

import json

import pytest
from msgspec import Raw

from proxy.core.endpoints import Endpoint
from proxy.tokens.parts import PromptParts
from proxy.tokens.prompt import PRIMED, TOOL_CALL, prompt_texts
from proxy.tokens.tools import FRAME, WITH_SYSTEM

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def messages(**fields: object) -> PromptParts:
    return prompt_texts(Endpoint.MESSAGES, {name: Raw(json.dumps(value).encode()) for name, value in fields.items()})


def responses(**fields: object) -> PromptParts:
    return prompt_texts(Endpoint.RESPONSES, {name: Raw(json.dumps(value).encode()) for name, value in fields.items()})


class TestMessages:
    def test_texts_of_every_kind_of_block(self) -> None:
        turn = [
            {"type": "text", "text": "one"},
            {"type": "thinking", "thinking": "two", "signature": "s" * 500},
            {"type": "tool_use", "id": "t", "name": "three", "input": {"four": 4}},
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "five"}]},
            {"type": "tool_result", "tool_use_id": "t", "content": "six"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "seven"}},
        ]
        parts = messages(system="zero", messages=[{"role": "user", "content": turn}])
        assert parts.texts == ["zero", "one", "two", "three", '{"four":4}', "five", "six", "seven"]
        assert (parts.messages, parts.tokens, parts.lower_bound) == (2, PRIMED + TOOL_CALL, False)

    def test_media_is_measured(self) -> None:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        nested = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
        parts = messages(messages=[{"role": "user", "content": [image, nested]}])
        assert [found.size for found in parts.images] == [(1, 1), (1, 1)]
        assert parts.texts == []

    def test_tools_and_a_schema_for_the_answer(self) -> None:
        tool = {"name": "f", "description": "does it", "input_schema": SCHEMA}
        config = {"format": {"type": "json_schema", "schema": SCHEMA}}
        parts = messages(system=[{"type": "text", "text": "s"}], messages=[], tools=[tool], output_config=config)
        assert parts.tools == 1
        assert "type f = " in parts.texts[1]
        assert parts.texts[2] == json.dumps(SCHEMA, separators=(",", ":"))
        assert parts.tokens == PRIMED + FRAME + WITH_SYSTEM

    def test_what_cannot_be_seen(self) -> None:
        hidden = {"type": "redacted_thinking", "data": "x" * 900}
        assert messages(messages=[{"role": "assistant", "content": [hidden]}]).lower_bound
        assert messages(messages=[], tools=[{"type": "web_search_20260101", "name": "web_search"}]).lower_bound


class TestResponses:
    def test_a_string_is_a_message(self) -> None:
        parts = responses(instructions="be good", input="hello")
        assert (parts.texts, parts.messages, parts.lower_bound) == (["be good", "hello"], 2, False)

    def test_items(self) -> None:
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": "one"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "two"}]},
            {"type": "function_call", "call_id": "c", "name": "three", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "four"},
            {"type": "custom_tool_call", "call_id": "d", "name": "five", "input": "six"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "seven"}]},
        ]
        parts = responses(input=items)
        assert parts.texts == ["one", "two", "three", "{}", "four", "five", "six", "seven"]
        assert (parts.messages, parts.tokens, parts.lower_bound) == (4, PRIMED + 2 * TOOL_CALL, False)

    def test_files_and_images(self) -> None:
        content = [
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            {"type": "input_file", "file_id": "file-1"},
        ]
        parts = responses(input=[{"role": "user", "content": content}])
        assert [found.size for found in parts.images] == [(1, 1)]
        assert (parts.pages, parts.lower_bound) == (1, True)

    def test_tools_and_a_schema_for_the_answer(self) -> None:
        tools = [{"type": "function", "name": "f", "parameters": SCHEMA}, {"type": "web_search"}]
        parts = responses(input="x", tools=tools, text={"format": {"type": "json_schema", "schema": SCHEMA}})
        assert (parts.tools, parts.lower_bound, parts.tokens) == (1, True, PRIMED + FRAME)

    @pytest.mark.parametrize(
        "fields",
        [
            {"input": [{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}]},
            {"input": [{"type": "item_reference", "id": "i"}]},
            {"input": "x", "previous_response_id": "resp_1"},
            {"input": "x", "conversation": "conv_1"},
        ],
    )
    def test_what_is_held_elsewhere(self, fields: dict[str, object]) -> None:
        assert responses(**fields).lower_bound

"""What requests in Anthropic's and in the Responses format make a model read."""

import base64
import json

import pytest
from msgspec import Raw

from proxy.core.endpoints import Endpoint
from proxy.tokens.parts import PromptParts, Tools
from proxy.tokens.prompt import PRIMED, PRIMED_RESPONSE, TOOL_CALL, prompt_texts

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
        assert parts.tools == Tools([{**tool, "parameters": SCHEMA}], system=True)
        assert parts.texts == ["s", json.dumps(SCHEMA, separators=(",", ":"))]
        assert parts.tokens == PRIMED

    @pytest.mark.parametrize(
        ("choice", "read"),
        [
            ({"type": "auto"}, ("", "")),
            ({"type": "any"}, ("forced", "")),
            ({"type": "tool", "name": "f"}, ("forced", "f")),
            ({"type": "none"}, ("none", "")),
        ],
    )
    def test_choice_of_a_tool(self, choice: object, read: tuple[str, str]) -> None:
        parts = messages(messages=[], tools=[{"name": "f", "input_schema": SCHEMA}], tool_choice=choice)
        assert parts.tools is not None
        assert (parts.tools.choice, parts.tools.named) == read

    def test_documents_of_every_source(self) -> None:
        inside = {"type": "content", "content": [{"type": "text", "text": "one"}]}
        told = {"type": "base64", "media_type": "text/plain", "data": base64.b64encode(b"two").decode()}
        content = [{"type": "document", "title": "zero", "source": source} for source in (inside, told)]
        content.append({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}})
        parts = messages(messages=[{"role": "user", "content": content}])
        assert parts.texts == ["one", "two"]
        assert (parts.pages, parts.images, parts.lower_bound) == (1, [], True)

    def test_what_cannot_be_seen(self) -> None:
        hidden = {"type": "redacted_thinking", "data": "x" * 900}
        assert messages(messages=[{"role": "assistant", "content": [hidden]}]).lower_bound
        assert messages(messages=[], tools=[{"type": "web_search_20260101", "name": "web_search"}]).lower_bound


class TestResponses:
    def test_screenshots_and_pictures_that_were_made(self) -> None:
        shot = {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"}
        made = base64.b64encode(base64.b64decode(PNG) + bytes(900)).decode()
        items = [
            {"type": "computer_call_output", "call_id": "c", "output": shot},
            {"type": "image_generation_call", "id": "i", "result": made},
            {"type": "new_thing", "deep": {"deeper": [{"x": made, "y": "short"}], "n": 1}},
        ]
        parts = responses(input=items)
        assert [found.size for found in parts.images] == [(1, 1)] * 3
        assert (parts.texts, parts.lower_bound) == ([], True)

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
        assert (parts.messages, parts.tokens, parts.lower_bound) == (4, PRIMED_RESPONSE + 2 * TOOL_CALL, False)

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
        assert (parts.tools, parts.lower_bound) == (Tools(tools[:1]), True)

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
